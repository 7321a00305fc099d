"""Closes three ways by which others have a process show the secrets in it.

`http.client` prints headers and bodies once somebody sets its debuglevel: what urllib3
sends, for whomever, is not printed any more. botocore logs signatures, tokens, requests
and answers at DEBUG: those of its loggers say only what is at INFO or above, whatever
their level. The kernel writes the memory of a process that crashes into a core file:
there is none, also of programs that this one starts; who needs one raises the soft
limit again.
"""

from __future__ import annotations

import logging
import resource
from contextlib import suppress
from functools import cache
from typing import Final

BOTOCORE: Final = tuple(
    f"botocore.{module}"
    for module in (
        *("auth", "endpoint", "parsers"),  # signatures, requests, answers
        *("credentials", "utils"),  # what a machine's or a container's metadata service answers that is no answer
        *("awsrequest", "client", "hooks", "httpsession", "signers"),  # what handles secrets, as errors show it
    )
)


@cache
def prevent() -> None:
    """Do so from before the first secret is here to the end, in forked children too."""
    _print_no_requests()
    _log_no_requests()
    _leave_no_core_file()


def _print_no_requests() -> None:
    with suppress(ImportError):  # then nothing of ours sends requests
        from urllib3.connection import HTTPConnection  # noqa: PLC0415 - only those who hold secrets wait for it

        HTTPConnection.debuglevel = 0


def _log_no_requests() -> None:
    for name in BOTOCORE:
        # Not by a level: a configuration that is read later sets it, or puts it back.
        logging.getLogger(name).addFilter(_may_be_said)


def _may_be_said(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.INFO


def _leave_no_core_file() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    # One byte is too little for a file, and keeps the kernel from handing one to a program, as 0 does not.
    resource.setrlimit(resource.RLIMIT_CORE, (int(hard != 0), hard))
