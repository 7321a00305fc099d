"""What this process has logged in with, where a store sees a token with each call: the first is written down."""

from __future__ import annotations

import os

from luigi_sinks.credentials import audit
from luigi_sinks.credentials.token import Token

_noted: dict[tuple[str, str, str], object] = {}
"""By server, credential and fingerprint."""


def note(server: str, credential: str, token: Token) -> None:
    """Write down, once in each process, that the server at this address let the token in."""
    mine = object()
    if _noted.setdefault((server, credential, token.fingerprint), mine) is mine:
        audit.record(audit.of_token("connection", credential, token, server=server))


os.register_at_fork(after_in_child=_noted.clear)
