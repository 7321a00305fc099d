"""What the sources that ask AWS share: who signs, and errors without secrets."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from luigi_sinks import owners
from luigi_sinks.credentials.source import Refused, Request, Use
from luigi_sinks.credentials.token import Token
from luigi_sinks.credentials.web import is_clear_text, refuse_clear_text
from luigi_sinks.errors import BadSetting, CredentialError, NotInstalled

try:
    import boto3  # type: ignore[import-untyped]  # it has no types
    from botocore.config import Config  # type: ignore[import-untyped]
    from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]
except ImportError as missing:
    raise NotInstalled("aws", missing) from missing

Result = TypeVar("Result")

_CONFIG = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 3, "mode": "standard"})
_PAST_PROXIES = _CONFIG.merge(Config(proxies={}))
"""For this machine itself: HTTP_PROXY of the environment would be shown all in clear text."""

_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"}
_TELLING = {"AccessDenied", "AccessDeniedException", "ResourceNotFoundException", "ValidationError"}
"""Errors whose text is known to quote names only: one on a signature quotes the session token."""


class Signer:
    """Who signs: this process's own AWS identity, or a role that another credential assumes.

    `through` names that credential; it may be empty. The process's identity is
    what the AWS SDK finds: the role of the instance, the pod or the function.
    """

    def __init__(self, name: str, use: Use, *, region: str, through: str, endpoint: str = "") -> None:
        self._name = name
        self._use = use
        self._region = region
        self._through = through
        self._endpoint = refuse_clear_text(endpoint, name) if endpoint else None
        self._own: boto3.Session | None = None

    def scope(self, request: Request) -> dict[str, Any]:
        """Return what of a request decides who signs."""
        return {"owner": request.owner, "session": request.session} if self._through else {}

    def signed(self, request: Request, work: Callable[[boto3.Session], Result]) -> Result:
        """Return `work(session)`. Raises CredentialError that says what AWS did not like."""
        if not self._through:
            self._own = self._own or boto3.Session(region_name=self._region)
            return self._safely(self._own, work)
        result: Result = self._use(
            self._through, lambda token: self._safely(assumed(token, self._region), work), owner=request.owner
        )
        return result

    def ask(self, service: str, request: Request, work: Callable[[Any], Result]) -> Result:
        """Return `work(client)` of a service; raises what `signed` does."""
        chosen = _PAST_PROXIES if self._endpoint and is_clear_text(self._endpoint) else _CONFIG
        return self.signed(
            request,
            lambda session: work(session.client(service, endpoint_url=self._endpoint, config=chosen)),
        )

    def _safely(self, session: boto3.Session, work: Callable[[boto3.Session], Result]) -> Result:
        try:
            return work(session)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", "unknown"))
            said = f": {error.response['Error'].get('Message', '')}" if code in _TELLING else ""
            reason = f"AWS refused {error.operation_name} ({code}){said}"
            if self._through and code in _EXPIRED:
                raise Refused(reason) from None
        except BotoCoreError as error:
            reason = f"AWS could not be asked ({type(error).__name__})"
        raise CredentialError(
            f"credential {self._name!r}: {reason}; see that this process has an AWS identity, "
            f"and section [luigi_sinks.credential.{self._name}]"
        ) from None


def assumed(token: Token, region: str) -> boto3.Session:
    """Return a session of the role that a token of the source `assume_role` stands for."""
    found = json.loads(token.reveal())
    return boto3.Session(
        aws_access_key_id=found["AccessKeyId"],
        aws_secret_access_key=found["SecretAccessKey"],
        aws_session_token=found["SessionToken"],
        region_name=region,
    )


def role_of(owner: str) -> str:
    """Return the role in an owner's section of luigi.cfg; empty where there is none."""
    return owners.find(owner).aws_role


def required(name: str, **values: str | int) -> None:
    """Raise BadSetting for what neither the connection nor the credential's section says."""
    lacking = [key for key, value in values.items() if not value]
    if lacking:
        raise BadSetting(
            f"credential {name!r} needs {', '.join(lacking)}: from the connection that uses it, "
            f"or from section [luigi_sinks.credential.{name}]"
        )
