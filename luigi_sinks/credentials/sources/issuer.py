"""An OpenID Connect issuer: its discovery document and key set, checked and kept for a while."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from luigi_sinks.credentials.web import Web, refuse_clear_text
from luigi_sinks.errors import CredentialError, NotInstalled

try:
    import jwt
except ImportError as missing:
    raise NotInstalled("oidc", missing) from missing

_KEPT = 3600.0
_KEYS_KEPT_AT_LEAST = 10.0
"""Seconds before an unknown key is looked for again, so that a stranger's tokens cause no storm."""

_LEEWAY = 60
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


class Issuer:
    """An identity provider by its name, which is the address of its documents too."""

    def __init__(self, credential: str, name: str, ca: Path | None) -> None:
        self._credential = credential
        self.name = refuse_clear_text(name, credential)
        self.web = Web(credential, ca)
        self._document: dict[str, Any] = {}
        self._document_until = 0.0
        self._keys: dict[str | None, Any] = {}
        self._keys_read = float("-inf")

    def token_endpoint(self) -> str:
        """Return where tokens are given."""
        return self._address("token_endpoint")

    def check(self, token: str, audience: str) -> None:
        """Raise CredentialError unless the token is signed by this issuer, in time, and for the audience."""
        try:
            jwt.decode(
                token,
                self._key(jwt.get_unverified_header(token)),
                algorithms=_ALGORITHMS,
                issuer=self.name,
                audience=audience or None,
                leeway=_LEEWAY,
                options={"verify_aud": bool(audience), "require": ["exp", "iss"]},
            )
        except jwt.PyJWTError as error:
            raise self._failed(f"gave a token that is not right ({type(error).__name__})") from None

    def _key(self, header: dict[str, Any]) -> Any:
        kid = header.get("kid")
        if kid not in self._keys and time.monotonic() - self._keys_read > _KEYS_KEPT_AT_LEAST:
            self._keys = self._read_keys()
            self._keys_read = time.monotonic()
        try:
            return self._keys[kid]
        except KeyError:
            raise self._failed("gave a token signed by a key that it does not publish") from None

    def _read_keys(self) -> dict[str | None, Any]:
        found = self._get(self._address("jwks_uri"))
        try:
            return {key.key_id: key for key in jwt.PyJWKSet.from_dict(found).keys}
        except (jwt.PyJWTError, TypeError, AttributeError):
            raise self._failed("publishes keys that cannot be read") from None

    def _address(self, what: str) -> str:
        if time.monotonic() >= self._document_until:
            self._document = self._read_document()
            self._document_until = time.monotonic() + _KEPT
        address = self._document.get(what)
        if not isinstance(address, str):
            raise self._failed(f"has no {what} in its discovery document")
        return refuse_clear_text(address, self._credential)

    def _read_document(self) -> dict[str, Any]:
        document = self._get(f"{self.name.rstrip('/')}/.well-known/openid-configuration")
        if document.get("issuer") != self.name:
            raise self._failed("calls itself otherwise in its discovery document")
        return document

    def _get(self, url: str) -> dict[str, Any]:
        answer = self.web.get(url)
        if answer.status != 200:  # noqa: PLR2004 - HTTP's own
            raise self._failed(f"answers {answer.status} to {url}")
        return answer.content

    def _failed(self, reason: str) -> CredentialError:
        return CredentialError(f"credential {self._credential!r}: the issuer {self.name} {reason}")
