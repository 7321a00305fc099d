"""No secret: an identity-aware proxy between this process and the server authenticates it.

The token is empty. As with any credential, the stores refuse connections without TLS
unless the host is a loopback address.
"""

from __future__ import annotations

from dataclasses import dataclass

from luigi_sinks.credentials.source import Request, Use, read
from luigi_sinks.credentials.token import Token, TokenInfo


@dataclass(frozen=True)
class ProxiedSettings:
    """The settings of `source = proxied`.

    - `user`: the user to log in as. Default: the connection's.

    Example:
        >>> from luigi_sinks import config
        >>> config.use({"luigi_sinks.credential.proxy": {"source": "proxied", "user": "loader"}})
        >>> read(ProxiedSettings, "proxy").user
        'loader'

    """

    source: str
    user: str = ""


class Proxied:
    """Returns tokens without a secret."""

    def __init__(self, name: str, use: Use) -> None:  # noqa: ARG002 - it needs no other credential
        self._user = read(ProxiedSettings, name).user

    def scope(self, request: Request) -> Request:  # noqa: ARG002 - one token for all requests
        """Return an empty scope: all requests share one token."""
        return Request()

    def fetch(self, request: Request) -> Token:  # noqa: ARG002
        """Return a token without a secret."""
        return Token("", TokenInfo(scheme="none", user=self._user, issuer="proxy"))
