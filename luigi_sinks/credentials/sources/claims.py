"""The unverified claims of a JWT: for the audit log, and for the time from which it is valid."""

from __future__ import annotations

import base64
import json
from typing import Any, Final

LEEWAY: Final = 5
"""Seconds by which the clocks of an issuer and of this machine may differ."""

_LONGEST = 500
_END_OF_TIME = 1e12


def unverified(token: str) -> dict[str, Any]:
    """Return the claims without verifying the signature; empty if the token is not a JWT."""
    try:
        _, payload, _ = token.split(".")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def text(claims: dict[str, Any], name: str) -> str:
    """Return a claim as text, a list joined by spaces, at most 500 characters; empty if there is none."""
    value = claims.get(name, "")
    texts = [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)]
    return " ".join(texts)[:_LONGEST]


def not_before(claims: dict[str, Any]) -> float:
    """Return when the token becomes valid, in seconds since 1970; 0 if it has no such claim."""
    return _time(claims, "nbf") or 0.0


def expires(claims: dict[str, Any]) -> float | None:
    """Return when the token expires, in seconds since 1970; None if it has no such claim."""
    return _time(claims, "exp")


def lifetime(claims: dict[str, Any]) -> float | None:
    """Return for how long the token was issued, by the issuer's own clock; None if it does not say."""
    issued, end = _time(claims, "iat"), _time(claims, "exp")
    return None if issued is None or end is None or end <= issued else end - issued


def _time(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:  # noqa: PLR0124 - NaN
        return None
    return float(value) if abs(value) < _END_OF_TIME else float("inf" if value > 0 else "-inf")
