"""Says what was done with credentials and by whom: one JSON line an event, with nothing secret in it.

The lines go to the logger `luigi_sinks.audit`, and to a file if luigi.cfg names one.
"""

from __future__ import annotations

import logging
import os
import socket
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from luigi_sinks import config
from luigi_sinks.credentials import running
from luigi_sinks.credentials.chain import Log, verify
from luigi_sinks.credentials.token import Token
from luigi_sinks.errors import BadSetting, CredentialError

__all__ = [
    "AuditSettings",
    "Event",
    "correlation",
    "forget_settings",
    "record",
    "require",
    "token_event",
    "token_name",
    "verify",
]

_audit = logging.getLogger("luigi_sinks.audit")
_log = logging.getLogger("luigi_sinks.credentials")

_LONGEST = 500
"""Characters of a text that are kept."""


@dataclass(frozen=True)
class AuditSettings:
    """The section `[luigi_sinks.audit]`.

    `path` is the file, `anchor` a file elsewhere that keeps its head, and
    `max_bytes` the size at which a new file is begun. With `required = true`
    nothing is exchanged and nothing loaded that could not be written down.
    `key_file` holds a key, the same for all processes, for the fingerprints of
    tokens that have no name of their own; without it they differ by process.
    """

    path: Path | None = None
    anchor: Path | None = None
    max_bytes: int = 64 << 20
    required: bool = False
    key_file: Path | None = None

    def __post_init__(self) -> None:
        if self.required and self.path is None:
            raise ValueError("required = true needs a path: lines that only a logger gets may go nowhere")


@dataclass(frozen=True)
class Event:
    """What happened. Empty fields are left out; times are ISO 8601 in UTC, `duration` is in seconds.

    `action` is exchange, renewal, reuse, refusal, revocation or expiry of a token,
    or connection and publish of a store, or load, rollback and prune (begun, then
    success or failure); withdraw is for what is to come. `token` is a token's id or
    keyed fingerprint; where versions are loaded, published or pruned it is the one of
    the last call or session by then, a publisher's where the store has a login of its
    own for that, and nothing is said before the first. `server` is a store or its
    address, `uses` how often a token was handed out again, `task_id` whose it was
    where that is not the task that runs.
    """

    action: str
    outcome: str = "success"
    reason: str = ""
    credential: str = ""
    source: str = ""
    principal: str = ""
    issuer: str = ""
    audience: str = ""
    token: str = ""
    issued: str = ""
    expires: str = ""
    server: str = ""
    dataset: str = ""
    version: str = ""
    rows: int | None = None
    uses: int | None = None
    duration: float | None = None
    task_id: str = ""


def record(event: Event) -> None:
    """Write an event down; if that fails, say so once and go on."""
    try:
        _write(event)
    except OSError as error:
        _warn_once(str(error))
    else:
        _warn_once.cache_clear()


def require(event: Event) -> None:
    """Write an event down that must not go unrecorded.

    Raises CredentialError where `required = true` and it cannot be written: then
    what it speaks of must not happen.
    """
    try:
        _write(event)
    except OSError as error:
        if _settings().required:
            raise CredentialError(
                f"the audit log {_settings().path} cannot be written ({error}), and [luigi_sinks.audit] in luigi.cfg "
                "says required = true: nothing is done that is not recorded"
            ) from None
        _warn_once(str(error))


def token_event(action: str, credential: str, token: Token, **more: Any) -> Event:
    """Return an event that speaks of a token; what else is said of it is given by name."""
    info = token.info
    return Event(
        action,
        credential=credential,
        source=config.read_credential(credential).get("source", ""),
        principal=info.principal,
        issuer=info.issuer,
        audience=info.audience,
        token=token_name(token),
        issued=_time(info.issued),
        expires=_time(info.issued + info.lifetime) if info.lifetime is not None else "",
        **more,
    )


def token_name(token: Token) -> str:
    """Return what the lines call a token: its id, its lease, or a keyed fingerprint."""
    return token.info.token_id or token.info.lease or _fingerprint(token)


def correlation() -> str:
    """Return what joins these lines to a store's own log, for the attempt at a task that runs."""
    return running.current().correlation


def forget_settings() -> None:
    """Read luigi.cfg anew."""
    _settings.cache_clear()
    _key.cache_clear()
    _warn_once.cache_clear()


def _write(event: Event) -> None:
    task = running.current()
    fields = {
        "time": datetime.now(UTC).isoformat(timespec="microseconds"),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "task_family": task.family,
        "task_id": task.task_id,
        "owner": task.owner,
        "correlation": task.correlation,
    }
    said = {name: _short(value) for name, value in [*fields.items(), *asdict(event).items()] if value not in {"", None}}
    if _audit.isEnabledFor(logging.INFO):
        _audit.info("%s", msgspec.json.encode(said).decode())
    if (path := _settings().path) is not None:
        Log(path, _settings().max_bytes, _settings().anchor).append(said)


def _short(value: Any) -> Any:
    return value[:_LONGEST] if isinstance(value, str) else value


@cache
def _settings() -> AuditSettings:
    return config.read(AuditSettings, "luigi_sinks.audit")


@cache
def _warn_once(reason: str) -> None:
    _log.warning("the audit log cannot be written (%s); events are lost until it can", reason)


def _fingerprint(token: Token) -> str:
    key = _key()
    return token.digest(key) if key else token.fingerprint


@cache
def _key() -> bytes:
    path = _settings().key_file
    try:
        return path.read_bytes()[:64] if path else b""
    except OSError as error:
        raise BadSetting(f"[luigi_sinks.audit] key_file = {path} in luigi.cfg: {error.strerror}") from None


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
