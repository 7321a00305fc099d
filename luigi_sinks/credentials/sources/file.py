"""A mounted file, as vault agents and Kubernetes write it; re-read when it changes."""

from __future__ import annotations

from pathlib import Path

from luigi_sinks.credentials.token import Token
from luigi_sinks.errors import CredentialError


class FileSource:
    """Reads the secret that is the file's whole text, without the last newline."""

    def __init__(self, name: str, path: Path) -> None:
        self._name = name
        self._path = path

    def fetch(self) -> Token:
        """Return what the file holds now. Raises CredentialError if it holds nothing."""
        try:
            secret = self._path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise CredentialError(f"credential {self._name!r}: cannot read {self._path}: {reason}") from None
        if not secret:
            raise CredentialError(f"credential {self._name!r}: {self._path} is empty")
        return Token(secret)
