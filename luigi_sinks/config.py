"""Reads the sections of luigi_sinks in luigi.cfg, luigi.toml, another TOML file or a mapping; refuses secrets.

- `[luigi_sinks]`: settings for all stores.
- `[luigi_sinks.mariadb]`: a connection; `connection = "NAME"` selects `[luigi_sinks.mariadb.NAME]`.
- `[luigi_sinks.credential.NAME]`: a credential.
- `[luigi_sinks.owner.NAME]`: the roles of a team.
"""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from luigi_sinks import leaks, unseen
from luigi_sinks.errors import BadSetting, did_you_mean

T = TypeVar("T")

ROOT = "luigi_sinks"

ENVIRONMENT = "LUIGI_SINKS_CONFIG"
"""The environment variable with the path of a TOML file, to be used instead of luigi.cfg."""

_given: Mapping[str, Any] | None = None
_forgetting: list[Callable[[], None]] = []
_ADVICE = (
    f"refer to a credential (credential = NAME), and set its source, for example: [{ROOT}.credential.NAME] "
    "source = file, path = /run/secrets/NAME"
)
_WANTED = {int: "a whole number", float: "a number", bool: "true or false"}


@dataclass(frozen=True)
class Common:
    """The section `[luigi_sinks]`.

    - `namespace`: a prefix of every dataset's name, to test beside production. Default: none.
    - `local`: a folder; if set, every dataset is kept in a SQLite file there instead of its
      store, for tests and demonstrations. Default: none.
    - `rejects`: a folder for files that list the bad rows that loads set aside. Default: `rejects` beside the
      audit log, or in the folder of `local`.

    Example:
        >>> use({"luigi_sinks": {"namespace": "test", "local": "/tmp/sinks"}})
        >>> common().dataset("flights")
        'test_flights'

    """

    namespace: str = ""
    local: Path | None = None
    rejects: Path | None = None

    def dataset(self, name: str) -> str:
        """Return the dataset's name with the namespace."""
        return f"{self.namespace}_{name}" if self.namespace else name


def common() -> Common:
    """Return the section `[luigi_sinks]`. Raises BadSetting."""
    return read(Common, ROOT)


def connection_key(store: str, name: str = "") -> str:
    """Return the key of a connection: STORE, or STORE.NAME if it has a name."""
    return f"{store}.{name}" if name else store


def read_connection(kind: type[T], store: str, name: str = "") -> T:
    """Return the section of a connection as `kind`, a frozen dataclass of settings. Raises BadSetting."""
    return read(kind, f"{ROOT}.{connection_key(store, name)}")


def read_credential(name: str) -> dict[str, str]:
    """Return the section of a credential, empty if there is none. Raises BadSetting."""
    return section(f"{ROOT}.credential.{name}")


def read(kind: type[T], name: str) -> T:
    """Return a section as a dataclass. Raises BadSetting, with section and key in the message."""
    values, known = section(name), list(kind.__annotations__)
    if not values and _required(kind):
        raise BadSetting(
            f"there is no section [{name}] in {where()}; {_similar(name)}add it, and set {', '.join(_required(kind))}. "
            "Luigi reads luigi.cfg in the current folder, then the file at LUIGI_CONFIG_PATH, which takes precedence"
        )
    for key in values:
        if key not in known:
            raise BadSetting(f"[{name}] in {where()}: {key!r} is not a setting; {did_you_mean(key, known)}")
    try:
        return msgspec.convert(values, kind, strict=False, dec_hook=_path)
    except msgspec.ValidationError as error:
        raise BadSetting(f"[{name}] in {where()}: {_explained(kind, values) or error}") from None


def _similar(name: str) -> str:
    """Return advice that names a section whose name is almost this one, or an empty string."""
    from difflib import get_close_matches  # noqa: PLC0415 - only needed for an error

    close = get_close_matches(name.removeprefix(ROOT), [each.removeprefix(ROOT) for each in section_names()], 1, 0.8)
    return f"if [{ROOT}{close[0]}] is meant to be it, correct that name, else " if close else ""


def _required(kind: type[Any]) -> list[str]:
    """Return the names of the settings without a default."""
    return [name for name in kind.__annotations__ if not hasattr(kind, name)]


def _explained(kind: type[Any], values: Mapping[str, str]) -> str:
    """Return what the first value of a wrong type must be, or an empty string. The value may be a secret."""
    for key, wanted in get_type_hints(kind).items():
        try:
            if key in values:
                msgspec.convert(values[key], wanted, strict=False, dec_hook=_path)
        except msgspec.ValidationError:
            choices = get_args(wanted) if get_origin(wanted) is Literal else ()
            return f"{key} must be {' or '.join(choices) or _WANTED.get(wanted, 'text, in quotes')}"
    return ""


def _path(kind: type[Any], value: Any) -> Any:
    """Return a Path, the only type of a setting that msgspec does not support."""
    return kind(value)


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine itself, where plaintext connections are safe."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def uses_tls(host: str, tls_ca: Path | None) -> bool:
    """Return whether connections of a store use TLS: all but those to this machine itself without a `tls_ca`."""
    return tls_ca is not None or not is_loopback(host)


_FOREVER = float("inf")


def refuse_no_time(settings: object, *names: str) -> None:
    """Raise ValueError if one of these settings, which are in seconds, is not more than 0."""
    for name in names:
        if not 0 < getattr(settings, name) < _FOREVER:
            raise ValueError(f"{name} must be more than 0 seconds")


def section(name: str) -> dict[str, str]:
    """Return the values of a section by lower-case key; empty if there is no such section.

    Raises BadSetting if any section of luigi_sinks contains a secret.
    """
    refuse_secrets()
    return dict(_sections().get(name, {}))


def section_names() -> list[str]:
    """Return the names of all sections of luigi_sinks."""
    return list(_sections())


def refuse_secrets() -> None:
    """Raise BadSetting if any section of luigi_sinks contains a secret, or a character that is not seen.

    No value is quoted: what looks like no secret may be one.
    """
    for name, values in _sections().items():
        if leaks.is_secret("", name):
            raise BadSetting(f"the name of a section in {where()} contains a secret; rename it: {_ADVICE}")
        unseen.refuse(name, f"{where()}: section")
        for key, value in values.items():
            if leaks.is_secret(key, value):
                raise BadSetting(_of_secret(name, key))
            unseen.refuse(key, f"[{name}] in {where()}: key")
            if isinstance(value, str) and key != "headers" and unseen.escaped(value) != value:  # its store reads lines
                raise BadSetting(f"[{name}] in {where()}: {key} contains a line break or a character that is not seen")


def _of_secret(name: str, key: str) -> str:
    if key == "headers":
        return f"[{name}] in {where()}: headers must hold no secret; set credential and token_header instead"
    return (
        f"[{name}] in {where()} contains a secret, {unseen.escaped(key)!r}, which must not be in configuration. "
        f"Remove it: {_ADVICE}"
    )


def use(sections: Mapping[str, Any] | None) -> None:
    """Use a mapping as the configuration of this process and its forks; None restores luigi.cfg.

    - `sections`: nested like a TOML file, or with dotted names like the sections of luigi.cfg.

    Example:
        >>> use({"luigi_sinks": {"mariadb": {"host": "db.internal", "database": "flights"}}})
        >>> section("luigi_sinks.mariadb")
        {'host': 'db.internal', 'database': 'flights'}
        >>> use(None)

    """
    global _given  # noqa: PLW0603 - configuration is one thing a process
    _given = sections
    for forget in _forgetting:
        forget()


@contextmanager
def using(sections: Mapping[str, Any]) -> Iterator[None]:
    """Use a mapping as the configuration within a block, and then again what was in use before.

    Example:
        >>> with using({"luigi_sinks": {"namespace": "test"}}):
        ...     common().dataset("flights")
        'test_flights'

    """
    before = _given
    use(sections)
    try:
        yield
    finally:
        use(before)


def when_replaced(forget: Callable[[], None]) -> None:
    """Have a function called whenever `use` replaces the configuration: it forgets what it has read."""
    _forgetting.append(forget)


def where() -> str:
    """Return the name of the configuration for messages: luigi.cfg, another file, or the mapping."""
    if _given is not None:
        return "the configuration"
    return os.environ.get(ENVIRONMENT) or "luigi.cfg"


def _sections() -> dict[str, Mapping[str, str]]:
    return {name: {str(key).casefold(): value for key, value in values.items()} for name, values in _found()}


def _found() -> Iterable[tuple[str, Mapping[str, Any]]]:
    """Return the sections of the mapping, else of the file at LUIGI_SINKS_CONFIG, else of Luigi's configuration."""
    if _given is not None:
        return flattened(_given)
    if path := os.environ.get(ENVIRONMENT):
        if "luigi" in sys.modules and any(values for _, values in _from_luigi()):
            raise BadSetting(
                f"luigi.cfg has sections of luigi_sinks, and {ENVIRONMENT} names {path}, which would replace them; "
                f"move the sections to that file, or unset {ENVIRONMENT}"
            )
        return _from_file(path)
    return _from_luigi()


def _from_luigi() -> Iterable[tuple[str, Mapping[str, Any]]]:
    """Return the sections of Luigi's configuration. Luigi is imported only here: the core runs without it."""
    try:
        reader = import_module("luigi_sinks.luigi_cfg")
    except ImportError:
        return ()
    return flattened(reader.sections(ROOT))


def _from_file(path: str) -> Iterable[tuple[str, Mapping[str, Any]]]:
    try:
        return _parsed(path, Path(path).stat().st_mtime_ns)
    except BadSetting:
        raise
    except (OSError, ValueError) as error:
        raise BadSetting(f"{ENVIRONMENT} names {path}, which cannot be read as TOML: {error}; correct it") from None


@lru_cache(maxsize=1)
def _parsed(path: str, changed: int) -> Sequence[tuple[str, Mapping[str, Any]]]:
    import tomllib  # noqa: PLC0415 - only where there is such a file

    del changed  # a key of the cache: a changed file is read again
    return tuple(flattened(tomllib.loads(Path(path).read_text(encoding="utf-8"))))


def flattened(data: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the dotted name and the values of each section in nested tables."""
    yield from _tables(ROOT, data.get(ROOT, {}))
    for name, values in data.items():
        if name.startswith(f"{ROOT}."):
            yield from _tables(name, values)


def _tables(name: str, table: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if not isinstance(table, Mapping):
        raise BadSetting(f"[{unseen.escaped(name)}] in {where()} is no section; write it as one table, in [ ]")
    for key, value in table.items():
        if isinstance(value, (list, tuple)) and any(isinstance(each, (Mapping, list, tuple)) for each in value):
            raise BadSetting(
                f"[{unseen.escaped(name)}] in {where()}: {unseen.escaped(str(key))!r} is a list of tables, which "
                "nothing reads; write each as a section"
            )
    yield name, {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _tables(f"{name}.{key}", value)
