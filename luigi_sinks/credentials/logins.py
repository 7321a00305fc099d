"""The logins of this process, by server, credential, user and owner."""

from __future__ import annotations

import os
from typing import Protocol

from luigi_sinks import audit
from luigi_sinks.credentials.audit_entries import token_entry, token_name
from luigi_sinks.credentials.token import Token
from luigi_sinks.login import Login


class Connection(Protocol):
    """What the settings of every store say of a login."""

    @property
    def address(self) -> str:
        """The server's host and port."""

    @property
    def credential(self) -> str:
        """The NAME of the section `[luigi_sinks.credential.NAME]`."""

    @property
    def user(self) -> str:
        """The user of a password, empty if the token names its user."""

    @property
    def owner(self) -> str:
        """The team that the token is for, or whose role is taken."""


Key = tuple[str, str, str, str]

_noted: dict[tuple[Key, str], object] = {}
"""The tokens whose first use is in the audit log, by connection and fingerprint."""

_last: dict[Key, Login] = {}


def note(connection: Connection, token: Token) -> None:
    """Audit the first time in this process that the server accepted the token."""
    used(connection, login_of(token))
    mine = object()
    if _noted.setdefault((_key(connection), token.fingerprint), mine) is mine:
        audit.record(token_entry("connection", connection.credential, token, server=connection.address))


def used(connection: Connection, login: Login) -> None:
    """Remember the login of the latest call or session."""
    _last[_key(connection)] = login


def last(connection: Connection) -> Login:
    """Return the login that was used last, or an empty one."""
    return _last.get(_key(connection), Login())


def _key(connection: Connection) -> Key:
    return connection.address, connection.credential, connection.user, connection.owner


def login_of(token: Token) -> Login:
    """Return the login that a token stands for."""
    return Login(token.info.principal or token.info.user, token_name(token))


def _forget() -> None:
    _noted.clear()
    _last.clear()


os.register_at_fork(after_in_child=_forget)
