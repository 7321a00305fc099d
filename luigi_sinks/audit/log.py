"""Writes the audit log: one JSON line for each use of a credential and each change of a version, without secrets.

The lines go to the logger `luigi_sinks.audit`, and to a file if `[luigi_sinks.audit]` names one.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from luigi_sinks import config, private_files, redaction, running, unseen
from luigi_sinks.audit.chain import Log
from luigi_sinks.errors import BadSetting, CredentialError

_audit = logging.getLogger("luigi_sinks.audit")
_log = logging.getLogger("luigi_sinks.credentials")

FORMAT = 1
"""The number in each line's `format`; a change of what a field means gives the next one."""

_LONGEST = 500
"""Characters of a text that are kept."""


@dataclass(frozen=True)
class AuditSettings:
    """The section `[luigi_sinks.audit]`.

    - `path`: the log file. Default: none; entries go to the logger `luigi_sinks.audit` only.
    - `anchor`: a file elsewhere that keeps the head of the log, to detect forgery; `luigi-sinks audit
      begin` makes it. Default: none.
    - `max_bytes`: the size in bytes at which a new file is started. Default: 67108864 (64 MiB).
    - `required`: true stops every token exchange and load that cannot be logged. Default: false.
    - `key_file`: a file with a key for the fingerprints of tokens without an id, the same for
      all processes. Default: none; the fingerprints then differ by process.

    Example:
        >>> from luigi_sinks import config
        >>> config.use({"luigi_sinks": {"audit": {"path": "/var/log/luigi/audit", "required": True}}})
        >>> config.read(AuditSettings, "luigi_sinks.audit").max_bytes
        67108864

    """

    path: Path | None = None
    anchor: Path | None = None
    max_bytes: int = 64 << 20
    required: bool = False
    key_file: Path | None = None

    def __post_init__(self) -> None:
        if self.required and self.path is None:
            raise ValueError("required = true needs a path: lines that only a logger gets may go nowhere")
        if self.anchor is not None and self.path in {None, self.anchor}:
            raise ValueError("anchor needs a path, of another file: it keeps the head of the log that is there")


@dataclass(frozen=True)
class Entry:
    """What happened. Empty fields are left out; times are ISO 8601 in UTC, `duration` is in seconds.

    `action` is exchange, renewal, reuse, refusal, revocation or expiry of a token,
    connection to a store, or load, publish, rollback, prune or read of a version
    (begun, then success or failure). `token` is a token's id or keyed fingerprint; for
    a version it is the one that the store saw last, a publisher's where the store has
    a login of its own for that, and empty before the first call. `replaced` is the
    version that was the head, `epoch` counts the head's moves. `server` is a store or
    its address, `uses` how often a token was handed out again, `task_id` the task that
    it belonged to where that is not the one that runs, and `correlation` the attempt.
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
    replaced: str = ""
    epoch: int | None = None
    rows: int | None = None
    uses: int | None = None
    duration: float | None = None
    task_id: str = ""
    correlation: str = ""


def record(entry: Entry) -> bool:
    """Write an entry, and return whether it is written; if not, warn once and go on."""
    try:
        write(entry)
    except OSError as error:
        _warn_once(str(error))
        return False
    _warn_once.cache_clear()
    return True


def require(entry: Entry) -> None:
    """Write an entry before what it describes is done.

    Raises CredentialError if `required = true` and it cannot be written: then the
    caller must not go on.
    """
    with requiring():
        write(entry)


@contextmanager
def requiring() -> Iterator[None]:
    """Turn an OSError into a CredentialError if `required = true`, else into a warning."""
    try:
        yield
    except OSError as error:
        if _settings().required:
            raise CredentialError(
                f"the audit log {_settings().path} cannot be written ({error}), and [luigi_sinks.audit] in luigi.cfg "
                "says required = true: nothing is done that is not recorded"
            ) from None
        _warn_once(str(error))


def forget_settings() -> None:
    """Read the configuration again at the next line."""
    _settings.cache_clear()
    fingerprint_key.cache_clear()
    _warn_once.cache_clear()


config.when_replaced(forget_settings)


def write(entry: Entry) -> None:
    """Write an entry. Raises OSError if it cannot be written."""
    task, entry = running.current(), replace(entry, reason=redaction.redacted(entry.reason))
    fields = {
        "format": FORMAT,
        "time": datetime.now(UTC).isoformat(timespec="microseconds"),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "task_family": task.family,
        "task_id": task.task_id,
        "owner": task.owner,
        "correlation": task.correlation,
    }
    said = {name: _short(value) for name, value in [*fields.items(), *asdict(entry).items()] if value not in {"", None}}
    if _audit.isEnabledFor(logging.INFO):
        _audit.info("%s", msgspec.json.encode(said).decode())
    if (path := log_path()) is not None:
        Log(path, _settings().max_bytes, _settings().anchor).append(said)


def log_path() -> Path | None:
    """Return the file of the log, if the configuration names one."""
    return _settings().path


def _short(value: Any) -> Any:
    return unseen.escaped(value[:_LONGEST]) if isinstance(value, str) else value


@cache
def _settings() -> AuditSettings:
    return config.read(AuditSettings, "luigi_sinks.audit")


@cache
def _warn_once(reason: str) -> None:
    _log.warning("the audit log cannot be written (%s); events are lost until it can", reason)


@cache
def fingerprint_key() -> bytes:
    """Return the key for the fingerprints of tokens, empty if `key_file` is not set. Raises BadSetting."""
    path = _settings().key_file
    try:
        return private_files.read(path)[:64] if path else b""
    except OSError as error:
        raise BadSetting(f"[luigi_sinks.audit] key_file = {path} in luigi.cfg: {error.strerror or error}") from None
