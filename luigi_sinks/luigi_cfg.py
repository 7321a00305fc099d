"""Reads our sections as Luigi has them: luigi.cfg or luigi.toml, and what a program added to them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from configparser import InterpolationError
from typing import Any

from luigi.configuration import get_config

from luigi_sinks.config import ROOT, flattened
from luigi_sinks.errors import BadSetting


def sections() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each section of ours by its name. Raises BadSetting for a value that Luigi cannot interpolate."""
    parser: Any = get_config()
    yield from flattened(parser.data) if hasattr(parser, "data") else _from_cfg(parser)


def _from_cfg(parser: Any) -> Iterator[tuple[str, Mapping[str, str]]]:
    for name in parser.sections():
        if name == ROOT or name.startswith(f"{ROOT}."):
            try:
                yield name, {key: value for key, value in parser.items(name) if key in _own(parser, name)}
            except InterpolationError as error:
                raise BadSetting(f"[{name}] in luigi.cfg: {error.message}; write % as %%") from None


def _own(parser: Any, name: str) -> Collection[str]:
    """Return the keys that stand in the section itself: [DEFAULT] is shared with sections of others."""
    keys: Collection[str] = parser._sections[name]  # noqa: SLF001 - what is public mixes both
    return keys
