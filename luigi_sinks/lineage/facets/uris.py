"""The URIs of code and of data."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

_URI = ":/?#[]@!$&'()*+,;=%~"
"""What may stand in a URI as it is, besides letters, digits, `-`, `.` and `_`."""

_COMMIT = re.compile(r"[0-9a-f]{40}")


def of_code(source: str, commit: str) -> str | None:
    """Return a URL of the code: as it is, of a file, or of a path in a commit, whose repository nobody told us.

    The last is an identifier of Software Heritage (SWHID, ISO/IEC 18670), which any copy of the repository resolves.
    """
    if "://" in source:
        return quote(source, safe=_URI)
    if Path(source).is_absolute():
        return Path(source).as_uri()
    return f"swh:1:rev:{commit};path=/{quote(source)}" if source and _COMMIT.fullmatch(commit) else None


def of_data(namespace: str, name: str) -> str | None:
    """Return the URI of what holds a dataset, or of the file that it is; None if it has none."""
    if "://" in namespace:
        return quote(namespace, safe=_URI)
    path = Path(name)
    return path.as_uri() if namespace == "file" and path.is_absolute() else None
