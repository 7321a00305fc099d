"""OpenID Connect: an access token for this process, by client credentials (RFC 6749, 4.4).

The client proves itself by a projected token file, by a signature of its private key
(RFC 7523), or by a secret that another credential holds; never by one in luigi.cfg.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from luigi_sinks.credentials.source import Refused, Request, Use, read
from luigi_sinks.credentials.sources import claims
from luigi_sinks.credentials.sources.issuer import Issuer
from luigi_sinks.credentials.token import Token, TokenInfo
from luigi_sinks.credentials.web import Answer
from luigi_sinks.errors import CredentialError, NotInstalled

try:
    import jwt
    from cryptography.exceptions import UnsupportedAlgorithm
except ImportError as missing:
    raise NotInstalled("oidc", missing) from missing

_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTED_FOR = 60
_ATTEMPTS = 2
_BUSY = {429, 500, 502, 503, 504}


@dataclass(frozen=True)
class OidcSettings:
    """`issuer` is the provider's address, below which its discovery document lies.

    One of `token_file`, `private_key_file` and `client_secret_from` (the name of
    another credential) says how the client proves itself. `audience` and `scope`
    are asked for if they are given, and a token for another audience is refused.
    """

    source: str
    issuer: str
    client_id: str
    audience: str = ""
    scope: str = ""
    token_file: Path | None = None
    private_key_file: Path | None = None
    key_id: str = ""
    algorithm: str = "RS256"
    client_secret_from: str = ""
    ca: Path | None = None

    def __post_init__(self) -> None:
        if sum(map(bool, (self.token_file, self.private_key_file, self.client_secret_from))) != 1:
            raise ValueError("say one of token_file, private_key_file and client_secret_from")


@dataclass(frozen=True)
class Proof:
    """How a client shows who it is: fields of the form, and headers."""

    fields: Mapping[str, str] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


class Oidc:
    """Asks an identity provider for access tokens."""

    def __init__(self, name: str, use: Use) -> None:
        self._name = name
        self._use = use
        self._settings = settings = read(OidcSettings, name)
        self._issuer = Issuer(name, settings.issuer, settings.ca)

    def scope(self, request: Request) -> Request:
        """Depend on whom the token is for."""
        return Request(audience=self._settings.audience or request.audience)

    def fetch(self, request: Request) -> Token:
        """Ask for a token, and check that it is this issuer's and for this audience."""
        if not self._settings.client_secret_from:
            return self._exchange(request, self._asserted)
        token: Token = self._use(
            self._settings.client_secret_from,
            lambda secret: self._exchange(request, lambda: self._basic(secret), refusable=True),
        )
        return token

    def _exchange(self, request: Request, prove: Callable[[], Proof], *, refusable: bool = False) -> Token:
        answer = self._answer(request, prove)
        error = str(answer.content.get("error", ""))
        if answer.status == 200:  # noqa: PLR2004 - HTTP's own
            return self._token(answer.content, request)
        if refusable and (answer.status == 401 or error == "invalid_client"):  # noqa: PLR2004
            raise Refused("the identity provider does not take the client's secret")
        known = error if error.isascii() and error.isidentifier() else "no reason"
        raise self._failed(f"refuses the client {self._settings.client_id!r}: {answer.status}, {known}")

    def _answer(self, request: Request, prove: Callable[[], Proof]) -> Answer:
        """Ask the token endpoint, once more if it is busy; each attempt has a proof of its own."""
        asked = {"audience": request.audience, "scope": self._settings.scope}
        form = {"grant_type": "client_credentials", **{key: value for key, value in asked.items() if value}}
        endpoint = self._issuer.token_endpoint()
        for attempt in range(_ATTEMPTS):
            proof = prove()
            answer = self._issuer.web.post(endpoint, {**form, **proof.fields}, proof.headers)
            if answer.status not in _BUSY or attempt == _ATTEMPTS - 1:
                break
            time.sleep(0.2)
        return answer

    def _asserted(self) -> Proof:
        settings = self._settings
        assertion = self._projected(settings.token_file) if settings.token_file else self._signed()
        fields = {
            "client_id": settings.client_id,
            "client_assertion_type": _ASSERTION,
            "client_assertion": assertion,
        }
        return Proof(fields, {})

    def _projected(self, path: Path) -> str:
        if found := self._content(path).strip():
            return found
        raise CredentialError(f"credential {self._name!r}: token_file = {path} is empty")

    def _signed(self) -> str:
        settings, now = self._settings, int(time.time())
        assert settings.private_key_file is not None
        who = {"iss": settings.client_id, "sub": settings.client_id, "aud": self._issuer.name}
        when = {"iat": now, "exp": now + _ASSERTED_FOR, "jti": uuid4().hex}
        header = {"kid": settings.key_id} if settings.key_id else None
        key = self._content(settings.private_key_file)
        try:
            return jwt.encode({**who, **when}, key, algorithm=settings.algorithm, headers=header)
        except (jwt.PyJWTError, ValueError, TypeError, NotImplementedError, UnsupportedAlgorithm):
            raise CredentialError(
                f"credential {self._name!r}: private_key_file = {settings.private_key_file} holds no key in PEM "
                f"that signs by {settings.algorithm}"
            ) from None

    def _basic(self, secret: Token) -> Proof:
        pair = f"{quote(self._settings.client_id, safe='')}:{quote(secret.reveal(), safe='')}"
        return Proof({}, {"authorization": "Basic " + base64.b64encode(pair.encode()).decode()})

    def _content(self, path: Path) -> str:
        try:
            return path.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not ASCII text"
            raise CredentialError(f"credential {self._name!r}: cannot read {path}: {reason}") from None

    def _token(self, content: dict[str, Any], request: Request) -> Token:
        secret, kind = content.get("access_token"), str(content.get("token_type", "")).casefold()
        if not isinstance(secret, str) or not secret or kind != "bearer":
            raise self._failed("answers without a bearer token")
        if secret.count(".") == 2:  # noqa: PLR2004 - a JWT's three parts
            self._issuer.check(secret, request.audience)
        said, lifetime = claims.of(secret), content.get("expires_in")
        info = TokenInfo(
            lifetime=float(lifetime) if isinstance(lifetime, int | float) else None,
            scheme="bearer",
            principal=claims.text(said, "sub") or self._settings.client_id,
            issuer=self._issuer.name,
            audience=claims.text(said, "aud") or request.audience,
            token_id=claims.text(said, "jti"),
        )
        return Token(secret, info)

    def _failed(self, reason: str) -> CredentialError:
        return CredentialError(f"credential {self._name!r}: {self._issuer.name} {reason}")
