"""What this process has logged in with: the first time is written down where a store sees a token with each call."""

from __future__ import annotations

import os

from luigi_sinks.credentials import audit
from luigi_sinks.credentials.token import Token

_noted: dict[tuple[str, str, str], object] = {}
"""By server, credential and fingerprint."""

_last: dict[tuple[str, str], str] = {}
"""By server and credential, the audit log's name of the token."""


def note(server: str, credential: str, token: Token) -> None:
    """Write down, once in each process, that the server at this address let the token in."""
    used(server, credential, audit.token_name(token))
    mine = object()
    if _noted.setdefault((server, credential, token.fingerprint), mine) is mine:
        audit.record(audit.token_event("connection", credential, token, server=server))


def used(server: str, credential: str, name: str) -> None:
    """Remember which token is in use: a call shows it, or a session that is used logged in with it."""
    _last[server, credential] = name


def last(server: str, credential: str) -> str:
    """Return the name of the token that was in use last; nothing if none was."""
    return _last.get((server, credential), "")


def _forget() -> None:
    _noted.clear()
    _last.clear()


os.register_at_fork(after_in_child=_forget)
