"""What a JSON web token says of itself, unverified: for the audit, and for when it may first be used."""

from __future__ import annotations

import base64
import json
from typing import Any


def of(token: str) -> dict[str, Any]:
    """Return the unverified claims, or nothing where the token is no JWT."""
    try:
        _, payload, _ = token.split(".")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except ValueError:
        return {}
    return claims if isinstance(claims, dict) else {}


def text(claims: dict[str, Any], name: str) -> str:
    """Return a claim as text, several values with spaces between; empty where it is missing."""
    value = claims.get(name, "")
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def starts(claims: dict[str, Any]) -> float:
    """Return when a token becomes valid, in seconds since 1970; 0 where it does not say."""
    value = claims.get("nbf", 0)
    return float(value) if isinstance(value, int | float) else 0.0
