"""Audit log entries about tokens."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from luigi_sinks import audit, config
from luigi_sinks.credentials.token import Token


def token_entry(action: str, credential: str, token: Token, **more: Any) -> audit.Entry:
    """Return an audit entry about a token; `more` sets further fields."""
    info = token.info
    return audit.Entry(
        action,
        credential=credential,
        source=config.read_credential(credential).get("source", ""),
        principal=info.principal,
        issuer=info.issuer,
        audience=info.audience,
        token=token_name(token),
        issued=_time(info.issued),
        expires=_time(info.issued + info.lifetime) if info.lifetime is not None else "",
        **more,
    )


def token_name(token: Token) -> str:
    """Return the token's name in the audit log: its id, its lease, or a keyed fingerprint."""
    return token.info.token_id or token.info.lease or _fingerprint(token)


def _fingerprint(token: Token) -> str:
    key = audit.fingerprint_key()
    return token.digest(key) if key else token.fingerprint


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
