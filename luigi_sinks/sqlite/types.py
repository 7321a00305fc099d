"""The names of fields' types, by which rows are read back without the columns, mapping or graph they came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args, get_origin
from uuid import UUID

import msgspec

from luigi_sinks.contract import Shape
from luigi_sinks.plain import is_flat

KEYS = "_keys"
"""Where a schema names the keys of its kinds of rows, beside their fields; no kind of any store is called so."""

COLUMNS = "_columns"
"""Where a schema has the columns in the words of the store that is stood in for, see `luigi_sinks.columns`."""

_TYPES: Mapping[str, Any] = {
    kind.__name__: kind for kind in (int, float, bool, str, bytes, date, datetime, time, timedelta, Decimal, UUID)
}


def described(shape: Shape) -> dict[str, str]:
    """Return the names of the fields' types; nothing for documents, which hold only what JSON has."""
    (row_type,) = get_args(shape.rows_type)
    if get_origin(row_type) is not tuple:
        return {}
    return dict(zip(shape.names, map(_type_name, get_args(row_type)), strict=True))


def _type_name(kind: Any) -> str:
    """Return the plain name of a field's type: bounds and None are checked when a row comes, not when it is read."""
    if get_origin(kind) is Annotated:
        return _type_name(get_args(kind)[0])
    if get_origin(kind) is Literal:
        return "str"
    if get_origin(kind) is list:
        return f"list {_type_name(get_args(kind)[0])}"
    plain = [each for each in get_args(kind) or (kind,) if each is not type(None)]
    if len(plain) == 1 and plain[0] is not kind:
        return _type_name(plain[0])
    return plain[0].__name__ if len(plain) == 1 and plain[0] in _TYPES.values() else "any"


def keys_type(shape: Shape) -> Any:
    """Return the type of a part's rows that leaves what is no key, and takes long to read, as it is.

    Rows without keys are read whole: they may refer to others.
    """
    keys, (row_type,) = set(shape.key).union(*shape.unique), get_args(shape.rows_type)
    if not keys or get_origin(row_type) is not tuple:
        return shape.rows_type
    kinds = zip(shape.names, get_args(row_type), strict=True)
    return list[tuple[tuple(kind if name in keys or is_flat(kind) else msgspec.Raw for name, kind in kinds)]]  # type: ignore[misc]  # made at run time


def decode(body: bytes, rows_type: Any) -> Any:
    """Return a part's rows. Raises msgspec.ValidationError if they are of another type."""
    if body.startswith(b"["):
        return msgspec.json.decode(body, type=rows_type)
    return msgspec.msgpack.decode(body, type=rows_type)  # of releases before 0.2


def typed(fields: Mapping[str, str] | None) -> tuple[Sequence[str], Any]:
    """Return the fields' names and the type of a part's rows; no names for rows that are whole as they are."""
    if not fields:
        return (), list[Any]
    return tuple(fields), list[tuple[tuple(map(_type_of, fields.values()))]]  # type: ignore[misc]  # made at run time


def _type_of(name: str) -> Any:
    kind, _, of = name.rpartition(" ")
    found = _TYPES.get(of, Any)
    return (list[found] if kind else found) | None if found is not Any else Any  # type: ignore[valid-type]  # as above
