"""The interface between the provider and the sources of tokens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from luigi_sinks import config
from luigi_sinks.credentials.token import Token
from luigi_sinks.errors import BadSetting

Settings = TypeVar("Settings")


class Refused(Exception):
    """The server refused the token; `__cause__` is the server's error."""


@dataclass(frozen=True)
class Request:
    """What a connection needs a token for. Every field is optional.

    - `host`, `port`, `user`: the server that the token is sent to, and the login there.
    - `audience`: the audience that the token must be issued for.
    - `owner`: the team that the task belongs to.
    - `session`: the family of the running task, for sources that pass it on, such as AWS STS.
    """

    host: str = ""
    port: int = 0
    user: str = ""
    audience: str = ""
    owner: str = ""
    session: str = ""


class Source(Protocol):
    """A source of tokens for one credential.

    To add one, register an `Opener`, for example the class, as an entry point of the
    group `luigi_sinks.credential_sources`. Its name is the value of `source` in
    `[luigi_sinks.credential.NAME]`.

    Example:
        >>> from luigi_sinks.credentials import Request, Token, TokenInfo
        >>> class Fixed:
        ...     def __init__(self, name, use):
        ...         self.name = name
        ...     def scope(self, request):
        ...         return Request(user=request.user)
        ...     def fetch(self, request):
        ...         return Token("not a secret", TokenInfo(lifetime=60, user=request.user))
        >>> source: Source = Fixed("db", None)
        >>> source.fetch(source.scope(Request(host="db.internal", user="loader"))).user
        'loader'

    """

    def scope(self, request: Request) -> Request:
        """Return the part of the request that the token depends on. Equal scopes share one cached token."""

    def fetch(self, request: Request) -> Token:
        """Return a token that is valid now. `request` is a result of `scope`.

        Raises CredentialError. Neither its message nor its cause may contain a secret.
        """


@runtime_checkable
class Leasing(Source, Protocol):
    """A source whose tokens have a lease, which can be renewed and revoked."""

    def renew(self, token: Token) -> Token:
        """Return the token with a renewed lease. Raises CredentialError if a new token is needed."""

    def revoke(self, lease: str) -> None:
        """Revoke a lease, also one of another process. Does nothing if the lease has ended. Raises CredentialError."""


Use = Callable[..., Any]
"""The type of `Provider.use`, by which a source uses another credential."""

Opener = Callable[[str, Use], Source]
"""Opens the source of the credential of this name, from its section in luigi.cfg."""


def read(kind: type[Settings], name: str) -> Settings:
    """Return the section of the credential as a frozen dataclass. Raises BadSetting."""
    try:
        return config.read(kind, section(name))
    except BadSetting as error:
        reason, _, _ = str(error).partition("; known are: ")  # the list that follows would contain `source`
        settings = ", ".join(key for key in kind.__annotations__ if key != "source")
        source = config.read_credential(name).get("source", "")
        raise BadSetting(f"{reason}; the settings of source = {source} are: {settings or 'none'}") from None


def section(name: str) -> str:
    """Return the name of the section of a credential."""
    return f"luigi_sinks.credential.{name}"
