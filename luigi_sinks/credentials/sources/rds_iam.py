"""AWS RDS: a password signed for one server and user, by IAM.

Signed locally, so CloudTrail does not know of it: our audit is the only record.
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html
"""

from __future__ import annotations

from dataclasses import dataclass

from luigi_sinks.credentials.source import Request, Use, read
from luigi_sinks.credentials.sources.aws import Signer, required
from luigi_sinks.credentials.token import Token, TokenInfo
from luigi_sinks.errors import NotInstalled

try:
    import boto3  # type: ignore[import-untyped]  # it has no types
    from botocore.auth import SigV4QueryAuth  # type: ignore[import-untyped]
    from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
except ImportError as missing:
    raise NotInstalled("aws", missing) from missing

_LIFETIME = 900
_MAX_AGE = 600.0


@dataclass(frozen=True)
class RdsIamSettings:
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
        self._settings = read(RdsIamSettings, name)
        self._signer = Signer(name, use, region=self._settings.region, through=self._settings.through)

    def scope(self, request: Request) -> Request:
        """Depend on the server and the user. Raises BadSetting where one of them is missing."""
        host, port = self._settings.host or request.host, self._settings.port or request.port
        required(self._name, host=host, port=port, user=request.user)
        return Request(host=host, port=port, user=request.user, **self._signer.scope(request))

    def fetch(self, request: Request) -> Token:
        """Sign a password for the server and the user."""
        secret = self._signer.signed(request, lambda session: self._sign(session, request))
        info = TokenInfo(
            lifetime=_LIFETIME,
            max_age=_MAX_AGE,
            user=request.user,
            principal=request.user,
            issuer="rds",
            audience=f"{request.host}:{request.port}",
        )
        return Token(secret, info)

    def _sign(self, session: boto3.Session, request: Request) -> str:
        """Return what boto3's `generate_db_auth_token` does, without a client, which takes long to make."""
        identity = session.get_credentials()
        keys = identity and identity.get_frozen_credentials()
        asked = AWSRequest(
            method="GET",
            url=f"https://{request.host}:{request.port}/",
            params={"Action": "connect", "DBUser": request.user},
        )
        SigV4QueryAuth(keys, "rds-db", self._settings.region, expires=_LIFETIME).add_auth(asked)
        return str(asked.url).removeprefix("https://")
