"""Hands a token to whoever opens a connection, and replaces one that the server refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from luigi_sinks import config
from luigi_sinks.credentials.sources.file import FileSource
from luigi_sinks.credentials.token import Token
from luigi_sinks.errors import BadSetting, CredentialError

Result = TypeVar("Result")


class Source(Protocol):
    """Where one credential's tokens come from."""

    def fetch(self) -> Token:
        """Return a token that should work now."""


class Refused(Exception):
    """The server did not accept the token; `__cause__` is its error."""


def use(credential: str, connect: Callable[[Token], Result]) -> Result:
    """Return `connect(token)`; if it raises Refused, try once more with a token that differs.

    Raises CredentialError if there is no token, or no other one after a refusal.
    """
    source = _source(credential)
    token = source.fetch()
    try:
        return connect(token)
    except Refused as refusal:
        fresh = source.fetch()
        if fresh.fingerprint == token.fingerprint:
            raise _refused(credential, refusal) from refusal.__cause__
    try:
        return connect(fresh)
    except Refused as refusal:
        raise _refused(credential, refusal) from refusal.__cause__


def _source(credential: str) -> Source:
    settings = config.read_credential(credential)
    kind = settings.get("source", "")
    if kind != "file" or not settings.get("path"):
        raise BadSetting(
            f"[luigi_sinks.credential.{credential}] in luigi.cfg must say where the credential comes from: "
            "source = file, path = the file that holds it"
        )
    return FileSource(credential, Path(settings["path"]))


def _refused(credential: str, refusal: Refused) -> CredentialError:
    return CredentialError(f"credential {credential!r} was refused by the server: {refusal.__cause__ or refusal}")
