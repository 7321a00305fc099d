"""Reads sections from Luigi's configuration: luigi.cfg or luigi.toml, with changes made at run time."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from configparser import InterpolationError
from typing import Any

from luigi.configuration import get_config

from luigi_sinks import leaks
from luigi_sinks.errors import BadSetting


def sections(root: str) -> Mapping[str, Any]:
    """Return the tables of luigi.toml, or the sections `root` and `root.*` of luigi.cfg.

    Raises BadSetting if Luigi cannot interpolate a value.
    """
    parser: Any = get_config()
    if hasattr(parser, "data"):
        tables: Mapping[str, Any] = parser.data
        return tables
    return {name: _values(parser, name) for name in parser.sections() if name.partition(".")[0] == root}


def _values(parser: Any, name: str) -> dict[str, str]:
    try:
        values = {key: value for key, value in parser.items(name) if key in _own(parser, name)}
    except InterpolationError as error:
        raise BadSetting(f"[{name}] in luigi.cfg: {error.message}; write % as %%") from None
    for key, value in values.items():
        if _MISREAD.search(value) and not leaks.is_secret(key, value):  # which is refused for that
            raise BadSetting(
                f"[{name}] in luigi.cfg: quotes around {key}, or a comment behind it, would be part of its value; "
                "write none, and put the comment on a line of its own"
            )
    return values


_MISREAD = re.compile(r"^(['\"]).*\1$|\s[;#]", re.DOTALL)
"""A value that means something else in other formats."""


def _own(parser: Any, name: str) -> Collection[str]:
    """Return the keys of the section itself, without those of [DEFAULT], which other packages also use."""
    keys: Collection[str] = parser._sections[name]  # noqa: SLF001 - the public API mixes in [DEFAULT]
    return keys
