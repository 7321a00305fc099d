"""A mounted file, as vault agents and Kubernetes write it; re-read when it changes."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from luigi_sinks.credentials.source import Request, Use, read
from luigi_sinks.credentials.sources import claims
from luigi_sinks.credentials.token import Token, TokenInfo
from luigi_sinks.errors import CredentialError

Stamp = tuple[int, int, int, int]

_SKEW = 1.0
"""How far, in seconds, the clock of who wrote a token may be before ours."""


@dataclass(frozen=True)
class FileSettings:
    """`path` is the file that holds the secret and nothing else, `holds` what it is."""

    source: str
    path: Path
    holds: Literal["password", "bearer", "api_key"] = "password"


class FileSource:
    """Reads the secret that is the file's whole text, without the last newline."""

    def __init__(self, name: str, use: Use) -> None:  # noqa: ARG002 - it needs no other credential
        self._name = name
        settings = read(FileSettings, name)
        self._path, self._scheme = settings.path, settings.holds

    def scope(self, request: Request) -> Request:  # noqa: ARG002 - the file is the same for all
        """Depend on nothing."""
        return Request()

    def fetch(self, request: Request) -> Token:  # noqa: ARG002
        """Return what the file holds now. Raises CredentialError if that is nothing, or a token for later."""
        path = str(self._path)
        stamp = _stamp(path)
        try:
            secret = self._path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise CredentialError(f"credential {self._name!r}: cannot read {self._path}: {reason}") from None
        if not secret:
            raise CredentialError(f"credential {self._name!r}: {self._path} is empty")
        said = claims.of(secret) if self._scheme == "bearer" else {}
        self._refuse_early(said)
        info = TokenInfo(
            scheme=self._scheme,
            principal=claims.text(said, "sub"),
            issuer=claims.text(said, "iss"),
            audience=claims.text(said, "aud"),
            token_id=claims.text(said, "jti"),
            changed=partial(_changed, path, stamp),
        )
        return Token(secret, info)

    def _refuse_early(self, said: dict[str, Any]) -> None:
        """Refuse a token for later: not every server does, Elasticsearch for one does not look at `nbf`."""
        early = claims.starts(said) - time.time()
        if early > _SKEW:
            raise CredentialError(
                f"credential {self._name!r}: the token in {self._path} is not valid for another {early:.0f} s; wait, "
                "or set the clock right, here or where it was written"
            )


def _changed(path: str, stamp: Stamp | None) -> bool:
    return _stamp(path) != stamp


def _stamp(path: str) -> Stamp | None:
    """Tell one content of the file from the next: written in place, or replaced as Kubernetes does."""
    try:
        found = os.stat(path)  # noqa: PTH116 - it is asked before each use, and a Path costs a microsecond
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size
