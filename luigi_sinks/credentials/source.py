"""The seam between the provider and the places that tokens come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from luigi_sinks import config
from luigi_sinks.credentials.token import Token
from luigi_sinks.errors import BadSetting

Settings = TypeVar("Settings")


class Refused(Exception):
    """The server did not accept the token; `__cause__` is its error."""


@dataclass(frozen=True)
class Request:
    """What a connection wants a token for.

    `host`, `port` and `user` are those of the server that will see the token,
    `audience` is what the token must be meant for, and `owner` the team that the
    task belongs to. `session` is the running task's family, for sources that
    tell others who asks.
    """

    host: str = ""
    port: int = 0
    user: str = ""
    audience: str = ""
    owner: str = ""
    session: str = ""


class Source(Protocol):
    """Where one credential's tokens come from."""

    def scope(self, request: Request) -> Request:
        """Keep of the request only what its token depends on: equal scopes share a token."""

    def fetch(self, request: Request) -> Token:
        """Return a token that should work now; `request` is a scope.

        Raises CredentialError with nothing secret in it, nor in its cause.
        """


@runtime_checkable
class Leasing(Source, Protocol):
    """A source whose tokens can be extended, and revoked before their end."""

    def renew(self, token: Token) -> Token:
        """Extend the token's lease. Raises CredentialError if it has to be replaced."""

    def revoke(self, lease: str) -> None:
        """End a lease, also one of another process; one that has ended already is no error."""


Use = Callable[..., Any]
"""`Provider.use`: how a source gets at another credential that it depends on."""

Opener = Callable[[str, Use], Source]
"""Makes the source of a credential of this name from its section in luigi.cfg."""


def read(kind: type[Settings], name: str) -> Settings:
    """Read the section of the credential into a frozen dataclass; raises BadSetting."""
    try:
        return config.read(kind, section(name))
    except BadSetting as error:
        said, _, _ = str(error).partition("; known are: ")  # which is all that follows, and `source`
        takes = ", ".join(key for key in kind.__annotations__ if key != "source")
        source = config.read_credential(name).get("source", "")
        raise BadSetting(f"{said}; with source = {source} it takes: {takes or 'nothing else'}") from None


def section(name: str) -> str:
    """Name the section of a credential."""
    return f"luigi_sinks.credential.{name}"
