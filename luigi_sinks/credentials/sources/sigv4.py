"""AWS keys to sign each request with, as Amazon OpenSearch Service wants it; and the signing.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

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
    """`service` is the name that AWS signs for: `es` for OpenSearch Service, `aoss` for its serverless kind."""

    source: str
    region: str
    service: str = "es"
    through: str = ""


class SigV4:
    """Gives the keys of this process's AWS identity, or of the role that another credential assumes."""

    def __init__(self, name: str, use: Use) -> None:
        self._name = name
        self._settings = read(SigV4Settings, name)
        self._signer = Signer(name, use, region=self._settings.region, through=self._settings.through)

    def scope(self, request: Request) -> Request:
        """Depend on who signs only."""
        return Request(**self._signer.scope(request))

    def fetch(self, request: Request) -> Token:
        """Return keys as JSON, for `signed`."""
        return self._signer.signed(request, self._token)

    def _token(self, session: boto3.Session) -> Token:
        identity = session.get_credentials()
        if identity is None:
            raise CredentialError(f"credential {self._name!r}: this process has no AWS identity")
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
            issuer="aws",
            audience=self._settings.service,
            token_id=keys.access_key,
        )
        return Token(json.dumps(secret), info)


def _lifetime(identity: Any) -> float | None:
    """Return for how many seconds the keys are good yet, which botocore keeps to itself; None where they do not end."""
    expires: datetime | None = getattr(identity, "_expiry_time", None)
    return (expires - datetime.now(UTC)).total_seconds() if expires else None


def signed(token: Token, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> dict[str, str]:
    """Return the headers of a request, and those that sign it: it must be sent as it is, and soon.

    A space in the URL's query must be written as %20, as AWS reads `+` otherwise.
    """
    found = json.loads(token.reveal())
    keys = Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])
    request = AWSRequest(method=method, url=url, data=body, headers=dict(headers))
    SigV4Auth(keys, found["Service"], found["Region"]).add_auth(request)
    return dict(request.headers.items())
