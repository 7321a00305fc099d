"""Maps failed requests to SinkErrors; the same for both products."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from luigi_sinks.elasticsearch.settings import ElasticsearchSettings
from luigi_sinks.errors import BadSetting, Forbidden, SinkError, Unavailable

_BUSY = {429, 502, 503, 504}
_REDIRECTS = range(300, 400)


class TimedOut(Unavailable):
    """No answer came in time; the call may still take effect."""


class Rejected(SinkError):
    """The cluster refused the call."""

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
    """The request is larger than the server accepts."""


class Late(Rejected):
    """What was waited for on the server has not happened in time."""


_KINDS: dict[int, type[Rejected]] = {
    HTTPStatus.NOT_FOUND: Missing,
    HTTPStatus.CONFLICT: Clash,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: TooLarge,
    HTTPStatus.REQUEST_TIMEOUT: Late,
}

_OPERATION = re.compile(r"operation_bytes=(\d+), max_\w+=(\d+)")

BLOCK = "cluster_block_exception"

_CERTIFICATE_WANTED = ("ALERT_CERTIFICATE", "ALERT_BAD_CERTIFICATE", "ALERT_UNKNOWN_CA", "ALERT_HANDSHAKE_FAILURE")
"""What OpenSSL reports when the peer got no client certificate, or one that it does not trust."""


def from_response(settings: ElasticsearchSettings, status: int, body: Any) -> SinkError:
    """Return the error for a response of another status than 2xx; `body` is its JSON, or its text."""
    kind, reason = _detail(body)
    if reason.lstrip().startswith("<"):
        reason = "(an HTML page, probably from a proxy)"
    if status in _REDIRECTS:
        return BadSetting(
            f"{settings.where} answers with a redirect ({status}), which {settings.title} does not do and which is not "
            "followed: a proxy, its login page or another server is there. Correct host and port in luigi.cfg; for a "
            "proxy that requires a login, correct credential and token_header"
        )
    if (state := _state(settings.where, status, kind, reason)) is not None:
        return state
    if kind == "security_exception":
        return Forbidden(f"{settings.where}: {reason}. `luigi-sinks grants` prints the role that is needed")
    if status == HTTPStatus.FORBIDDEN and isinstance(body, Mapping) and not kind:  # from AWS, before the cluster
        return Forbidden(
            f"{settings.where}: {reason}; see its access policy, and the policies of this identity. `luigi-sinks "
            "grants` prints those that are needed"
        )
    return _KINDS.get(status, Rejected)(status, kind, reason)


def _state(where: str, status: int, kind: str, reason: str) -> SinkError | None:
    """Return the error for what the cluster cannot take now, or at all; None for any other response."""
    if kind == BLOCK and status != HTTPStatus.SERVICE_UNAVAILABLE:
        return blocked(where, reason)
    if kind == "validation_exception" and "shards open" in reason:
        return BadSetting(
            f"{where}: the cluster takes no more shards ({reason}). Choose a coarser partition, such as a month for a "
            "day, prune old versions, or raise cluster.max_shards_per_node"
        )
    if never_fits(reason):
        return TooLarge(status, kind, reason)
    if status in _BUSY:
        return Unavailable(f"{where} is busy or not ready: {status} {reason}; try again later")
    return None


def never_fits(reason: str) -> bool:
    """Tell whether a cluster has no room for a request, and would not have it if nothing else were under way."""
    found = _OPERATION.search(reason)
    return found is not None and int(found[1]) > int(found[2])


def blocked(where: str, reason: str) -> Unavailable:
    """Return the error for a block on an index or on the cluster, in the server's words and with the cure."""
    if "read-only-allow-delete" in reason:
        return Unavailable(
            f"{where}: its disk is full, so it takes no writes ({reason}). Free or add disk space, after which the "
            "cluster removes the block itself; then run this again"
        )
    return Unavailable(
        f"{where}: a block that somebody set forbids this ({reason}). Remove it, from the settings of that index or of "
        "the cluster (cluster.blocks); then run this again"
    )


def no_response(settings: ElasticsearchSettings, reason: str) -> Unavailable:
    """Return the error for a call that got no answer."""
    tls = "" if settings.is_encrypted else ", and whether it requires TLS (tls_ca)"
    return Unavailable(
        f"{settings.where} does not answer: {reason}; check that it runs, host and port in luigi.cfg{tls}"
    )


def from_timeout(settings: ElasticsearchSettings, reason: str) -> TimedOut:
    """Return the error for a call that got no answer in time."""
    ran_out = "connect_timeout" if "connect timeout" in reason or "ConnectTimeout" in reason else "request_timeout"
    return TimedOut(
        f"{settings.where} does not answer in time: {ran_out} = {getattr(settings, ran_out):g} s ran out ({reason}); "
        "check that it runs, and host and port in luigi.cfg, or allow it more time there"
    )


def from_tls(settings: ElasticsearchSettings, reason: str) -> SinkError:
    """Return the error for a TLS connection that failed."""
    where = settings.where
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        return BadSetting(
            f"{where}: {reason}; tls_ca in luigi.cfg must name the authority of its certificate, and host, or "
            "tls_server_name, the name in it"
        )
    if "WRONG_VERSION_NUMBER" in reason or "RECORD_LAYER_FAILURE" in reason:
        return BadSetting(
            f"{where} does not support TLS, and credentials are never sent unencrypted; turn TLS on there"
        )
    if any(each in reason for each in _CERTIFICATE_WANTED):
        return BadSetting(
            f"{where} requires a client certificate that it trusts: {reason}; "
            "set tls_certificate and tls_key in luigi.cfg"
        )
    return Unavailable(
        f"{where}: the TLS connection failed: {reason}; check tls_ca, tls_certificate and tls_key in luigi.cfg"
    )


def _detail(body: Any) -> tuple[str, str]:
    """Return the type of an error that the cluster itself reports, or nothing, and the reason."""
    said = body if isinstance(body, Mapping) else {}
    error = said.get("error")
    if isinstance(error, Mapping):
        first, *_ = error.get("root_cause") or [error]  # of a search, the error itself only says that shards failed
        return str(error.get("type")), str(first.get("reason") or error.get("reason") or body)
    return "", str(error or said.get("message") or said.get("Message") or body)
