"""What a cluster that does not answer, or answers no, means to us; the same for both products."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from luigi_sinks.elasticsearch.settings import ElasticsearchSettings
from luigi_sinks.errors import BadSetting, Forbidden, SinkError, Unavailable

_BUSY = {429, 502, 503, 504}


class TimedOut(Unavailable):
    """No answer came in time: the call may be under way still."""


class Rejected(SinkError):
    """The server answered that the call cannot be done."""

    def __init__(self, status: int, kind: str, reason: str) -> None:
        self.status = status
        self.kind = kind
        self.reason = reason
        super().__init__(status, kind, reason)

    def __str__(self) -> str:
        return f"the cluster refuses ({self.status} {self.kind}): {self.reason}"


class Missing(Rejected):
    """There is no such index, alias or document."""


class Clash(Rejected):
    """The document exists already, or has changed meanwhile."""


class TooLarge(Rejected):
    """The request is larger than the server takes."""


_KINDS: dict[int, type[Rejected]] = {
    HTTPStatus.NOT_FOUND: Missing,
    HTTPStatus.CONFLICT: Clash,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: TooLarge,
}

_CERTIFICATE_WANTED = ("ALERT_CERTIFICATE", "ALERT_BAD_CERTIFICATE", "ALERT_UNKNOWN_CA", "ALERT_HANDSHAKE_FAILURE")
"""What OpenSSL reads from a peer that was shown no certificate, or another than it trusts."""


def from_response(settings: ElasticsearchSettings, status: int, body: Any) -> SinkError:
    """Make the error of an answer that is not the one asked for; `body` is its JSON, or its text."""
    kind, reason = _detail(body)
    if reason.lstrip().startswith("<"):
        reason = "(so says a page, as proxies send it)"
    if status in _BUSY:
        return Unavailable(f"{settings.where} is busy or not ready: {status} {reason}; try again later")
    if kind == "security_exception":
        return Forbidden(f"{settings.where}: {reason}. `luigi-sinks grants` prints the role that this takes")
    if status == HTTPStatus.FORBIDDEN and isinstance(body, Mapping) and not kind:  # by AWS, which stands before it
        return Forbidden(f"{settings.where}: {reason}; see its access policy, and those of this identity")
    return _KINDS.get(status, Rejected)(status, kind, reason)


def no_response(settings: ElasticsearchSettings, reason: str) -> Unavailable:
    """Make the error of a call that got no answer."""
    tls = "" if settings.is_encrypted else ", and whether it wants TLS (tls_ca)"
    return Unavailable(
        f"{settings.where} does not answer: {reason}; see if it runs, and host and port in luigi.cfg{tls}"
    )


def from_timeout(settings: ElasticsearchSettings, reason: str) -> TimedOut:
    """Make the error of a call that got no answer in time."""
    return TimedOut(f"{settings.where} does not answer: {reason}; see if it runs, and host and port in luigi.cfg")


def from_tls(settings: ElasticsearchSettings, reason: str) -> SinkError:
    """Make the error of a TLS connection that could not be made."""
    where = settings.where
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        return BadSetting(
            f"{where}: {reason}; tls_ca in luigi.cfg must name the authority of its certificate, and host, or "
            "tls_server_name, the name in it"
        )
    if "WRONG_VERSION_NUMBER" in reason or "RECORD_LAYER_FAILURE" in reason:
        return BadSetting(f"{where} speaks no TLS, and a token is shown to nobody in clear text; turn TLS on there")
    if any(each in reason for each in _CERTIFICATE_WANTED):
        return BadSetting(
            f"{where} wants a certificate of ours that it trusts: {reason}; "
            "see tls_certificate and tls_key in luigi.cfg"
        )
    return Unavailable(
        f"{where}: the TLS connection failed: {reason}; see tls_ca, tls_certificate and tls_key in luigi.cfg"
    )


def _detail(body: Any) -> tuple[str, str]:
    """Return what kind of error it is, if it is one of the cluster's own, and why."""
    said = body if isinstance(body, Mapping) else {}
    error = said.get("error")
    if isinstance(error, Mapping):
        return str(error.get("type")), str(error.get("reason") or body)
    return "", str(error or said.get("message") or said.get("Message") or body)
