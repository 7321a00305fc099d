"""Keeps characters out of names that nobody sees: they break lines, or make text read as another one."""

from __future__ import annotations

import re
import unicodedata

from luigi_sinks.errors import BadSetting

_SEEN = re.compile(r"[\x20-\x7e\xa1-\xac\xae-\u02ff]*")
"""Text of which each character is seen; most is, so it is not looked at one by one."""

_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Control characters, those of direction and of no width, surrogates, separators of lines and paragraphs."""


def refuse(text: str, what: str) -> None:
    """Raise BadSetting for a name with a character that is not seen; `what` says what the name is of.

    Example:
        >>> refuse("flights", "table")

    """
    for char in () if _SEEN.fullmatch(text) else text:
        if _is_unseen(char):
            raise BadSetting(
                f"{what} '{escaped(text)}' contains the character U+{ord(char):04X}, which is not seen; remove it"
            )


def escaped(text: str) -> str:
    r"""Return the text with each character that is not seen as its number: `\u202e`."""
    if _SEEN.fullmatch(text):
        return text
    return "".join(f"\\u{ord(char):04x}" if _is_unseen(char) else char for char in text)


def _is_unseen(char: str) -> bool:
    return unicodedata.category(char) in _UNSEEN
