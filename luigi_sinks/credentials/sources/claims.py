"""The unverified claims of a JWT: for the audit log, and for the time from which it is valid."""

from __future__ import annotations

import base64
import json
from typing import Any


def unverified(token: str) -> dict[str, Any]:
    """Return the claims without verifying the signature; empty if the token is not a JWT."""
    try:
        _, payload, _ = token.split(".")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except ValueError:
        return {}
    return claims if isinstance(claims, dict) else {}


def text(claims: dict[str, Any], name: str) -> str:
    """Return a claim as text, a list joined by spaces; empty if the claim is missing."""
    value = claims.get(name, "")
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def not_before(claims: dict[str, Any]) -> float:
    """Return when the token becomes valid, in seconds since 1970; 0 if it has no such claim."""
    value = claims.get("nbf", 0)
    return float(value) if isinstance(value, int | float) else 0.0
