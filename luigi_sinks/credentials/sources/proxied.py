"""No secret at all: an identity-aware proxy in between says who this is.

Its token is empty. Clear text off loopback is refused by the stores, as with any
credential.
"""

from __future__ import annotations

from dataclasses import dataclass

from luigi_sinks.credentials.source import Request, Use, read
from luigi_sinks.credentials.token import Token, TokenInfo


@dataclass(frozen=True)
class ProxiedSettings:
    """`user` is the name to log in by, where the proxy wants another than the connection's."""

    source: str
    user: str = ""


class Proxied:
    """Gives tokens with nothing in them."""

    def __init__(self, name: str, use: Use) -> None:  # noqa: ARG002 - it needs no other credential
        self._user = read(ProxiedSettings, name).user

    def scope(self, request: Request) -> Request:  # noqa: ARG002 - it is the same for all
        """Depend on nothing."""
        return Request()

    def fetch(self, request: Request) -> Token:  # noqa: ARG002
        """Return a token without a secret."""
        return Token("", TokenInfo(scheme="none", user=self._user, issuer="proxy"))
