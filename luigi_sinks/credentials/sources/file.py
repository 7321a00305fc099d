"""A mounted file, as Vault Agent and Kubernetes write it; read again when it changes."""

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


@dataclass(frozen=True)
class FileSettings:
    """The settings of `source = file`.

    - `path`: the file that contains the secret and nothing else. Required.
    - `holds`: what the secret is: password, bearer or api_key. Default: password.

    Example:
        >>> from luigi_sinks import config
        >>> config.use({"luigi_sinks.credential.db": {"source": "file", "path": "/run/secrets/db"}})
        >>> read(FileSettings, "db").holds
        'password'

    """

    source: str
    path: Path
    holds: Literal["password", "bearer", "api_key"] = "password"


class FileSource:
    """Reads a secret from a file: the whole text, without trailing newlines."""

    def __init__(self, name: str, use: Use) -> None:  # noqa: ARG002 - it needs no other credential
        self._name = name
        settings = read(FileSettings, name)
        self._path, self._scheme = settings.path, settings.holds

    def scope(self, request: Request) -> Request:  # noqa: ARG002 - one file for all requests
        """Return an empty scope: all requests share one token."""
        return Request()

    def fetch(self, request: Request) -> Token:  # noqa: ARG002
        """Read the file. Raises CredentialError if it is empty or unreadable, or its token is not valid now."""
        path = str(self._path)
        stamp = _stamp(path)
        try:
            secret = self._path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise CredentialError(
                f"credential {self._name!r}: cannot read {self._path}: {reason}; correct the file or its path"
            ) from None
        if not secret:
            raise CredentialError(f"credential {self._name!r}: {self._path} is empty; write the secret into it")
        found = claims.unverified(secret) if self._scheme == "bearer" else {}
        info = TokenInfo(
            lifetime=self._lifetime(found),
            scheme=self._scheme,
            principal=claims.text(found, "sub"),
            issuer=claims.text(found, "iss"),
            audience=claims.text(found, "aud"),
            token_id=claims.text(found, "jti"),
            changed=partial(_changed, path, stamp),
        )
        return Token(secret, info)

    def _lifetime(self, found: dict[str, Any]) -> float | None:
        """Return the seconds that the token lives. Raises CredentialError if it is not valid yet, or no longer.

        Not every server checks the first: Elasticsearch does not.
        """
        now, expires = time.time(), claims.expires(found)
        if (early := claims.not_before(found) - now) > claims.LEEWAY:
            raise CredentialError(
                f"credential {self._name!r}: the token in {self._path} becomes valid only in {early:.0f} s; wait, "
                "or correct the clock of this machine or of the issuer"
            )
        if expires is not None and expires + claims.LEEWAY < now:
            raise CredentialError(
                f"credential {self._name!r}: the token in {self._path} expired {now - expires:.0f} s ago; check the "
                "program that renews the file, or the clock of this machine"
            )
        return None if expires is None else max(expires - now, claims.LEEWAY)


def _changed(path: str, stamp: Stamp | None) -> bool:
    return _stamp(path) != stamp


def _stamp(path: str) -> Stamp | None:
    """Return what changes whenever the file is overwritten, or replaced as Kubernetes does."""
    try:
        found = os.stat(path)  # noqa: PTH116 - called before each use, and a Path costs a microsecond
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size
