"""AWS RDS: an IAM authentication token, used as the password of one user on one server.

It is signed locally, so CloudTrail does not record it; only our audit log does.
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
    """The settings of `source = rds_iam`.

    - `region`: the AWS region. Required.
    - `host`, `port`: the server to sign for. Default: the connection's; set them if it goes through a proxy.
    - `through`: the NAME of an `assume_role` credential to sign with. Default: this process's own AWS identity.

    Example:
        >>> from luigi_sinks import config
        >>> config.use({"luigi_sinks.credential.db": {"source": "rds_iam", "region": "eu-west-1"}})
        >>> read(RdsIamSettings, "db").region
        'eu-west-1'

    """

    source: str
    region: str
    host: str = ""
    port: int = 0
    through: str = ""


class RdsIam:
    """Signs passwords that RDS accepts for 15 minutes; they are cached for 10 minutes."""

    def __init__(self, name: str, use: Use) -> None:
        self._name = name
        self._settings = read(RdsIamSettings, name)
        self._signer = Signer(name, use, region=self._settings.region, through=self._settings.through)

    def scope(self, request: Request) -> Request:
        """Return server, user and signing identity. Raises BadSetting if host, port or user is missing."""
        host, port = self._settings.host or request.host, self._settings.port or request.port
        required(self._name, host=host, port=port, user=request.user)
        return Request(host=host, port=port, user=request.user, **self._signer.scope(request))

    def fetch(self, request: Request) -> Token:
        """Sign a password for this user on this server. Raises CredentialError."""
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
        """Return the same as boto3's `generate_db_auth_token`, but without a client, which is slow to create."""
        identity = session.get_credentials()
        keys = identity and identity.get_frozen_credentials()
        aws_request = AWSRequest(
            method="GET",
            url=f"https://{request.host}:{request.port}/",
            params={"Action": "connect", "DBUser": request.user},
        )
        SigV4QueryAuth(keys, "rds-db", self._settings.region, expires=_LIFETIME).add_auth(aws_request)
        return str(aws_request.url).removeprefix("https://")
