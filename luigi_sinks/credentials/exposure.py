"""Closes four ways in which a process can leak its secrets.

- `http.client` prints headers and bodies if its debuglevel is set. This is disabled for all
  requests that urllib3 sends in this process.
- botocore logs signatures, tokens, requests and responses at DEBUG. Its loggers are filtered
  to INFO and above, whatever their level.
- Libraries log what they send, and what servers quote of it. All log records are redacted.
- The kernel writes the memory of a crashing process to a core file. Core files are disabled,
  also for child processes; to get one, raise the soft limit again.
"""

from __future__ import annotations

import logging
import resource
from contextlib import suppress
from functools import cache
from typing import Final

from luigi_sinks import redaction

BOTOCORE: Final = tuple(
    f"botocore.{module}"
    for module in (
        *("auth", "endpoint", "parsers"),  # signatures, requests, responses
        *("credentials", "utils"),  # invalid responses of the metadata service of an instance or a container
        *("awsrequest", "client", "hooks", "httpsession", "signers"),  # other modules whose errors may contain secrets
    )
)


def prevent() -> None:
    """Disable core dumps and HTTP debug output for this process and its forks; call it before each new secret."""
    redaction.watch_logs()  # each time, because a program may set another factory of log records meanwhile
    _prevent_once()


@cache
def _prevent_once() -> None:
    _disable_http_debug()
    _filter_botocore_logs()
    _disable_core_files()


def _disable_http_debug() -> None:
    with suppress(ImportError):  # without urllib3 this package sends no requests
        from urllib3.connection import HTTPConnection  # noqa: PLC0415 - slow to import, and only needed with secrets

        HTTPConnection.debuglevel = 0


def _filter_botocore_logs() -> None:
    for name in BOTOCORE:
        # A filter, not a level: a logging configuration that is read later may set the level again.
        logging.getLogger(name).addFilter(_is_loggable)


def _is_loggable(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.INFO


def _disable_core_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    # With a limit of 0, the kernel may still pipe the core to a program; with 1 byte it neither pipes nor writes it.
    resource.setrlimit(resource.RLIMIT_CORE, (int(hard != 0), hard))
