"""Text whose JSON LOAD DATA would read as something else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

_CONTROL = re.compile(r"[\0-\x1f]")
_AS_IN_JSON = frozenset("\b\t\n\r")
_SPELLING = str.maketrans({"\\": r"\\", '"': r"\""})


def awkward_text(values: Sequence[Any]) -> Sequence[Any]:
    r"""Return a column of text, spelled out in the form that LOAD DATA reads if its JSON is not that.

    The server takes `\f` for an f and `\u0007` for u0007, and `null` becomes NULL
    on its way. It takes control characters as they are, and any other letter
    behind a backslash for itself: `nul\l`.
    """
    whole = "".join(value for value in values if value is not None)
    if "null" not in whole and (whole.isprintable() or _AS_IN_JSON.issuperset(_CONTROL.findall(whole))):
        return values
    return [msgspec.Raw(b"NULL" if value is None else _spelled(value)) for value in values]


def _spelled(value: str) -> bytes:
    return f'"{value.translate(_SPELLING)}"'.replace("null", r"nul\l").encode()
