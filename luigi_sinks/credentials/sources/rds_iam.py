"""AWS RDS: a password signed for one server and user, by IAM.

Signed locally, so CloudTrail does not know of it: our audit is the only record.
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html
"""

from __future__ import annotations

from dataclasses import dataclass

from luigi_sinks.credentials.source import Request, Use, read
from luigi_sinks.credentials.sources.aws import Signer, required
from luigi_sinks.credentials.token import Grant, Token

_LIFETIME = 900.0
_MAX_AGE = 600.0


@dataclass(frozen=True)
class Settings:
    """`host` and `port` are those that are signed, if the connection goes through a proxy of another name."""

    source: str
    region: str
    host: str = ""
    port: int = 0
    through: str = ""


class RdsIam:
    """Signs passwords that RDS takes for 15 minutes, and keeps them for ten."""

    def __init__(self, name: str, use: Use) -> None:
        self._name = name
        self._settings = read(Settings, name)
        self._signer = Signer(name, use, region=self._settings.region, through=self._settings.through)

    def scope(self, request: Request) -> Request:
        """Depend on the server and the user. Raises BadSetting where one of them is missing."""
        host, port = self._settings.host or request.host, self._settings.port or request.port
        required(self._name, host=host, port=port, user=request.user)
        return Request(host=host, port=port, user=request.user, **self._signer.scope(request))

    def fetch(self, request: Request) -> Token:
        """Sign a password for the server and the user."""
        secret = self._signer.ask(
            "rds",
            request,
            lambda rds: rds.generate_db_auth_token(request.host, request.port, request.user, self._settings.region),
        )
        grant = Grant(
            lifetime=_LIFETIME,
            max_age=_MAX_AGE,
            user=request.user,
            principal=request.user,
            issuer="rds",
            audience=f"{request.host}:{request.port}",
        )
        return Token(secret, grant)
