"""AWS STS: a JSON web token of this AWS identity, for Elasticsearch's JWT realm or Neo4j's OIDC.

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
    """`audience` is one, or up to ten with commas between; `duration` is in seconds, from 60 to 3600."""

    source: str
    region: str
    audience: str = ""
    algorithm: Literal["RS256", "ES384"] = "RS256"
    duration: int = 300
    through: str = ""
    endpoint: str = ""


class StsWebIdentity:
    """Has STS sign a token that says which role this is."""

    def __init__(self, name: str, use: Use) -> None:
        self._name = name
        self._settings = settings = read(StsWebIdentitySettings, name)
        self._signer = Signer(name, use, region=settings.region, through=settings.through, endpoint=settings.endpoint)

    def scope(self, request: Request) -> Request:
        """Depend on whom the token is for. Raises BadSetting if nobody says."""
        audience = self._settings.audience or request.audience
        required(self._name, audience=audience)
        return Request(audience=audience, **self._signer.scope(request))

    def fetch(self, request: Request) -> Token:
        """Ask STS for a token."""
        secret = self._signer.ask(
            "sts",
            request,
            lambda sts: sts.get_web_identity_token(
                Audience=[each.strip() for each in request.audience.split(",")],
                SigningAlgorithm=self._settings.algorithm,
                DurationSeconds=self._settings.duration,
            )["WebIdentityToken"],
        )
        said = claims.of(secret)
        info = TokenInfo(
            lifetime=float(self._settings.duration),
            scheme="bearer",
            principal=claims.text(said, "sub"),
            issuer=claims.text(said, "iss"),
            audience=request.audience,
            token_id=claims.text(said, "jti"),
        )
        return Token(secret, info)
