"""The URIs of code and of data."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

_WITHIN = ":/@!$&'()*+,;=%~"
"""What may stand in each part of a URI as it is, besides letters, digits, `-`, `.` and `_`: RFC 3986."""

_START = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^@/]*@)?(\[[0-9A-Fa-f:.]+\]|[^][:@/?#]*)(:[0-9]*)?(?=[/?#]|$)")
"""Scheme, user, host and port."""

_BARE_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")

_COMMIT = re.compile(r"[0-9a-f]{40}")


def of_code(source: str, commit: str) -> str | None:
    """Return a URL of the code: as it is, of a file, or of a path in a commit, whose repository nobody told us.

    The last is an identifier of Software Heritage (SWHID, ISO/IEC 18670), which any copy of the repository resolves.
    """
    if "://" in source:
        return _uri(source)
    if Path(source).is_absolute():
        return Path(source).as_uri()
    return f"swh:1:rev:{commit};path=/{quote(source)}" if source and _COMMIT.fullmatch(commit) else None


def of_data(namespace: str, name: str) -> str | None:
    """Return the URI of what holds a dataset, or of the file that it is; None if it has none."""
    if "://" in namespace:
        return _uri(namespace)
    path = Path(name)
    return path.as_uri() if namespace == "file" and path.is_absolute() else None


def _uri(text: str) -> str | None:
    """Return a URI with what it may not hold in percents; None for a text that does not begin as one."""
    start = _START.match(_BARE_PERCENT.sub("%25", text))
    if start is None:
        return None
    rest, hash_, fragment = start.string[start.end() :].partition("#")
    after = (quote(each, safe=f"{_WITHIN}?") for each in (rest, fragment))
    return quote(start[0], safe=f"{_WITHIN}[]") + hash_.join(after)
