"""Shared by the AWS sources: the identity that signs, and errors without secrets."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from luigi_sinks import limit, owners, redaction
from luigi_sinks.credentials.exchanges import exchanges
from luigi_sinks.credentials.source import Refused, Request, Use
from luigi_sinks.credentials.token import Token
from luigi_sinks.credentials.web import is_plaintext, require_tls
from luigi_sinks.errors import BadSetting, CredentialError, NotInstalled, SinkError

try:
    import boto3  # type: ignore[import-untyped]  # it has no types
    from botocore.config import Config  # type: ignore[import-untyped]
    from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

    from luigi_sinks.limited_http import POOLS
except ImportError as missing:
    raise NotInstalled("aws", missing) from missing

Result = TypeVar("Result")

_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"}
_SAFE_TO_SHOW = {"AccessDenied", "AccessDeniedException", "ResourceNotFoundException", "ValidationError"}
"""Errors whose message contains no secret. Others may: an error about a signature quotes the session token."""


class Signer:
    """Signs requests with this process's AWS identity, or with a role that another credential assumes.

    `through` names that credential; if empty, the process's identity signs: the role of
    the instance, pod or function, as the AWS SDK finds it.
    """

    def __init__(self, name: str, use: Use, *, region: str, through: str, endpoint: str = "") -> None:
        self._name = name
        self._use = use
        self._region = region
        self._through = through
        self._endpoint = require_tls(endpoint, name) if endpoint else None
        self._own: boto3.Session | None = None

    def scope(self, request: Request) -> dict[str, Any]:
        """Return the fields of a request that the signing identity depends on."""
        return {"owner": request.owner, "session": request.session} if self._through else {}

    def signed(self, request: Request, work: Callable[[boto3.Session], Result]) -> Result:
        """Return `work(session)`. Raises CredentialError with the reason that AWS gives."""
        if not self._through:
            self._own = self._own or boto3.Session(region_name=self._region)
            return self._safely(self._own, work)
        result: Result = self._use(
            self._through, lambda token: self._safely(assumed(token, self._region), work), owner=request.owner
        )
        return result

    def call(self, service: str, request: Request, work: Callable[[Any], Result]) -> Result:
        """Return `work(client)` with a client of the service; raises what `signed` does."""
        return self.signed(request, lambda session: work(self._client(session, service)))

    def _client(self, session: boto3.Session, service: str) -> Any:
        limits, is_plain = exchanges(), self._endpoint and is_plaintext(self._endpoint)
        options = Config(
            connect_timeout=limits.connect_timeout,
            read_timeout=limits.request_timeout,
            retries={"total_max_attempts": 3, "mode": "standard"},
            **({"proxies": {}} if is_plain else {}),  # HTTP_PROXY of the environment would receive the secrets
        )
        client = session.client(service, endpoint_url=self._endpoint, config=options)
        client._endpoint.http_session._pool_classes_by_scheme.update(POOLS)  # noqa: SLF001 - there is no public way
        return client

    def _safely(self, session: boto3.Session, work: Callable[[boto3.Session], Result]) -> Result:
        _hold_keys(session)
        try:
            return work(session)
        except SinkError:
            raise
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", "unknown"))
            message = f": {error.response['Error'].get('Message', '')}" if code in _SAFE_TO_SHOW else ""
            reason = f"AWS refused {error.operation_name} ({code}){message}"
            if self._through and code in _EXPIRED:
                raise Refused(reason) from None
        except BotoCoreError as error:
            ran_out = limit.current()
            reason = f"the request to AWS failed ({(ran_out and ran_out.exceeded) or type(error).__name__})"
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
            reason = f"AWS returned an undocumented response ({type(error).__name__})"
        raise CredentialError(
            f"credential {self._name!r}: {reason}; check that this process has an AWS identity, "
            f"and section [luigi_sinks.credential.{self._name}]"
        ) from None


def _hold_keys(session: boto3.Session) -> None:
    """Keep the keys that sign, and the signatures made with them, out of logs and errors."""
    with suppress(BotoCoreError):  # `work` meets it too
        if identity := session.get_credentials():
            keys = identity.get_frozen_credentials()
            redaction.hold(keys.secret_key, keys.token, public=[keys.access_key or ""])
    session.events.register("before-send", _hold_signature, unique_id="luigi_sinks")


def _hold_signature(request: Any, **_: Any) -> None:
    redaction.hold(str(request.headers.get("Authorization", "")).rpartition("Signature=")[2], kind="signature")


def assumed(token: Token, region: str) -> boto3.Session:
    """Return a session with the keys in a token of the source `assume_role`."""
    found = json.loads(token.reveal())
    return boto3.Session(
        aws_access_key_id=found["AccessKeyId"],
        aws_secret_access_key=found["SecretAccessKey"],
        aws_session_token=found["SessionToken"],
        region_name=region,
    )


def role_of(owner: str) -> str:
    """Return `aws_role` of the owner's section in luigi.cfg, or an empty string."""
    return owners.find(owner).aws_role


def required(name: str, **values: str | int) -> None:
    """Raise BadSetting for values that neither the connection nor the credential's section sets."""
    missing_keys = [key for key, value in values.items() if not value]
    if missing_keys:
        raise BadSetting(
            f"credential {name!r} needs {', '.join(missing_keys)}; set it in the connection that uses it, "
            f"or in section [luigi_sinks.credential.{name}]"
        )
