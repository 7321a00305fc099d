"""The logins of this process, by server and credential."""

from __future__ import annotations

import os

from luigi_sinks import audit
from luigi_sinks.credentials.audit_entries import token_entry, token_name
from luigi_sinks.credentials.token import Token
from luigi_sinks.login import Login

_noted: dict[tuple[str, str, str], object] = {}
"""The tokens whose first use is in the audit log, by server, credential and fingerprint."""

_last: dict[tuple[str, str], Login] = {}


def note(server: str, credential: str, token: Token) -> None:
    """Audit the first time in this process that the server accepted the token."""
    used(server, credential, login_of(token))
    mine = object()
    if _noted.setdefault((server, credential, token.fingerprint), mine) is mine:
        audit.record(token_entry("connection", credential, token, server=server))


def used(server: str, credential: str, login: Login) -> None:
    """Remember the login of the latest call or session."""
    _last[server, credential] = login


def last(server: str, credential: str) -> Login:
    """Return the login that was used last, or an empty one."""
    return _last.get((server, credential), Login())


def login_of(token: Token) -> Login:
    """Return the login that a token stands for."""
    return Login(token.info.principal or token.info.user, token_name(token))


def _forget() -> None:
    _noted.clear()
    _last.clear()


os.register_at_fork(after_in_child=_forget)
