"""An OpenID Connect issuer: its discovery document and key set, checked and kept for a while."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
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


@dataclass
class Published:
    """What an issuer tells everybody, and when it was read by the monotonic clock; nothing of it is secret."""

    document: dict[str, Any] = field(default_factory=dict)
    document_until: float = 0.0
    keys: dict[str | None, Any] = field(default_factory=dict)
    keys_read: float = float("-inf")


published: defaultdict[tuple[str, Path | None], Published] = defaultdict(Published)
"""What is known of each issuer, by its name and whose certificates were trusted; a forked child goes on with it."""


class Issuer:
    """An identity provider by its name, which is the address of its documents too."""

    def __init__(self, credential: str, name: str, ca: Path | None) -> None:
        self._credential = credential
        self.name = refuse_clear_text(name, credential)
        self.web = Web(credential, ca)
        self._known = published[name, ca]

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
        kid, known = header.get("kid"), self._known
        if kid not in known.keys and time.monotonic() - known.keys_read > _KEYS_KEPT_AT_LEAST:
            known.keys = self._read_keys()
            known.keys_read = time.monotonic()
        try:
            return known.keys[kid]
        except KeyError:
            raise self._failed("gave a token signed by a key that it does not publish") from None

    def _read_keys(self) -> dict[str | None, Any]:
        found = self._get(self._address("jwks_uri"))
        try:
            return {key.key_id: key for key in jwt.PyJWKSet.from_dict(found).keys}
        except (jwt.PyJWTError, TypeError, AttributeError):
            raise self._failed("publishes keys that cannot be read") from None

    def _address(self, what: str) -> str:
        known = self._known
        if time.monotonic() >= known.document_until:
            known.document = self._read_document()
            known.document_until = time.monotonic() + _KEPT
        address = known.document.get(what)
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
