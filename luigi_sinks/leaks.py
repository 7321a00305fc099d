"""Finds secrets in configuration: by the name of a key, and by what a value looks like."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

_WORDS = (
    "passw(or)?d|passphrase|passcode|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|account[_-]?key"
    "|credentials|bearer|cookie|authori[sz]ation|signature"
)
_LAST_WORDS = "(db|pg|sql|ssh|user|root|admin)?pass|pw|pin|otp|creds|session[_-]?id|pin[_-]?code|pass[_-]phrase"
_KEY = re.compile(f"{_WORDS}|(^|[^a-z])({_LAST_WORDS})$")
_POINTER = re.compile(r"_(file|from|path|header|id)$")
"""Keys that say where a secret is, or what it is called."""

_VALUE = re.compile(
    rf"""
      //[^/\s?#]*@                                   # a URL with a user
    | ^(?!arn:)[^\s/@:]*:[^\s@]*@                    # user:secret@host
    | ([?&;,\s{{"']|^)[\w.-]*({_WORDS}|sig|sas)[\w-]*(["']?\s*=|["']\s*:)\s*\S
    | \b(bearer|basic|apikey)\s+[\w.~+/=-]{{8,}}
    | \beyJ[\w-]{{8,}}\.[\w-]+                       # a JWT
    | -----BEGIN\ [A-Z ]*PRIVATE\ KEY
    | \b(AKIA|ASIA)[0-9A-Z]{{16}}\b                  # a key of AWS
    | \bhv[sbr]\.[\w-]{{16,}}                        # a token of Vault
    | \b(gh[a-z]_|github_pat_|glpat-|xox[a-z]-)[\w-]{{16,}}  # tokens of GitHub, GitLab and Slack
    | //hooks\.slack\.com/services/\S
    """,
    re.VERBOSE | re.IGNORECASE,
)
_HEADER = re.compile(rf"(^|,)\s*[\w-]*({_WORDS}|key|auth|session|credential)[\w-]*\s*:", re.IGNORECASE)


def is_secret(key: str, value: Any) -> bool:
    """Return whether a setting holds a secret, as far as its key or its value tells."""
    return _is_secret(key, tuple(_texts(value)))


def is_nested_secret(key: str, value: Any) -> bool:
    """Return whether a value, or one within its mappings and lists, is a secret by its key or by what it looks like.

    Example:
        >>> is_nested_secret("db", {"host": "db.internal", "pw": "hunter2"}), is_nested_secret("months", ["2013-01"])
        (True, False)

    """
    if isinstance(value, Mapping):
        return any(is_nested_secret(str(name), inner) for name, inner in value.items())
    if isinstance(value, (list, tuple)):
        return any(is_nested_secret(key, inner) for inner in value)
    return value is not None and is_secret(key, str(value))


@lru_cache(maxsize=1024)
def _is_secret(key: str, texts: tuple[str, ...]) -> bool:
    plain = unicodedata.normalize("NFKC", key).casefold()
    if _KEY.search(plain) and not _POINTER.search(plain):
        return True
    patterns = (_VALUE, _HEADER) if plain == "headers" else (_VALUE,)
    return any(pattern.search(text) for text in texts for pattern in patterns)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _texts(each)
