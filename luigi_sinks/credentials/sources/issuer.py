"""An OpenID Connect issuer: its discovery document and key set, verified and cached."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from luigi_sinks.credentials.sources import claims
from luigi_sinks.credentials.web import Web, require_tls
from luigi_sinks.errors import CredentialError, NotInstalled, SinkError

try:
    import jwt
except ImportError as missing:
    raise NotInstalled("oidc", missing) from missing

_DOCUMENT_TTL = 3600.0
_LONGEST_URL = 2000
_KEY_REFRESH_INTERVAL = 10.0
"""Minimum seconds between two reads of the keys, so that tokens with unknown keys cannot flood the issuer."""

_MALFORMED = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError)
"""What the library raises for data that it does not expect."""

_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


@dataclass
class IssuerMetadata:
    """The public metadata of an issuer, and when it was read (monotonic clock). It contains no secret."""

    document: dict[str, Any] = field(default_factory=dict)
    document_until: float = 0.0
    keys: dict[str | None, Any] = field(default_factory=dict)
    keys_read: float = float("-inf")


metadata_by_issuer: defaultdict[tuple[str, Path | None], IssuerMetadata] = defaultdict(IssuerMetadata)
"""The metadata of each issuer, by its URL and CA file. Forked children inherit it."""


class Issuer:
    """An identity provider. `name` is its issuer URL, below which its discovery document is."""

    def __init__(self, credential: str, name: str, ca: Path | None) -> None:
        self._credential = credential
        self.name = require_tls(name, credential)
        self.web = Web(credential, ca)
        self._known = metadata_by_issuer[name, ca]

    def token_endpoint(self) -> str:
        """Return the URL of the token endpoint. Raises CredentialError."""
        return self._address("token_endpoint")

    def check(self, token: str, audience: str) -> None:
        """Raise CredentialError unless the token is signed by this issuer, not expired, and for the audience."""
        try:
            jwt.decode(
                token,
                self._key(jwt.get_unverified_header(token)),
                algorithms=_ALGORITHMS,
                issuer=self.name,
                audience=audience or None,
                leeway=claims.LEEWAY,
                options={"verify_aud": bool(audience), "require": ["exp", "iss"]},
            )
        except SinkError:
            raise
        except (jwt.PyJWTError, *_MALFORMED) as error:
            raise self._error(
                f"returned an invalid token ({type(error).__name__}); check `issuer`, `audience` and the clock"
            ) from None

    def _key(self, header: dict[str, Any]) -> Any:
        kid, known = header.get("kid"), self._known
        if kid not in known.keys and time.monotonic() - known.keys_read > _KEY_REFRESH_INTERVAL:
            known.keys = self._read_keys()
            known.keys_read = time.monotonic()
        try:
            return known.keys[kid]
        except KeyError:
            raise self._error("returned a token signed by a key that it does not publish; check its key set") from None

    def _read_keys(self) -> dict[str | None, Any]:
        found = self._get(self._address("jwks_uri"))
        try:
            return {key.key_id: key for key in jwt.PyJWKSet.from_dict(found).keys}
        except (jwt.PyJWTError, *_MALFORMED):
            raise self._error("publishes keys in an unknown format; check its key set") from None

    def _address(self, what: str) -> str:
        known = self._known
        if time.monotonic() >= known.document_until:
            known.document = self._read_document()
            known.document_until = time.monotonic() + _DOCUMENT_TTL
        address = known.document.get(what)
        if not isinstance(address, str) or not address.isprintable() or len(address) > _LONGEST_URL:
            raise self._error(f"has no {what} in its discovery document; check `issuer`")
        return require_tls(address, self._credential)

    def _read_document(self) -> dict[str, Any]:
        document = self._get(f"{self.name.rstrip('/')}/.well-known/openid-configuration")
        if document.get("issuer") != self.name:
            raise self._error("has another issuer URL in its discovery document; correct `issuer`")
        return document

    def _get(self, url: str) -> dict[str, Any]:
        response = self.web.get(url)
        if response.status != 200:  # noqa: PLR2004 - HTTP status codes
            raise self._error(f"returned {response.status} for {url}; check `issuer`")
        return response.content

    def _error(self, reason: str) -> CredentialError:
        return CredentialError(f"credential {self._credential!r}: the issuer {self.name} {reason}")
