"""Reads our sections of luigi.cfg or luigi.toml, of another TOML file or of a mapping; refuses secrets in them.

One section a connection, `[luigi_sinks.mariadb]` (and `[luigi_sinks.mariadb.NAME]`
for one chosen by `connection = "NAME"`), one a credential,
`[luigi_sinks.credential.NAME]`, and `[luigi_sinks]` for what concerns all.
"""

from __future__ import annotations

import ipaddress
import os
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from luigi_sinks.errors import BadSetting, did_you_mean

T = TypeVar("T")

ROOT = "luigi_sinks"

ENVIRONMENT = "LUIGI_SINKS_CONFIG"
"""The environment variable that names a TOML file with our sections, for where there is no luigi.cfg."""

_given: Mapping[str, Any] | None = None
_SECRET = re.compile(r"(^|[_-])(password|passwd|passphrase|pwd|secret|token|api[_-]?key|secret[_-]key|access[_-]key)$")

_WANTED = {int: "a whole number", float: "a number", bool: "true or false"}


@dataclass(frozen=True)
class Common:
    """The section `[luigi_sinks]`.

    `namespace` goes before every dataset's name, so that one graph can be tried
    beside production. `local` is a folder: where set, every dataset is kept in
    a file there instead of its store, for tests and demonstrations.
    """

    namespace: str = ""
    local: Path | None = None

    def dataset(self, name: str) -> str:
        """Return the dataset's name within the namespace."""
        return f"{self.namespace}_{name}" if self.namespace else name


def common() -> Common:
    """Read `[luigi_sinks]`."""
    return read(Common, ROOT)


def connection_key(store: str, name: str = "") -> str:
    """Return what names a connection: the store's name, and its own if it has one."""
    return f"{store}.{name}" if name else store


def read_connection(kind: type[T], store: str, name: str = "") -> T:
    """Read a store's section into `kind`, a frozen dataclass of settings."""
    return read(kind, f"{ROOT}.{connection_key(store, name)}")


def read_credential(name: str) -> dict[str, str]:
    """Return the settings of a credential."""
    return section(f"{ROOT}.credential.{name}")


def read(kind: type[T], name: str) -> T:
    """Read a section into a dataclass; raises BadSetting that names section and key."""
    values, known = section(name), list(kind.__annotations__)
    if not values and _required(kind):
        raise BadSetting(
            f"there is no section [{name}] in {where()}; it must say {', '.join(_required(kind))}. "
            "Luigi reads luigi.cfg in the current folder, and over it the file that LUIGI_CONFIG_PATH names"
        )
    for key in values:
        if key not in known:
            raise BadSetting(f"[{name}] in {where()}: {key!r} is not a setting; {did_you_mean(key, known)}")
    try:
        return msgspec.convert(values, kind, strict=False, dec_hook=_path)
    except msgspec.ValidationError as error:
        raise BadSetting(f"[{name}] in {where()}: {_wrong(kind, values) or error}") from None


def _required(kind: type[Any]) -> list[str]:
    """Name the settings that have no default."""
    return [name for name in kind.__annotations__ if not hasattr(kind, name)]


def _wrong(kind: type[Any], values: Mapping[str, str]) -> str:
    """Say of the first value that is not of its setting's type what it must be; nothing if all are."""
    for key, wanted in get_type_hints(kind).items():
        try:
            if key in values:
                msgspec.convert(values[key], wanted, strict=False, dec_hook=_path)
        except msgspec.ValidationError:
            choices = get_args(wanted) if get_origin(wanted) is Literal else ()
            return f"{key} = {values[key]} must be {' or '.join(choices) or _WANTED.get(wanted, 'text, in quotes')}"
    return ""


def _path(kind: type[Any], value: Any) -> Any:
    """Make a path: the one type of our settings that msgspec does not know."""
    return kind(value)


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine itself, where clear text stays."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def section(name: str) -> dict[str, str]:
    """Return a section's keys, case-folded, and values; nothing if it is not there.

    Raises BadSetting if it, or any other section of ours, holds a secret.
    """
    refuse_secrets()
    return dict(_sections().get(name, {}))


def section_names() -> list[str]:
    """Return the names of all sections of ours."""
    return list(_sections())


def refuse_secrets() -> None:
    """Raise BadSetting if any of our sections holds a secret."""
    for name, values in _sections().items():
        for key in values:
            if _SECRET.search(key):
                raise BadSetting(
                    f"[{name}] in {where()} holds a secret, {key!r}, and secrets are never configuration. Remove it, "
                    f"name a credential (credential = NAME), and say where its value comes from, for example: "
                    f"[{ROOT}.credential.NAME] source = file, path = /run/secrets/NAME"
                )


def use(sections: Mapping[str, Any] | None) -> None:
    """Take the configuration from a mapping in this process, and in those forked from it; None ends that.

    The mapping is nested as a TOML file is, or has dotted names as luigi.cfg has.

    Example:
        >>> use({"luigi_sinks": {"mariadb": {"host": "db.internal", "database": "flights"}}})
        >>> section("luigi_sinks.mariadb")
        {'host': 'db.internal', 'database': 'flights'}
        >>> use(None)

    """
    global _given  # noqa: PLW0603 - configuration is one thing a process
    _given = sections


def where() -> str:
    """Return what messages call the place that the sections come from."""
    if _given is not None:
        return "the configuration"
    return os.environ.get(ENVIRONMENT) or "luigi.cfg"


def _sections() -> dict[str, Mapping[str, str]]:
    return {name: {str(key).casefold(): value for key, value in values.items()} for name, values in _found()}


def _found() -> Iterable[tuple[str, Mapping[str, Any]]]:
    """Find the sections: in a mapping, else in the file that LUIGI_SINKS_CONFIG names, else where Luigi has them."""
    if _given is not None:
        return flattened(_given)
    if path := os.environ.get(ENVIRONMENT):
        if "luigi" in sys.modules and any(values for _, values in _of_luigi()):
            raise BadSetting(
                f"luigi.cfg has sections of luigi_sinks, and {ENVIRONMENT} names {path}, which would take their place; "
                f"keep one: move the sections, or unset {ENVIRONMENT}"
            )
        return _of_file(path)
    return _of_luigi()


def _of_luigi() -> Iterable[tuple[str, Mapping[str, Any]]]:
    """Ask Luigi, which is imported only now: the core runs without it."""
    try:
        reader = import_module("luigi_sinks.luigi_cfg")
    except ImportError:
        return ()
    return flattened(reader.sections(ROOT))


def _of_file(path: str) -> Iterable[tuple[str, Mapping[str, Any]]]:
    try:
        return _parsed(path, Path(path).stat().st_mtime_ns)
    except (OSError, ValueError) as error:
        raise BadSetting(f"{ENVIRONMENT} names {path}, which cannot be read as TOML: {error}") from None


@lru_cache(maxsize=1)
def _parsed(path: str, changed: int) -> Sequence[tuple[str, Mapping[str, Any]]]:
    del changed  # it makes the file be read again when it was written again
    return tuple(flattened(tomllib.loads(Path(path).read_text(encoding="utf-8"))))


def flattened(data: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the sections of nested tables by their dotted names."""
    yield from _tables(ROOT, data.get(ROOT, {}))
    for name, values in data.items():
        if name.startswith(f"{ROOT}."):
            yield from _tables(name, values)


def _tables(name: str, table: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield name, {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _tables(f"{name}.{key}", value)
