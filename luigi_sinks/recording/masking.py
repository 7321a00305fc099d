"""Keeps secrets out of what is recorded, and bounds how long a text is."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any

from luigi_sinks import leaks, redaction, unseen

LONGEST = 1000
"""Characters of a text that are kept; a longer one ends in a checksum of all of it."""


def setting(name: str, value: str, given: Any = None) -> str:
    """Return a parameter's value as text, or a mark in its place if it is a secret; see `is_secret`.

    Example:
        >>> setting("month", "2013-01"), setting("api_token", "abc")
        ('2013-01', '[redacted]')

    """
    return redaction.MARK if is_secret(name, value, given) else text(value)


def is_secret(name: str, value: str, given: Any = None) -> bool:
    """Tell whether a parameter's name, its text, or what is within its value looks like a secret."""
    is_login = name.casefold().endswith("auth")  # no setting of ours: there, it says how to log in
    return is_login or leaks.is_secret(name, value) or leaks.is_nested_secret(name, given)


def text(said: str, hidden: Iterable[str] = ()) -> str:
    """Return a text without secrets: those that this process holds, those that are `hidden`, and what looks like one.

    Example:
        >>> text("/data/acme/flights.csv", hidden=["acme"])
        '/data/[redacted]/flights.csv'

    """
    if leaks.is_secret("", said):
        return redaction.MARK
    for secret in hidden:
        said = said.replace(secret, redaction.MARK)
    return _bounded(unseen.escaped(redaction.redacted(said)))


def _bounded(said: str) -> str:
    return said if len(said) <= LONGEST else f"{said[:LONGEST]}... {zlib.crc32(said.encode()):08x}"
