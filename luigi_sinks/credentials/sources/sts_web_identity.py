"""AWS STS: a JWT for this AWS identity, for the JWT realm of Elasticsearch or OIDC in Neo4j.

https://docs.aws.amazon.com/STS/latest/APIReference/API_GetWebIdentityToken.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from luigi_sinks.credentials.source import Request, Use, read
from luigi_sinks.credentials.sources import claims
from luigi_sinks.credentials.sources.aws import Signer, required
from luigi_sinks.credentials.token import Token, TokenInfo


@dataclass(frozen=True)
class StsWebIdentitySettings:
    """The settings of `source = sts_web_identity`.

    - `region`: the AWS region. Required.
    - `audience`: the audiences of the token, up to ten, separated by commas. Default: the connection's.
    - `algorithm`: the signature algorithm, RS256 or ES384. Default: RS256.
    - `duration`: the lifetime of the token in seconds, 60 to 3600. Default: 300.
    - `through`: the NAME of an `assume_role` credential to sign with. Default: this process's own AWS identity.
    - `endpoint`: the URL of the service. Default: the public endpoint of the region.

    Example:
        >>> from luigi_sinks import config
        >>> config.use({"luigi_sinks.credential.jwt": {"source": "sts_web_identity", "region": "eu-west-1"}})
        >>> read(StsWebIdentitySettings, "jwt").duration
        300

    """

    source: str
    region: str
    audience: str = ""
    algorithm: Literal["RS256", "ES384"] = "RS256"
    duration: int = 300
    through: str = ""
    endpoint: str = ""


class StsWebIdentity:
    """Requests an STS-signed JWT that identifies this AWS principal."""

    def __init__(self, name: str, use: Use) -> None:
        self._name = name
        self._settings = settings = read(StsWebIdentitySettings, name)
        self._signer = Signer(name, use, region=settings.region, through=settings.through, endpoint=settings.endpoint)

    def scope(self, request: Request) -> Request:
        """Return the audience and the signing identity. Raises BadSetting if no audience is set."""
        audience = self._settings.audience or request.audience
        required(self._name, audience=audience)
        return Request(audience=audience, **self._signer.scope(request))

    def fetch(self, request: Request) -> Token:
        """Request a token from STS. Raises CredentialError."""
        secret = self._signer.call(
            "sts",
            request,
            lambda sts: sts.get_web_identity_token(
                Audience=[each.strip() for each in request.audience.split(",")],
                SigningAlgorithm=self._settings.algorithm,
                DurationSeconds=self._settings.duration,
            )["WebIdentityToken"],
        )
        found = claims.unverified(secret)
        info = TokenInfo(
            lifetime=float(self._settings.duration),
            scheme="bearer",
            principal=claims.text(found, "sub"),
            issuer=claims.text(found, "iss"),
            audience=request.audience,
            token_id=claims.text(found, "jti"),
        )
        return Token(secret, info)
