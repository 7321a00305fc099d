"""Turns accepted rows into the text that a store is sent, and finds text that no store keeps on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

_NULS = (b"\0", b"\\u0000")
"""What NUL in text may look like once it is encoded."""

Encode = Callable[[Sequence[Any]], bytes]
"""Turns accepted rows into what a store is sent. Raises UnicodeEncodeError or TypeError for dirty text."""

_JSON = msgspec.json.Encoder()


def lines(rows: Sequence[Any]) -> bytes:
    """Encode accepted rows as lines of JSON."""
    return _JSON.encode_lines(rows)


class DirtyText(Exception):
    """A batch has text with a lone surrogate, possibly with NUL, or of a class of its own."""


def encoded(rows: Sequence[Any], encode: Encode) -> bytes:
    """Return what `encode` makes of rows. Raises DirtyText."""
    try:
        text = encode(rows)
    except (UnicodeEncodeError, TypeError):
        raise DirtyText from None
    if may_hold_nul(text):
        from luigi_sinks.wrong_values import texts  # noqa: PLC0415 - most rows are right

        if any("\0" in value for value in texts(rows)):
            raise DirtyText
    return text


def may_hold_nul(text: bytes) -> bool:
    """Return whether encoded rows may have text with NUL."""
    return any(nul in text for nul in _NULS)
