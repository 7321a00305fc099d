"""The types of a mapping, as msgspec checks them.

A value that Elasticsearch would convert silently ("5" for an integer, "20130101" to an
instant in 1970) is refused. Types that are not listed are checked by the server.
"""

from __future__ import annotations

import ipaddress
import re
import sys
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from luigi_sinks.contract import Field
from luigi_sinks.kept import change_in_json, odd_offset

TERM_BYTES = 32_766
"""Lucene's longest term. Text that is longer only in bytes is refused by the server."""

ID_BYTES = 512
"""The longest `_id`."""

_ISO = r"\d{4}(-\d\d(-\d\d(T(\d\d(:\d\d(:\d\d([.,]\d{1,9})?)?)?)?(Z|[+-]\d\d(:?\d\d)?)?)?)?)?".replace(r"\d", "[0-9]")
_IS_ISO = re.compile(_ISO)


class Checked:
    """A value that msgspec has no type for; `refuse` says what is wrong with one.

    (Text of a pattern is one: msgspec 0.22 frees a pattern twice at exit.)
    """

    right: ClassVar[Checked]
    """The instance that msgspec gets for a right value; one is enough."""

    def __init_subclass__(cls) -> None:
        cls.right = cls()

    @staticmethod
    def refuse(value: Any) -> str | None:
        """Return a reason against the value, or None."""
        raise NotImplementedError

    @classmethod
    def check(cls, value: Any) -> None:
        """Raise ValueError for a wrong value; a list is right if each of its values is."""
        for one in value if isinstance(value, (list, tuple)) else (value,):
            if one is not None and (reason := cls.refuse(one)):
                raise ValueError(reason)


class IsoDate(Checked):
    """A date or time in the mapping's default format, or milliseconds since 1970."""

    @staticmethod
    def refuse(value: Any) -> str | None:
        """Refuse other values, and digits in quotes, which the server would read as milliseconds."""
        if isinstance(value, str):
            return (
                None if _IS_ISO.fullmatch(value) else f"{value[:40]!r} is not an ISO date, such as 2013-01-31T05:00:00Z"
            )
        return FormattedDate.refuse(value)


class FormattedDate(Checked):
    """A date in a format that the mapping sets."""

    @staticmethod
    def refuse(value: Any) -> str | None:
        """Refuse what is not text, a number or a date."""
        if isinstance(value, datetime):
            return odd_offset(value)
        right = isinstance(value, (str, int, date)) and not isinstance(value, bool)
        return None if right else f"Expected a date, got {type(value).__name__}"


class UnsignedLong(Checked):
    """An integer of 64 bits without a sign."""

    @staticmethod
    def refuse(value: Any) -> str | None:
        """Refuse other numbers and other types."""
        if not isinstance(value, int) or isinstance(value, bool):
            return f"Expected int, got {type(value).__name__}"
        return None if 0 <= value < 2**64 else f"Expected int from 0 to {2**64 - 1}"


class Ip(Checked):
    """An address of IPv4 or IPv6."""

    @staticmethod
    def refuse(value: Any) -> str | None:
        """Refuse what is not an address."""
        try:
            ipaddress.ip_address(value if isinstance(value, str) else repr(value))
        except ValueError:
            return f"{str(value)[:40]!r} is not an IP address"
        return None


class DocumentId(Checked):
    """Text that can be a document's `_id`."""

    @classmethod
    def check(cls, value: Any) -> None:
        """Refuse None and lists too."""
        if not isinstance(value, str):
            raise ValueError(f"Expected str, got {type(value).__name__}")  # noqa: TRY004 - msgspec locates this one
        if not 0 < len(value.encode("utf-8", "surrogatepass")) <= ID_BYTES:
            raise ValueError(f"must be 1 to {ID_BYTES} bytes long to be an id")


class Unchecked(Checked):
    """Any JSON that comes back as it is; the server checks the rest."""

    @classmethod
    def check(cls, value: Any) -> None:
        """Refuse what JSON would change."""
        if reason := change_in_json(value):
            raise ValueError(reason)


class Binary(Checked):
    """Bytes, or their base64 as text."""

    @staticmethod
    def refuse(value: Any) -> str | None:
        """Refuse other values."""
        return None if isinstance(value, (str, bytes)) else f"Expected bytes, got {type(value).__name__}"


def checked(kind: type[Checked], value: Any) -> Checked:
    """Check a value for msgspec, as its `dec_hook`."""
    kind.check(value)
    return kind.right


def _integer(bits: int) -> Any:
    return Annotated[int, Meta(ge=-(2 ** (bits - 1)), le=2 ** (bits - 1) - 1)]


def _floating(largest: float) -> Any:
    return Annotated[float, Meta(ge=-largest, le=largest)]


_INTEGERS = {"byte": _integer(8), "short": _integer(16), "integer": _integer(32), "long": _integer(64)}
_PLAIN: dict[str, Any] = {
    **_INTEGERS,
    "half_float": _floating(65_504.0),
    "float": _floating((2 - 2**-23) * 2.0**127),
    "double": Annotated[int, Meta(ge=-(2**53), le=2**53)] | _floating(sys.float_info.max),
    "scaled_float": _floating(sys.float_info.max),
    "boolean": bool,
    "text": str,
    "match_only_text": str,
    "wildcard": str,
    "unsigned_long": UnsignedLong,
    "ip": Ip,
    "binary": Binary,
}


def type_of(declaration: Mapping[str, Any]) -> Any:
    """Return the type of one value of a field."""
    kind = declaration.get("type", "object")
    if declaration.get("ignore_malformed") in {True, "true"}:
        return Unchecked  # the server takes any value, and does not index the wrong ones
    if kind == "keyword":
        return _keyword(declaration)
    if kind in {"date", "date_nanos"}:
        return FormattedDate if "format" in declaration else IsoDate
    if kind in {"object", "nested"}:
        return _object(declaration)
    return _PLAIN.get(kind, Unchecked)


def key_type(declaration: Mapping[str, Any]) -> Any:
    """Return the type of the field whose value is the document's id, or None if none can be."""
    kind = declaration.get("type")
    return DocumentId if kind == "keyword" else _INTEGERS.get(str(kind))


def column_field(name: str, declaration: Mapping[str, Any], *, is_key: bool) -> Field | None:
    """Return the field by which a column is looked at as a whole; None where each value has to be."""
    if is_key:
        kind = key_type(declaration)
        return Field(name, Annotated[str, Meta(min_length=1, max_length=ID_BYTES // 4)] if kind is DocumentId else kind)
    kind = type_of(declaration)
    if kind is IsoDate:
        return Field(name, date | datetime | str | None, IsoDate.refuse, refuse_column=_holds_other_dates)
    is_own = isinstance(kind, type) and issubclass(kind, (Checked, msgspec.Struct))
    return None if is_own or declaration.get("type") == "alias" else Field(name, _optional(kind))


def _holds_other_dates(column: Any) -> bool:
    return str(column.dtype) == "String" and not column.str.contains(f"^(?:{_ISO})$").all()


def holds_vectors(properties: Mapping[str, Any]) -> bool:
    """Tell whether any field, at any depth, is a vector."""
    return any(
        str(declaration.get("type")).endswith("_vector") or holds_vectors(declaration.get("properties", {}))
        for declaration in properties.values()
    )


def struct(name: str, fields: Mapping[str, Any], key: str = "") -> type[msgspec.Struct]:
    """Make a type for documents of these fields. All but the key may be left out, None, or a list."""
    members: list[Any] = []
    for number, (field, declaration) in enumerate(fields.items()):
        if field == key:
            members.append((f"f{number}", key_type(declaration)))
        elif declaration.get("type") != "alias":  # which is only read
            members.append((f"f{number}", _optional(type_of(declaration)), None))
    rename = {f"f{number}": field for number, field in enumerate(fields)}
    return msgspec.defstruct(name, members, rename=rename, forbid_unknown_fields=True, kw_only=True, gc=False)


def _optional(kind: Any) -> Any:
    if isinstance(kind, type) and issubclass(kind, Checked):
        return kind  # which sees None and lists itself
    return kind | list[kind | None] | None


def _keyword(declaration: Mapping[str, Any]) -> Any:
    is_term = declaration.get("index", True) or declaration.get("doc_values", True)
    return Annotated[str, Meta(max_length=TERM_BYTES)] if is_term and "ignore_above" not in declaration else str


def _object(declaration: Mapping[str, Any]) -> Any:
    is_strict = declaration.get("dynamic", "strict") == "strict"
    if declaration.get("properties") and declaration.get("enabled", True) and is_strict:
        return struct("Object", declaration["properties"])
    return Unchecked
