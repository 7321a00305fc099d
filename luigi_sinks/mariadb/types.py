"""How the values of each type of column are checked and sent.

A value that would not come back as it was given is refused: nothing is rounded, cut or
padded. The one exception is a float in a FLOAT column, which keeps 24 bits of it.
"""

from __future__ import annotations

import re
import struct
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from decimal import Decimal
from functools import partial, singledispatch
from operator import attrgetter, methodcaller
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from luigi_sinks.errors import BadSetting, NotInstalled
from luigi_sinks.kept import as_json
from luigi_sinks.mariadb.names import beyond

try:
    import sqlalchemy as sa
    from sqlalchemy.dialects import mysql
except ImportError as missing:
    raise NotInstalled("mariadb", missing) from missing

_BITS = {"TINYINT": 8, "SMALLINT": 16, "MEDIUMINT": 24, "INTEGER": 32, "BIGINT": 64}
_BITS |= {"small_integer": 16, "integer": 32, "big_integer": 64}
_BYTES = {"TINYTEXT": 2**8, "MEDIUMTEXT": 2**24, "LONGTEXT": 2**32, "TINYBLOB": 2**8, "MEDIUMBLOB": 2**24}
_BYTES |= {"LONGBLOB": 2**32}
_CHARSETS = {"", "utf8mb4", "utf8mb3", "utf8", "utf16", "utf16le", "utf32", "ucs2", "latin1", "ascii"}
"""Character sets from which text comes back as it was given, or MariaDB refuses it."""
_SINGLE_PRECISION = 24
_LARGEST_SINGLE = struct.unpack("<f", b"\xff\xff\x7f\x7f")[0]
_LARGEST_DOUBLE = struct.unpack("<d", b"\xff\xff\xff\xff\xff\xff\xef\x7f")[0]
_NO_JSON = "is None; give JSON, or declare the column nullable"
_CONTROL = re.compile(r"[\0-\x1f]")
_MICROSECOND, _ENDS_IN_SPACE = attrgetter("microsecond"), methodcaller("endswith", " ")
_AS_IN_JSON = frozenset("\b\t\n\r")
_SPELLING = str.maketrans({"\\": r"\\", '"': r"\""})


@dataclass(frozen=True)
class Codec:
    """One type of column.

    `type` is what msgspec checks, and `refuse` gives a reason against a value that
    msgspec accepts. Values travel as JSON; `spell` changes those of a column whose JSON
    the server would read as something else. `load` turns what the server read into the
    column's value in SQL. `take`, `refuse_column` and `admit` are those of the contract's field.
    `luigi_sinks.mariadb.reader` reads the values back.
    """

    type: Any
    refuse: Callable[[Any], str | None] | None = None
    spell: Callable[[Sequence[Any]], Sequence[Any]] | None = None
    load: str = ""
    take: Callable[[Any], Any] | None = None
    refuse_column: Callable[[Any], bool] | None = None
    admit: Callable[[Iterable[Any]], bool] | None = None

    def optional(self) -> Codec:
        """Return the codec for a column of this type that may be NULL."""
        refuse = self.refuse
        return replace(
            self,
            type=self.type | None,
            refuse=refuse and (lambda given: None if given is None else refuse(given)),
        )


@singledispatch
def codec(kind: Any) -> Codec:
    """Return the codec for a type of SQLAlchemy; raises BadSetting if there is none."""
    raise BadSetting(f"columns of type {kind!r} are not supported")


@codec.register
def _(kind: sa.Integer) -> Codec:
    bits = _BITS[kind.__visit_name__]
    if not getattr(kind, "unsigned", False):
        return Codec(Annotated[int, Meta(ge=-(2 ** (bits - 1)), le=2 ** (bits - 1) - 1)])
    if bits < 64:  # noqa: PLR2004 - what msgspec's bounds can hold
        return Codec(Annotated[int, Meta(ge=0, le=2**bits - 1)])
    return Codec(
        int,
        refuse=lambda value: None if 0 <= value < 2**64 else "must be from 0 to 2**64 - 1",
        refuse_column=lambda column: (column.min() or 0) < 0 or (column.max() or 0) >= 2**64,
    )


@codec.register
def _(kind: sa.Boolean) -> Codec:
    del kind
    return Codec(bool, load="{} = 'true'")


@codec.register(sa.Float)
def _(kind: Any) -> Codec:
    if getattr(kind, "scale", None) is not None:
        raise BadSetting(f"{kind!r} rounds what it is given; use Double or Numeric")
    is_unsigned = getattr(kind, "unsigned", False)
    if kind.__visit_name__ in {"float", "FLOAT"} and (kind.precision or 0) <= _SINGLE_PRECISION:
        whole: Any = Annotated[int, Meta(ge=0)] if is_unsigned else int
        return Codec(whole | _up_to(_LARGEST_SINGLE, is_unsigned), _is_rounded, refuse_column=_holds_integers)
    return Codec(_up_to(_LARGEST_DOUBLE, is_unsigned))


def _up_to(largest: float, is_unsigned: bool) -> Any:
    return Annotated[float, Meta(ge=0 if is_unsigned else -largest, le=largest)]


def _is_rounded(value: float) -> str | None:
    """Refuse a whole number that FLOAT would round; who gives a float knows what FLOAT keeps."""
    if not isinstance(value, int):
        return None
    try:
        kept = struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        kept = None
    return None if kept == value else "is an int that FLOAT, of 24 bits, cannot hold; declare Double or BigInteger"


def _holds_integers(column: Any) -> bool:
    return bool(column.dtype.is_integer())


@codec.register(sa.Numeric)
def _(kind: Any) -> Codec:
    precision, scale = kind.precision or 10, kind.scale or 0
    limits = precision - scale, scale, bool(getattr(kind, "unsigned", False))
    return Codec(Decimal, partial(_does_not_fit, *limits), refuse_column=partial(_some_do_not_fit, *limits))


def _does_not_fit(before: int, after: int, unsigned: bool, value: Decimal) -> str | None:
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        return "is not a finite number"
    if value and value.adjusted() >= before:
        return f"has more than {before} digits before the point"
    if exponent < -after and any(digits[exponent + after :]):
        return f"has more than {after} digits after the point and would be rounded"
    return "is negative" if unsigned and value < 0 else None


def _some_do_not_fit(before: int, after: int, unsigned: bool, column: Any) -> bool:
    """Tell whether a column of decimals may hold one that does not fit, by the column's own scale."""
    least, most = column.min(), column.max()
    if least is None:
        return False
    is_finer = column.dtype.scale > after and (column.round(after) != column).any()
    return bool(is_finer or max(-least, most) >= 10**before or (unsigned and least < 0))


@codec.register
def _(kind: sa.String) -> Codec:
    if kind.length is None:
        raise BadSetting("a String needs its length: String(20); or use Text")
    _refuse_charset(kind)
    return Codec(Annotated[str, Meta(max_length=kind.length)], spell=_awkward_text)


@codec.register
def _(kind: sa.CHAR | sa.NCHAR) -> Codec:
    _refuse_charset(kind)
    refuse = lambda value: "ends in a space, which CHAR does not keep" if value.endswith(" ") else None  # noqa: E731
    return Codec(
        Annotated[str, Meta(max_length=kind.length or 1)],
        refuse,
        _awkward_text,
        refuse_column=lambda column: column.str.ends_with(" ").any(),
        admit=lambda values: not any(map(_ENDS_IN_SPACE, values)),
    )


def _refuse_charset(kind: Any) -> None:
    charset = _charset(kind)
    if charset == "binary":
        raise BadSetting(f"{kind!r} keeps bytes, not text; declare VARBINARY or LargeBinary")
    if charset not in _CHARSETS:
        raise BadSetting(f"text may come back from {charset} as another one; declare charset='utf8mb4'")


def _charset(kind: Any) -> str:
    """Return the character set that a type of text names, empty for that of its table."""
    named = getattr(kind, "charset", None) or str(getattr(kind, "collation", None) or "").partition("_")[0]
    others = {"national": "utf8mb3", "ascii": "latin1", "unicode": "ucs2"}
    return str(named or next((others[flag] for flag in others if getattr(kind, flag, False)), "")).casefold()


@codec.register
def _(kind: mysql.SET) -> Codec:
    del kind
    raise BadSetting("columns of type SET are not supported; use JSON, or a table of pairs")


@codec.register(sa.Text)
@codec.register(mysql.TINYTEXT)
@codec.register(mysql.MEDIUMTEXT)
@codec.register(mysql.LONGTEXT)
def _(kind: Any) -> Codec:
    _refuse_charset(kind)
    if kind.length is not None:
        return Codec(Annotated[str, Meta(max_length=kind.length)], spell=_awkward_text)
    limit = _BYTES.get(kind.__visit_name__, 2**16)
    some_are_too_long = lambda column: (column.str.len_bytes() >= limit).any()  # noqa: E731
    return Codec(
        str,
        partial(_is_too_long, limit),
        _awkward_text,
        refuse_column=some_are_too_long,
        admit=lambda values: 4 * max(map(len, values), default=0) < limit,
    )


def _is_too_long(limit: int, value: str) -> str | None:
    if len(value) * 4 < limit or len(value.encode("utf-8", "replace")) < limit:
        return None
    return f"is longer than {limit - 1} bytes"


@codec.register
def _(kind: sa.Enum) -> Codec:
    if kind.enum_class is not None:
        raise BadSetting("an Enum of a class is not supported; list its texts: Enum('a', 'b')")
    charset = _charset(kind)
    for member in kind.enums:
        if member.endswith(" "):
            raise BadSetting(f"MariaDB cuts the spaces at the end of the Enum's {member!r}; remove them, or use String")
        if replaced := beyond(member):
            raise BadSetting(f"MariaDB shows ? for {replaced} in an Enum, so it cannot change later; use String")
        if charset not in {"", "utf8mb4"} and not member.isascii():
            raise BadSetting(f"MariaDB may store ? for the Enum's {member!r} in {charset}; declare charset='utf8mb4'")
    return Codec(Literal[tuple(kind.enums)], spell=_awkward_text)


@codec.register(sa.LargeBinary)
@codec.register(sa.VARBINARY)
@codec.register(mysql.TINYBLOB)
@codec.register(mysql.MEDIUMBLOB)
@codec.register(mysql.LONGBLOB)
def _(kind: Any) -> Codec:
    longest = kind.length or _BYTES.get(kind.__visit_name__, 2**16) - 1
    return _binary(Meta(max_length=longest))


@codec.register
def _(kind: sa.BINARY) -> Codec:
    length = kind.length or 1
    return _binary(Meta(min_length=length, max_length=length))  # a shorter one would be padded


def _binary(length: Meta) -> Codec:
    return Codec(Annotated[bytes, length], spell=_spelled_bytes, load="FROM_BASE64({})")


def _spelled_bytes(values: Sequence[Any]) -> Sequence[Any]:
    """Send base64 as text: it may contain `null`, which the whole must not."""
    return _awkward_text([None if value is None else b64encode(value).decode() for value in values])


@codec.register
def _(kind: sa.Date) -> Codec:
    del kind
    return Codec(date)


@codec.register
def _(kind: sa.DateTime) -> Codec:
    if kind.timezone:
        raise BadSetting("MariaDB keeps no time zone; use DateTime() and give naive times, of UTC for example")
    return _without_finer(kind, Annotated[datetime, Meta(tz=False)])


@codec.register
def _(kind: sa.Time) -> Codec:
    if kind.timezone:
        raise BadSetting("MariaDB keeps no time zone; use Time() and give naive times")
    return _without_finer(kind, Annotated[time, Meta(tz=False)])


@codec.register
def _(kind: sa.TIMESTAMP) -> Codec:
    raise BadSetting(f"{kind!r} shifts with each session's time zone and ends in 2038; use DateTime()")


def _without_finer(kind: Any, type_: Any) -> Codec:
    """Refuse fractions of a second that the column does not keep; the server would cut them off."""
    digits = getattr(kind, "fsp", None) or 0
    if digits >= 6:  # noqa: PLR2004 - microseconds, which is all that Python has
        return Codec(type_)
    step = 10 ** (6 - digits)
    reason = (
        f"has fractions of a second, of which the column keeps {digits} digits; "
        f"declare sqlalchemy.dialects.mysql.{type(kind).__name__.upper()}(fsp=6)"
    )
    return Codec(
        type_,
        refuse=lambda value: reason if value.microsecond % step else None,
        refuse_column=lambda column: bool((column.dt.microsecond() % step).max()),
        admit=lambda values: not any(map(_MICROSECOND, values)),
    )


@codec.register
def _(kind: sa.JSON) -> Codec:
    del kind
    return Codec(Any, lambda value: _NO_JSON if value is None else None, _spelled_json, take=as_json)


def _spelled_json(values: Sequence[Any]) -> Sequence[Any]:
    return _awkward_text([None if value is None else bytes(value).decode() for value in values])


@codec.register(sa.Uuid)
def _(kind: Any) -> Codec:
    if not kind.native_uuid:
        raise BadSetting("a Uuid must be native: Uuid()")
    if not kind.as_uuid:
        raise BadSetting("a Uuid of text is not supported; use Uuid(), which takes text too")
    return Codec(uuid.UUID)


def _awkward_text(values: Sequence[Any]) -> Sequence[Any]:
    r"""Return a column of text, spelled out in the form that LOAD DATA reads if its JSON is not that.

    The server takes `\f` for an f and `\u0007` for u0007, and `null` becomes NULL
    on its way. It takes control characters as they are, and any other letter
    behind a backslash for itself: `nul\l`.
    """
    whole = "".join(filter(None, values))
    if "null" not in whole and (whole.isprintable() or _AS_IN_JSON.issuperset(_CONTROL.findall(whole))):
        return values
    return [msgspec.Raw(b"NULL" if value is None else _spelled(value)) for value in values]


def _spelled(value: str) -> bytes:
    return f'"{value.translate(_SPELLING)}"'.replace("null", r"nul\l").encode()
