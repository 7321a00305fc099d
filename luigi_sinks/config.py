"""Reads the sections of luigi.cfg or luigi.toml that are ours, and refuses secrets in them.

One section a connection, `[luigi_sinks.mariadb]` (and `[luigi_sinks.mariadb.NAME]`
for one chosen by `connection = "NAME"`), one a credential,
`[luigi_sinks.credential.NAME]`, and `[luigi_sinks]` for what concerns all.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterator, Mapping
from configparser import InterpolationError
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from luigi.configuration import get_config

from luigi_sinks.errors import BadSetting, did_you_mean

T = TypeVar("T")

_ROOT = "luigi_sinks"
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


@dataclass(frozen=True)
class Owner:
    """The section `[luigi_sinks.owner.NAME]`: what a team's tasks may be, in each place.

    `aws_role` is the ARN of the role that credentials `through` one of the source
    `assume_role` take; others are signed by this process itself, which may have the
    role anyway. `mariadb_role` is the one that a session takes, the other two are
    what `luigi-sinks grants` writes for.
    """

    aws_role: str = ""
    mariadb_role: str = ""
    elasticsearch_role: str = ""
    neo4j_role: str = ""


def owner(name: str) -> Owner:
    """Return the roles of an owner; none where luigi.cfg speaks of no owner at all.

    Raises BadSetting for an owner that is not among those that luigi.cfg knows.
    """
    prefix = f"{_ROOT}.owner."
    known = [section.removeprefix(prefix) for section in _sections() if section.startswith(prefix)]
    if name and known and name not in known:
        raise BadSetting(f"there is no section [{prefix}{name}] in luigi.cfg; {did_you_mean(name, known)}")
    return read(Owner, f"{prefix}{name}") if name else Owner()


def common() -> Common:
    """Read `[luigi_sinks]`."""
    return read(Common, _ROOT)


def read_connection(kind: type[T], store: str, name: str = "") -> T:
    """Read a store's section into `kind`, a frozen dataclass of settings."""
    return read(kind, f"{_ROOT}.{store}.{name}" if name else f"{_ROOT}.{store}")


def read_credential(name: str) -> dict[str, str]:
    """Return the settings of a credential."""
    return section(f"{_ROOT}.credential.{name}")


def read(kind: type[T], name: str) -> T:
    """Read a section into a dataclass; raises BadSetting that names section and key."""
    values, known = section(name), list(kind.__annotations__)
    if not values and _required(kind):
        raise BadSetting(
            f"there is no section [{name}] in luigi.cfg; it must say {', '.join(_required(kind))}. "
            "Luigi reads luigi.cfg in the current folder, and over it the file that LUIGI_CONFIG_PATH names"
        )
    for key in values:
        if key not in known:
            raise BadSetting(f"[{name}] in luigi.cfg: {key!r} is no setting; {did_you_mean(key, known)}")
    try:
        return msgspec.convert(values, kind, strict=False, dec_hook=_path)
    except msgspec.ValidationError as error:
        raise BadSetting(f"[{name}] in luigi.cfg: {_wrong(kind, values) or error}") from None


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


def refuse_secrets() -> None:
    """Raise BadSetting if any of our sections holds a secret."""
    for name, values in _sections().items():
        for key in values:
            if _SECRET.search(key):
                raise BadSetting(
                    f"[{name}] in luigi.cfg holds a secret, {key!r}, and secrets are never configuration. Remove it, "
                    f"name a credential (credential = NAME), and say where its value comes from, for example: "
                    f"[{_ROOT}.credential.NAME] source = file, path = /run/secrets/NAME"
                )


def _sections() -> dict[str, Mapping[str, str]]:
    parser: Any = get_config()
    found = _from_toml(parser.data) if hasattr(parser, "data") else _from_cfg(parser)
    return {name: {str(key).casefold(): value for key, value in values.items()} for name, values in found}


def _from_cfg(parser: Any) -> Iterator[tuple[str, Mapping[str, str]]]:
    for name in parser.sections():
        if name == _ROOT or name.startswith(f"{_ROOT}."):
            try:
                yield name, {key: value for key, value in parser.items(name) if key in _own(parser, name)}
            except InterpolationError as error:
                raise BadSetting(f"[{name}] in luigi.cfg: {error.message}; write % as %%") from None


def _own(parser: Any, name: str) -> Collection[str]:
    """Return the keys that stand in the section itself: [DEFAULT] is for everybody's."""
    keys: Collection[str] = parser._sections[name]  # noqa: SLF001 - what is public mixes both
    return keys


def _from_toml(data: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, str]]]:
    yield from _tables(_ROOT, data.get(_ROOT, {}))
    for name, values in data.items():
        if name.startswith(f"{_ROOT}."):
            yield from _tables(name, values)


def _tables(name: str, table: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, str]]]:
    yield name, {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _tables(f"{name}.{key}", value)
