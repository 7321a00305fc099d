"""The types of properties: what Python gives, what Neo4j keeps, and how one becomes the other.

Temporal values travel as ISO text and are converted on the server: the driver's
own encoding of them takes 35 to 45 µs for each.
"""

from __future__ import annotations

import copyreg
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from msgspec import Meta

from luigi_sinks.contract import Field
from luigi_sinks.errors import BadSetting
from luigi_sinks.kept import odd_offset

LONGEST_KEY = 2_000
"""In characters, up to four bytes each: an index entry holds about 8 kB.

https://neo4j.com/docs/cypher-manual/5/indexes/search-performance-indexes/using-indexes/
"""

_KNOWN = "int, float, str, bool, bytes, date, datetime, time, a list of one of these but bytes, and each of them | None"
_KEYS = (int, str, date, datetime, time)
_LARGEST_OFFSET = timedelta(hours=18)


@dataclass(frozen=True)
class Property:
    """One typed property of a node or a relationship.

    `type` is what msgspec checks. `function` is the Cypher function that makes
    the stored value from the ISO text that is sent, if there is one.
    """

    name: str
    type: Any
    base: Any
    function: str = ""
    is_list: bool = False
    is_optional: bool = False
    is_key: bool = False

    @property
    def field(self) -> Field:
        """The property as the contract sees it."""
        if self.function not in {"datetime", "time"}:
            return Field(self.name, self.type)
        return Field(self.name, self.type, _refuse_zone_of_key if self.is_key else _refuse_odd_offset)

    @property
    def text(self) -> str:
        """The type as the registry keeps it, such as `list[zoned datetime] | None`.

        Bounds are left out: they are checked when a row is written, not when it is read.
        """
        zone = "zoned " if self.base is not date and self.function == self.base.__name__ else ""
        plain = f"{zone}{self.base.__name__}"
        return f"{f'list[{plain}]' if self.is_list else plain}{' | None' if self.is_optional else ''}"

    def loaded(self, sent: str) -> str:
        """Return the Cypher expression for the value that is stored."""
        return self._applied(self.function, sent)

    def read(self, stored: str) -> str:
        """Return the Cypher expression for the value that is sent back."""
        return self._applied("toString" if self.function else "", stored)

    def _applied(self, function: str, value: str) -> str:
        if not function:
            return value
        return f"[x IN {value} | {function}(x)]" if self.is_list else f"{function}({value})"


copyreg.pickle(Meta, lambda meta: (_meta, (tuple(meta.__rich_repr__()),)))  # a stage takes its types along


def _meta(constraints: Iterable[tuple[str, Any]]) -> Meta:
    return Meta(**dict(constraints))


def parse(name: str, declared: Any) -> Property:
    """Understand a declared type: `float | None`, `Annotated[str, Meta(max_length=3)]`, `list[date]`.

    Integers are bounded to 64 bits and floats to finite ones. A datetime or time
    has no time zone unless it is declared with `Meta(tz=True)`.
    """
    return replace(_parse(name, declared, ()), name=name)


def parse_key(name: str, declared: Any) -> Property:
    """Understand the type of a node's key, which must fit an index."""
    found = parse(name, declared)
    if found.is_optional or found.is_list or found.base not in _KEYS:
        raise BadSetting(
            f"key {name!r} is {_shown(declared)}; a key is int, str, date, datetime or time, and never None"
        )
    found = replace(found, is_key=True)
    if found.base is not str:
        return found
    base, metas = _unwrapped(found.type)
    longest = _bound(metas, "max_length")
    if longest is None:
        return replace(found, type=_annotated(base, (*metas, Meta(max_length=LONGEST_KEY))))
    if longest > LONGEST_KEY:
        raise BadSetting(f"key {name!r} may have {longest} characters; an index takes at most {LONGEST_KEY}")
    return found


def from_text(text: object) -> Any:
    """Return the type that `Property.text` describes. Raises BadSetting for any other text.

    Example:
        >>> from_text("list[date] | None")
        list[datetime.date] | None

    """
    found = _TEXT.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise BadSetting(f"{text!r} is not a type; Neo4j keeps {_KNOWN}")
    base = next(each for each in _SCALARS if each.__name__ == found["base"])
    item = Annotated[base, Meta(tz=True)] if found["zoned"] else base
    kind = list[item] if found["list"] else item  # type: ignore[valid-type]  # made at run time
    return kind | None if found["optional"] else kind


def _parse(name: str, declared: Any, metas: tuple[Any, ...]) -> Property:
    origin = get_origin(declared)
    if origin is Annotated:
        base, inner = _unwrapped(declared)
        return _parse(name, base, (*inner, *metas))
    if origin in {Union, UnionType}:
        members = [member for member in get_args(declared) if member is not NoneType]
        if len(members) == 1:
            found = _parse(name, members[0], metas)
            return replace(found, type=found.type | None, is_optional=True)
    if origin is list:
        return _parse_list(name, declared, metas)
    if declared in _SCALARS:
        return _SCALARS[declared](declared, metas)
    raise BadSetting(f"property {name!r} is {_shown(declared)}; Neo4j keeps {_KNOWN}")


def _parse_list(name: str, declared: Any, metas: tuple[Any, ...]) -> Property:
    item = _parse(name, get_args(declared)[0], ())
    if item.is_list or item.is_optional or item.base is bytes:
        raise BadSetting(f"property {name!r} is {_shown(declared)}; a list holds neither lists nor bytes nor None")
    return replace(item, type=_annotated(list[item.type], metas), is_list=True)  # type: ignore[name-defined]  # run time


def _plain(base: Any, metas: tuple[Any, ...]) -> Property:
    return Property("", _annotated(base, metas), base)


def _integer(base: Any, metas: tuple[Any, ...]) -> Property:
    return _plain(base, _bounded(metas, -(2**63), 2**63 - 1))


def _float(base: Any, metas: tuple[Any, ...]) -> Property:
    return _plain(base, _bounded(metas, -sys.float_info.max, sys.float_info.max))


def _date(base: Any, metas: tuple[Any, ...]) -> Property:
    return replace(_plain(base, metas), function="date")


def _clock(base: Any, metas: tuple[Any, ...]) -> Property:
    """Keep apart what is local and what has a zone: for Neo4j they are different types."""
    zoned = _bound(metas, "tz")
    if zoned is None:
        metas = (*metas, Meta(tz=False))
    return replace(_plain(base, metas), function=base.__name__ if zoned else f"local{base.__name__}")


_SCALARS: Mapping[Any, Callable[[Any, tuple[Any, ...]], Property]] = {
    int: _integer,
    float: _float,
    str: _plain,
    bool: _plain,
    bytes: _plain,
    date: _date,
    datetime: _clock,
    time: _clock,
}

_TEXT = re.compile(
    r"(?P<list>list\[)?(?P<zoned>zoned (?=datetime|time))?"
    rf"(?P<base>{'|'.join(each.__name__ for each in _SCALARS)})(?(list)\])(?P<optional> \| None)?"
)


def _bounded(metas: tuple[Any, ...], lowest: float, highest: float) -> tuple[Any, ...]:
    if _bound(metas, "ge") is None and _bound(metas, "gt") is None:
        metas = (*metas, Meta(ge=lowest))
    if _bound(metas, "le") is None and _bound(metas, "lt") is None:
        metas = (*metas, Meta(le=highest))
    return metas


def _bound(metas: tuple[Any, ...], name: str) -> Any:
    return next((value for meta in metas if (value := getattr(meta, name, None)) is not None), None)


def _unwrapped(declared: Any) -> tuple[Any, tuple[Any, ...]]:
    if get_origin(declared) is not Annotated:
        return declared, ()
    base, *metas = get_args(declared)
    return base, tuple(metas)


def _annotated(base: Any, metas: tuple[Any, ...]) -> Any:
    return Annotated[(base, *metas)] if metas else base


def _shown(declared: Any) -> str:
    return getattr(declared, "__name__", str(declared)) if get_origin(declared) is None else str(declared)


def _refuse_odd_offset(value: Any) -> str | None:
    """Refuse what Neo4j has no zone for: the seconds of an offset, as before 1972, would be lost in ISO text."""
    for moment in value if isinstance(value, list) else [value]:
        if moment is None:
            continue
        offset = moment.utcoffset()
        if offset is None:
            return "has a time zone without an offset; give the offset: tzinfo=datetime.UTC"
        if abs(offset) > _LARGEST_OFFSET:
            return f"has an offset of {offset}, and Neo4j keeps up to 18 hours; convert it to UTC"
        if reason := odd_offset(moment):
            return reason
    return None


def _refuse_zone_of_key(value: Any) -> str | None:
    """Refuse keys of other zones than UTC: Neo4j takes one instant in two zones for two keys, and Python for one."""
    reason = _refuse_odd_offset(value)
    if reason or not value.utcoffset():
        return reason
    return f"has an offset of {value.utcoffset()}, and a key is in UTC, so that one instant is one key; convert it"
