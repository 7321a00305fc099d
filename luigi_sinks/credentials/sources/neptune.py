"""AWS Neptune: a signed request that is sent as the Bolt password.

https://docs.aws.amazon.com/neptune/latest/userguide/access-graph-opencypher-bolt.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from luigi_sinks.credentials.source import Request, Use, read
from luigi_sinks.credentials.sources.aws import Signer, required
from luigi_sinks.credentials.token import Token, TokenInfo
from luigi_sinks.errors import CredentialError, NotInstalled

try:
    import boto3  # type: ignore[import-untyped]  # it has no types
    from botocore.auth import SigV4Auth  # type: ignore[import-untyped]
    from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
except ImportError as missing:
    raise NotInstalled("aws", missing) from missing

_LIFETIME = 300.0
"""Seconds for which AWS accepts a signature:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html"""

_SIGNED = ("Host", "Authorization", "X-Amz-Date", "X-Amz-Security-Token")


@dataclass(frozen=True)
class NeptuneSettings:
    """The settings of `source = neptune`.

    - `region`: the AWS region. Required.
    - `host`, `port`: the server to sign for. Default: the connection's; set them if it goes through a proxy.
    - `through`: the NAME of an `assume_role` credential to sign with. Default: this process's own AWS identity.

    Example:
        >>> from luigi_sinks import config
        >>> config.use({"luigi_sinks.credential.graph": {"source": "neptune", "region": "eu-west-1"}})
        >>> read(NeptuneSettings, "graph").region
        'eu-west-1'

    """

    source: str
    region: str
    host: str = ""
    port: int = 0
    through: str = ""


class Neptune:
    """Signs an openCypher request, which Neptune accepts as a password."""

    def __init__(self, name: str, use: Use) -> None:
        self._name = name
        self._settings = read(NeptuneSettings, name)
        self._signer = Signer(name, use, region=self._settings.region, through=self._settings.through)

    def scope(self, request: Request) -> Request:
        """Return the server and the signing identity. Raises BadSetting if host or port is missing."""
        host, port = self._settings.host or request.host, self._settings.port or request.port
        required(self._name, host=host, port=port)
        return Request(host=host, port=port, **self._signer.scope(request))

    def fetch(self, request: Request) -> Token:
        """Return the signed headers as JSON, for the user `username`, as the guide of Neptune says."""
        secret = self._signer.signed(request, lambda session: self._sign(session, request))
        info = TokenInfo(
            lifetime=_LIFETIME, user="username", issuer="neptune", audience=f"{request.host}:{request.port}"
        )
        return Token(secret, info)

    def _sign(self, session: boto3.Session, request: Request) -> str:
        identity = session.get_credentials()
        if identity is None:
            raise CredentialError(f"credential {self._name!r}: this process has no AWS identity; give it a role")
        aws_request = AWSRequest(method="GET", url=f"https://{request.host}:{request.port}/opencypher")
        aws_request.headers.add_header("Host", f"{request.host}:{request.port}")
        SigV4Auth(identity.get_frozen_credentials(), "neptune-db", self._settings.region).add_auth(aws_request)
        signed = {name: aws_request.headers[name] for name in _SIGNED if name in aws_request.headers}
        return json.dumps({**signed, "HttpMethod": "GET"})
