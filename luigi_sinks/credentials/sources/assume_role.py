"""AWS STS: temporary keys of an assumed role, to sign requests and for other credentials (`through`)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from luigi_sinks.credentials.source import Request, Use, read
from luigi_sinks.credentials.sources.aws import Signer, required, role_of
from luigi_sinks.credentials.token import Token, TokenInfo


@dataclass(frozen=True)
class AssumeRoleSettings:
    """The settings of `source = assume_role`.

    - `region`: the AWS region. Required.
    - `role`: the ARN of the role to assume for tasks whose owner has no `aws_role` in
      `[luigi_sinks.owner.NAME]`. Default: empty; then each owner needs an `aws_role`.
    - `source_identity`: the source identity that AWS records. Default: the task's owner.
    - `duration`: the lifetime of the keys in seconds, 900 or more. Default: 3600.
    - `through`: the NAME of an `assume_role` credential to sign with. Default: this process's own AWS identity.
    - `endpoint`: the URL of the service. Default: the public endpoint of the region.

    The role must trust this process's identity with sts:AssumeRole, and with
    sts:SetSourceIdentity if there is a source identity.

    Example:
        >>> from luigi_sinks import config
        >>> config.use({"luigi_sinks.credential.aws": {"source": "assume_role", "region": "eu-west-1"}})
        >>> read(AssumeRoleSettings, "aws").duration
        3600

    """

    source: str
    region: str
    role: str = ""
    source_identity: str = ""
    duration: int = 3600
    through: str = ""
    endpoint: str = ""


class AssumeRole:
    """Assumes the role of the task's owner, with the task's family as the session name."""

    def __init__(self, name: str, use: Use) -> None:
        self._name = name
        self._settings = settings = read(AssumeRoleSettings, name)
        self._signer = Signer(name, use, region=settings.region, through=settings.through, endpoint=settings.endpoint)

    def scope(self, request: Request) -> Request:
        """Return owner and task family, which AWS records. Raises BadSetting if no role is configured."""
        required(self._name, role=self._role(request))
        return Request(owner=request.owner, session=request.session)

    def fetch(self, request: Request) -> Token:
        """Return the keys as JSON, in the format of the AWS SDKs' `credential_process`."""
        return _token(
            self._signer.call("sts", request, lambda sts: self._assume(sts, request)), self._settings.duration
        )

    def _assume(self, sts: Any, request: Request) -> Any:
        identity = _name(self._settings.source_identity or request.owner)
        return sts.assume_role(
            RoleArn=self._role(request),
            RoleSessionName=_name(request.session) or "luigi_sinks",
            DurationSeconds=self._settings.duration,
            **({"SourceIdentity": identity} if identity else {}),
        )

    def _role(self, request: Request) -> str:
        return role_of(request.owner) or self._settings.role


def _token(response: Any, duration: int) -> Token:
    keys = response["Credentials"]
    secret = {"Version": 1, **keys, "Expiration": keys["Expiration"].isoformat()}
    principal = response.get("AssumedRoleUser", {}).get("Arn", "")
    info = TokenInfo(lifetime=float(duration), principal=principal, issuer="sts", token_id=keys["AccessKeyId"])
    return Token(json.dumps(secret), info)


def _name(text: str) -> str:
    """Return the name in the form that STS accepts: 2 to 64 letters, digits and some punctuation."""
    valid = re.sub(r"[^\w+=,.@-]", "-", text, flags=re.ASCII)[:64]
    return valid if len(valid) != 1 else f"{valid}-"
