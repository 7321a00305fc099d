"""OpenID Connect: an access token for this process, by the client credentials grant (RFC 6749, 4.4).

The client authenticates with a projected token file, with a signature of its private key
(RFC 7523), or with a client secret from another credential; never with one in luigi.cfg.
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

from luigi_sinks import redaction
from luigi_sinks.credentials.source import Refused, Request, Use, read
from luigi_sinks.credentials.sources import claims
from luigi_sinks.credentials.sources.issuer import Issuer
from luigi_sinks.credentials.token import Token, TokenInfo
from luigi_sinks.credentials.web import Response, seconds
from luigi_sinks.errors import CredentialError, NotInstalled

try:
    import jwt
    from cryptography.exceptions import UnsupportedAlgorithm
except ImportError as missing:
    raise NotInstalled("oidc", missing) from missing

_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_LIFETIME = 60
_ATTEMPTS = 2
_BUSY = {429, 500, 502, 503, 504}


@dataclass(frozen=True)
class OidcSettings:
    """The settings of `source = oidc`.

    - `issuer`: the URL of the identity provider, below which its discovery document is. Required.
    - `client_id`: the id of this client. Required.
    - `audience`: the audience to request; a token for another one is refused. Default: the connection's.
    - `scope`: the scopes to request, separated by spaces. Default: none.
    - `token_file`: a file with a projected token, which is sent as the client assertion.
    - `private_key_file`: a PEM file with the private key that signs the client assertion.
    - `client_secret_from`: the NAME of the credential that holds the client secret.
    - `key_id`: the `kid` of the private key. Default: none.
    - `algorithm`: the signature algorithm of the private key. Default: RS256.
    - `ca`: a PEM file of CA certificates for the provider. Default: the system's.

    Exactly one of `token_file`, `private_key_file` and `client_secret_from` is required.

    Example:
        >>> from luigi_sinks import config
        >>> section = {"source": "oidc", "issuer": "https://idp.internal", "client_id": "loader", "key_id": "k1"}
        >>> config.use({"luigi_sinks.credential.idp": {**section, "private_key_file": "/run/secrets/key.pem"}})
        >>> read(OidcSettings, "idp").algorithm
        'RS256'

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
            raise ValueError("set exactly one of token_file, private_key_file and client_secret_from")


@dataclass(frozen=True)
class ClientAuth:
    """How the client authenticates: form fields and headers."""

    fields: Mapping[str, str] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


class Oidc:
    """Requests access tokens from an identity provider."""

    def __init__(self, name: str, use: Use) -> None:
        self._name = name
        self._use = use
        self._settings = settings = read(OidcSettings, name)
        self._issuer = Issuer(name, settings.issuer, settings.ca)

    def scope(self, request: Request) -> Request:
        """Return the audience of the token."""
        return Request(audience=self._settings.audience or request.audience)

    def fetch(self, request: Request) -> Token:
        """Request a token, and verify its issuer and audience. Raises CredentialError."""
        if not self._settings.client_secret_from:
            return self._exchange(request, self._assertion)
        token: Token = self._use(
            self._settings.client_secret_from,
            lambda secret: self._exchange(request, lambda: self._basic(secret), can_refuse=True),
        )
        return token

    def _exchange(self, request: Request, authenticate: Callable[[], ClientAuth], *, can_refuse: bool = False) -> Token:
        response = self._response(request, authenticate)
        error = str(response.content.get("error", ""))
        if response.status == 200:  # noqa: PLR2004 - HTTP status codes
            return self._token(response.content, request)
        if can_refuse and (response.status == 401 or error == "invalid_client"):  # noqa: PLR2004
            raise Refused("the identity provider rejects the client secret")
        reason = error if error.isascii() and error.isidentifier() else "no reason given"
        raise self._error(
            f"rejects the client {self._settings.client_id!r}: {response.status}, {reason}; check how it authenticates"
        )

    def _response(self, request: Request, authenticate: Callable[[], ClientAuth]) -> Response:
        """Call the token endpoint, and retry once if it is busy, with a new client assertion."""
        optional = {"audience": request.audience, "scope": self._settings.scope}
        form = {"grant_type": "client_credentials", **{key: value for key, value in optional.items() if value}}
        endpoint = self._issuer.token_endpoint()
        for attempt in range(_ATTEMPTS):
            auth = authenticate()
            response = self._issuer.web.post(endpoint, {**form, **auth.fields}, auth.headers)
            if response.status not in _BUSY or attempt == _ATTEMPTS - 1:
                break
            time.sleep(0.2)
        return response

    def _assertion(self) -> ClientAuth:
        settings = self._settings
        assertion = self._projected(settings.token_file) if settings.token_file else self._signed()
        fields = {
            "client_id": settings.client_id,
            "client_assertion_type": _ASSERTION,
            "client_assertion": assertion,
        }
        redaction.hold(assertion)
        return ClientAuth(fields, {})

    def _projected(self, path: Path) -> str:
        if found := self._content(path).strip():
            return found
        raise CredentialError(f"credential {self._name!r}: token_file = {path} is empty; check who writes it")

    def _signed(self) -> str:
        settings, now = self._settings, int(time.time())
        assert settings.private_key_file is not None
        claimed = {"iss": settings.client_id, "sub": settings.client_id, "aud": self._issuer.name}
        times = {"iat": now, "exp": now + _ASSERTION_LIFETIME, "jti": uuid4().hex}
        header = {"kid": settings.key_id} if settings.key_id else None
        key = self._content(settings.private_key_file)
        try:
            return jwt.encode({**claimed, **times}, key, algorithm=settings.algorithm, headers=header)
        except (jwt.PyJWTError, ValueError, TypeError, NotImplementedError, UnsupportedAlgorithm):
            raise CredentialError(
                f"credential {self._name!r}: private_key_file = {settings.private_key_file} is not a PEM key "
                f"for {settings.algorithm}; correct private_key_file or algorithm"
            ) from None

    def _basic(self, secret: Token) -> ClientAuth:
        pair = f"{quote(self._settings.client_id, safe='')}:{quote(secret.reveal(), safe='')}"
        redaction.hold(pair, public=[self._settings.client_id])
        return ClientAuth({}, {"authorization": "Basic " + base64.b64encode(pair.encode()).decode()})

    def _content(self, path: Path) -> str:
        try:
            return path.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not ASCII text"
            raise CredentialError(
                f"credential {self._name!r}: cannot read {path}: {reason}; correct the file or its path"
            ) from None

    def _token(self, content: dict[str, Any], request: Request) -> Token:
        secret, kind = content.get("access_token"), str(content.get("token_type", "")).casefold()
        if not isinstance(secret, str) or not secret or kind != "bearer":
            raise self._error("returned no bearer token; check the client there")
        if secret.count(".") == 2:  # noqa: PLR2004 - a JWT has three parts
            self._issuer.check(secret, request.audience)
        found = claims.unverified(secret)
        info = TokenInfo(
            lifetime=self._lifetime(content, found),
            scheme="bearer",
            principal=claims.text(found, "sub") or self._settings.client_id,
            issuer=self._issuer.name,
            audience=claims.text(found, "aud") or request.audience,
            token_id=claims.text(found, "jti"),
        )
        return Token(secret, info)

    def _lifetime(self, content: dict[str, Any], found: dict[str, Any]) -> float | None:
        """Return the shorter of what the response and the token say."""
        try:
            said = seconds(content.get("expires_in"))
        except ValueError:
            raise self._error("returned an `expires_in` that is no positive number; correct the client there") from None
        return min(filter(None, (said, claims.lifetime(found))), default=None)

    def _error(self, reason: str) -> CredentialError:
        return CredentialError(f"credential {self._name!r}: {self._issuer.name} {reason}")
