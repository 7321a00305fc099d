"""AWS keys that sign each request (Signature Version 4), for Amazon OpenSearch Service.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from luigi_sinks import redaction
from luigi_sinks.credentials.source import Request, Use, read
from luigi_sinks.credentials.sources.aws import Signer
from luigi_sinks.credentials.token import Token, TokenInfo
from luigi_sinks.errors import CredentialError, NotInstalled

try:
    import boto3  # type: ignore[import-untyped]  # it has no types
    from botocore.auth import SigV4Auth  # type: ignore[import-untyped]
    from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
    from botocore.credentials import Credentials  # type: ignore[import-untyped]
except ImportError as missing:
    raise NotInstalled("aws", missing) from missing


@dataclass(frozen=True)
class SigV4Settings:
    """The settings of `source = sigv4`.

    - `region`: the AWS region. Required.
    - `service`: the service to sign for: `es` for OpenSearch Service, `aoss` for OpenSearch Serverless. Default: es.
    - `through`: the NAME of an `assume_role` credential to sign with. Default: this process's own AWS identity.

    Example:
        >>> from luigi_sinks import config
        >>> config.use({"luigi_sinks.credential.search": {"source": "sigv4", "region": "eu-west-1"}})
        >>> read(SigV4Settings, "search").service
        'es'

    """

    source: str
    region: str
    service: str = "es"
    through: str = ""


class SigV4:
    """Returns the keys of this process's AWS identity, or of the role that another credential assumes."""

    def __init__(self, name: str, use: Use) -> None:
        self._name = name
        self._settings = read(SigV4Settings, name)
        self._signer = Signer(name, use, region=self._settings.region, through=self._settings.through)

    def scope(self, request: Request) -> Request:
        """Return the signing identity."""
        return Request(**self._signer.scope(request))

    def fetch(self, request: Request) -> Token:
        """Return the keys as JSON, for `signed`. Raises CredentialError."""
        return self._signer.signed(request, self._token)

    def _token(self, session: boto3.Session) -> Token:
        identity = session.get_credentials()
        if identity is None:
            raise CredentialError(f"credential {self._name!r}: this process has no AWS identity; give it a role")
        keys = identity.get_frozen_credentials()
        secret = {
            "AccessKeyId": keys.access_key,
            "SecretAccessKey": keys.secret_key,
            "SessionToken": keys.token,
            "Region": self._settings.region,
            "Service": self._settings.service,
        }
        info = TokenInfo(
            lifetime=_lifetime(identity),
            scheme="signature",
            principal=keys.access_key,  # AWS knows by it who signed; only a call to STS would tell the ARN
            issuer="aws",
            audience=f"{self._settings.service} in {self._settings.region}",
            token_id=keys.access_key,
        )
        return Token(json.dumps(secret), info)


def _lifetime(identity: Any) -> float | None:
    """Return the seconds until the keys expire, from a private field of botocore; None if they do not expire."""
    expires: datetime | None = getattr(identity, "_expiry_time", None)
    return (expires - datetime.now(UTC)).total_seconds() if expires else None


def signed(token: Token, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> dict[str, str]:
    """Return the headers of the request with those of its signature. Send it unchanged, within 5 minutes.

    Write a space in the query of the URL as %20: AWS does not decode `+` as a space.
    """
    found = json.loads(token.reveal())
    keys = Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])
    request = AWSRequest(method=method, url=url, data=body, headers=dict(headers))
    SigV4Auth(keys, found["Service"], found["Region"]).add_auth(request)
    redaction.hold(str(request.headers["Authorization"]).rpartition("Signature=")[2], kind="signature")
    return dict(request.headers.items())
