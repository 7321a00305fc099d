"""What this process has logged in with, by server and credential."""

from __future__ import annotations

import os

from luigi_sinks import audit
from luigi_sinks.credentials.audit_entries import token_entry, token_name
from luigi_sinks.credentials.token import Token
from luigi_sinks.login import Login

_noted: dict[tuple[str, str, str], object] = {}
"""By server, credential and fingerprint: the tokens whose first use is in the audit log."""

_last: dict[tuple[str, str], Login] = {}


def note(server: str, credential: str, token: Token) -> None:
    """Record the first time in each process that the server at this address let the token in."""
    used(server, credential, login_of(token))
    mine = object()
    if _noted.setdefault((server, credential, token.fingerprint), mine) is mine:
        audit.record(token_entry("connection", credential, token, server=server))


def used(server: str, credential: str, login: Login) -> None:
    """Remember the login in use: a call shows its token, or a session was opened with it."""
    _last[server, credential] = login


def last(server: str, credential: str) -> Login:
    """Return the login that was in use last; an empty one if none was."""
    return _last.get((server, credential), Login())


def login_of(token: Token) -> Login:
    """Return as whom a token logs in."""
    return Login(token.info.principal or token.info.user, token_name(token))


def _forget() -> None:
    _noted.clear()
    _last.clear()


os.register_at_fork(after_in_child=_forget)
