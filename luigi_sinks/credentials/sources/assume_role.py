"""AWS STS: session keys of a role, for signing requests and for other credentials (`through`)."""

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
    """`role` is assumed for tasks whose owner has no `aws_role` in a section `[luigi_sinks.owner.NAME]`.

    The role must trust this process's identity with sts:AssumeRole, and with
    sts:SetSourceIdentity if there is a source identity: `source_identity`, or
    the task's owner. `duration` is in seconds, from 900 on.
    """

    source: str
    region: str
    role: str = ""
    source_identity: str = ""
    duration: int = 3600
    through: str = ""
    endpoint: str = ""


class AssumeRole:
    """Assumes the role of a task's owner, under the name of the task's family."""

    def __init__(self, name: str, use: Use) -> None:
        self._name = name
        self._settings = settings = read(AssumeRoleSettings, name)
        self._signer = Signer(name, use, region=settings.region, through=settings.through, endpoint=settings.endpoint)

    def scope(self, request: Request) -> Request:
        """Depend on owner and task family, which AWS is told. Raises BadSetting if there is no role."""
        required(self._name, role=self._role(request))
        return Request(owner=request.owner, session=request.session)

    def fetch(self, request: Request) -> Token:
        """Return the keys as JSON, in the form of the AWS SDKs' `credential_process`."""
        return _token(self._signer.ask("sts", request, lambda sts: self._assume(sts, request)), self._settings.duration)

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


def _token(answer: Any, duration: int) -> Token:
    keys = answer["Credentials"]
    secret = {"Version": 1, **keys, "Expiration": keys["Expiration"].isoformat()}
    who = answer.get("AssumedRoleUser", {}).get("Arn", "")
    info = TokenInfo(lifetime=float(duration), principal=who, issuer="sts", token_id=keys["AccessKeyId"])
    return Token(json.dumps(secret), info)


def _name(text: str) -> str:
    """Fit a name to what STS takes: 2 to 64 letters, digits and some signs."""
    fitting = re.sub(r"[^\w+=,.@-]", "-", text, flags=re.ASCII)[:64]
    return fitting if len(fitting) != 1 else f"{fitting}-"
