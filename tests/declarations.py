"""What users may declare on each store, drawn: names, types with their options, keys."""

import secrets
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from hypothesis import strategies as st
from msgspec import Meta
from sqlalchemy.dialects import mysql

from luigi_sinks.contract import Contract
from luigi_sinks.elasticsearch.schema import Schema as IndexSchema
from luigi_sinks.elasticsearch.schema import parse_schema as parse_index
from luigi_sinks.mariadb import parse_schema as parse_table
from luigi_sinks.mariadb.schema import Schema as TableSchema
from luigi_sinks.neo4j import Graph, Node
from luigi_sinks.sink import Sink
from tests.round_trips import FLOATS, JSON, OFFSETS, SINGLES, TEXTS, Declaration, Kind, as_json, from_text

WORDS = [
    "id",
    "from",
    "select",
    "ORDER",
    "a b",
    "x-y",
    "Größe",
    "f0",
    "@timestamp",
    "名前",
    "a'b",
    '"q"',
    "a,b",
    "%s",
    "$x",
    "__",
]
NAMES = st.sampled_from(WORDS) | st.from_regex(r"[a-z][a-z0-9]{0,9}", fullmatch=True)

DATE = from_text(date.fromisoformat)
DATETIME = from_text(datetime.fromisoformat)
TIME = from_text(time.fromisoformat)
DATES = st.dates() | st.dates().map(str)
DATETIMES = st.datetimes() | st.datetimes().map(str)
TIMES = st.times() | st.times().map(str)
WHOLE_DATETIMES = st.datetimes().map(lambda moment: moment.replace(microsecond=0))
WHOLE_TIMES = st.times().map(lambda moment: moment.replace(microsecond=0))
ZONED = st.datetimes(timezones=OFFSETS)
IN_UTC = st.datetimes(timezones=st.just(UTC))


def integers(bits: int, *, unsigned: bool = False) -> st.SearchStrategy[int]:
    return st.integers(0, 2**bits - 1) if unsigned else st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def texts(length: int) -> st.SearchStrategy[str]:
    return TEXTS.map(lambda text: text[:length])


def _numeric(precision: int, scale: int) -> Kind:
    highest = Decimal(10) ** (precision - scale) - 1
    values = st.decimals(-highest, highest, places=scale)
    return Kind(sa.Numeric(precision, scale), values | values.map(str), from_text(Decimal))


def _is_member(text: str) -> bool:
    return not text.endswith(" ") and max(text, default="") <= "\uffff"


@st.composite
def column_types(draw: Any) -> Kind:
    length, bits = draw(st.integers(1, 12)), draw(st.sampled_from([8, 16, 24, 32, 64]))
    unsigned, scale = draw(st.booleans()), draw(st.integers(0, 30))
    whole = {8: mysql.TINYINT, 16: mysql.SMALLINT, 24: mysql.MEDIUMINT, 32: mysql.INTEGER, 64: mysql.BIGINT}[bits]
    members = draw(st.lists(texts(9).filter(_is_member), min_size=1, max_size=3, unique=True))
    return draw(
        st.sampled_from(
            [
                Kind(whole(unsigned=unsigned), integers(bits, unsigned=unsigned)),
                Kind(sa.Boolean(), st.booleans()),
                Kind(sa.String(length), texts(length)),
                Kind(sa.CHAR(length), texts(length).map(lambda text: text.rstrip(" "))),
                Kind(draw(st.sampled_from([sa.Text(), mysql.LONGTEXT(), mysql.TINYTEXT()])), TEXTS),
                Kind(sa.Enum(*members, name="kinds", collation="utf8mb4_nopad_bin"), st.sampled_from(members)),
                Kind(sa.Date(), DATES, DATE),
                Kind(sa.DateTime(), WHOLE_DATETIMES | WHOLE_DATETIMES.map(str), DATETIME),
                Kind(mysql.DATETIME(fsp=6), DATETIMES, DATETIME),
                Kind(sa.Time(), WHOLE_TIMES | WHOLE_TIMES.map(str), TIME),
                Kind(mysql.TIME(fsp=6), TIMES, TIME),
                _numeric(min(65, scale + length), scale),
                Kind(sa.Float(), SINGLES | st.integers(-(2**24), 2**24), _single),
                Kind(sa.Double(), FLOATS | st.integers(-(2**53), 2**53)),
                Kind(sa.LargeBinary(), st.binary(max_size=40)),
                Kind(sa.VARBINARY(length), st.binary(max_size=length)),
                Kind(sa.BINARY(length), st.binary(min_size=length, max_size=length)),
                Kind(sa.JSON(), JSON),
                Kind(sa.Uuid(), st.uuids(version=4) | st.uuids(version=4).map(str), from_text(UUID)),
            ]
        )
    )


def _single(value: Any) -> Any:
    """Return what FLOAT keeps: 24 bits of a float."""
    return struct.unpack("<f", struct.pack("<f", value))[0] if isinstance(value, float) else value


def _index_types() -> st.SearchStrategy[Kind]:
    moments = DATES | DATETIMES.map(lambda value: str(value).replace(" ", "T")) | ZONED | st.integers(0, 2**40)
    points = st.tuples(st.floats(-90, 90), st.floats(-180, 180))
    flat = st.dictionaries(texts(9).filter(bool), texts(9) | st.integers() | FLOATS | st.lists(texts(9), max_size=3))

    def lists(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return values | st.lists(values | st.none(), max_size=3)

    whole = [Kind({"type": name}, lists(integers(bits)), as_json) for name, bits in (("byte", 8), ("short", 16))]
    whole += [Kind({"type": name}, lists(integers(bits)), as_json) for name, bits in (("integer", 32), ("long", 64))]
    leg = {"properties": {"no": {"type": "short"}, "at": {"type": "date"}}}
    legs = st.fixed_dictionaries({}, optional={"no": integers(16), "at": st.dates().map(str)})
    kinds = [
        *whole,
        Kind({"type": "double"}, lists(FLOATS | st.integers(-(2**53), 2**53)), as_json),
        Kind({"type": "float"}, lists(SINGLES), as_json),
        Kind({"type": "half_float"}, lists(st.floats(-60_000, 60_000, width=16)), as_json),
        Kind({"type": "boolean"}, lists(st.booleans()), as_json),
        Kind({"type": "keyword"}, lists(TEXTS), as_json),
        Kind({"type": "keyword", "ignore_above": 3, "doc_values": False}, lists(TEXTS), as_json),
        Kind({"type": "text", "index": False}, lists(TEXTS), as_json),
        Kind({"type": "date"}, moments, as_json),
        Kind({"type": "date", "format": "yyyy-MM-dd"}, st.dates(), as_json),
        Kind({"type": "date_nanos"}, st.datetimes(datetime(1970, 1, 2), datetime(2262, 1, 1)), as_json),
        Kind({"type": "ip"}, lists(st.ip_addresses().map(str)), as_json),
        Kind({"type": "geo_point"}, points.map(lambda point: {"lat": point[0], "lon": point[1]}), as_json),
        Kind({"type": "geo_point"}, points.map(lambda point: {"type": "Point", "coordinates": [point[1], point[0]]})),
        Kind(
            {"type": "binary"},
            st.binary(max_size=40),
            as_json,
        ),
        Kind({"type": "flattened"}, flat, as_json),
        Kind({"type": "long_range"}, st.integers(0, 99).map(lambda low: {"gte": low, "lt": low + 2}), as_json),
        Kind({"type": "long", "ignore_malformed": True}, lists(TEXTS | integers(64)), as_json),
        Kind({"type": "object", "enabled": False}, st.dictionaries(texts(9).filter(str.strip), JSON)),
        Kind({"type": "nested", **leg}, st.lists(legs, max_size=3), as_json),
        Kind(leg, legs, as_json),
    ]
    return st.sampled_from(kinds)


@st.composite
def property_types(draw: Any) -> Kind:
    length = draw(st.integers(1, 12))
    scalars = [
        Kind(int, integers(64)),
        Kind(Annotated[int, Meta(ge=-length, le=length)], st.integers(-length, length)),
        Kind(float, FLOATS | st.integers(-(2**53), 2**53)),
        Kind(str, TEXTS),
        Kind(Annotated[str, Meta(max_length=length)], texts(length)),
        Kind(bool, st.booleans()),
        Kind(date, DATES, DATE),
        Kind(datetime, DATETIMES, DATETIME),
        Kind(time, TIMES, TIME),
        Kind(Annotated[datetime, Meta(tz=True)], ZONED),
        Kind(Annotated[time, Meta(tz=True)], st.times(timezones=OFFSETS)),
    ]
    kind = draw(st.sampled_from([*scalars, Kind(bytes, st.binary(max_size=40))]))
    if kind in scalars and draw(st.booleans()):
        return Kind(
            list[kind.declared], st.lists(kind.drawn, max_size=3), lambda values: [kind.read(each) for each in values]
        )
    return kind


@dataclass(frozen=True)
class Tables:
    """Columns of MariaDB."""

    make: Callable[[str, TableSchema], Sink]

    kinds: ClassVar[Any] = column_types()
    keys: ClassVar[Any] = st.sampled_from(
        [
            Kind(sa.BigInteger(), integers(64)),
            Kind(sa.String(20, collation="utf8mb4_nopad_bin"), texts(20)),
            Kind(mysql.DATETIME(fsp=6), st.datetimes()),
            Kind(sa.Date(), st.dates()),
            Kind(sa.Numeric(20, 3), st.decimals(-(10**9), 10**9, places=3)),
            Kind(sa.Uuid(), st.uuids(version=4)),
            Kind(sa.VARBINARY(20), st.binary(max_size=20)),
        ]
    )
    names: ClassVar[Any] = NAMES

    def sink(self, declared: Declaration) -> Sink:
        columns = [
            sa.Column(name, kind.declared, primary_key=name == declared.key) for name, kind in declared.fields.items()
        ]
        name = f"trip_{secrets.token_hex(4)}"
        return self.make(name, parse_table(name, columns))


@dataclass(frozen=True)
class Indices:
    """Fields of Elasticsearch."""

    make: Callable[[str, IndexSchema], Sink]

    kinds: ClassVar[Any] = _index_types()
    keys: ClassVar[Any] = st.sampled_from(
        [Kind({"type": "keyword"}, TEXTS.filter(bool)), Kind({"type": "long"}, integers(64))]
    )
    names: ClassVar[Any] = NAMES.filter(lambda name: '"' not in name)

    def sink(self, declared: Declaration) -> Sink:
        name = f"trip_{secrets.token_hex(4)}"
        mapping = {"properties": {name: kind.declared for name, kind in declared.fields.items()}}
        return self.make(name, parse_index(name, mapping, {}, declared.key))


@dataclass(frozen=True)
class Graphs:
    """Properties of Neo4j."""

    make: Callable[[str, Graph], Sink]

    kinds: ClassVar[Any] = property_types()
    keys: ClassVar[Any] = st.sampled_from(
        [
            Kind(int, integers(64)),
            Kind(str, TEXTS),
            Kind(date, st.dates()),
            Kind(datetime, st.datetimes()),
            Kind(time, st.times()),
            Kind(Annotated[datetime, Meta(tz=True)], IN_UTC),
        ]
    )
    names: ClassVar[Any] = NAMES.filter(lambda name: not name.startswith("_"))

    def sink(self, declared: Declaration) -> Sink:
        properties = {
            name: kind.declared if name == declared.key else kind.declared | None
            for name, kind in declared.fields.items()
        }
        name = f"Trip{secrets.token_hex(4)}"
        return self.make(name, Graph([Node(name, declared.key, properties)]))


def contract_of(name: str, declared: Any) -> Contract:
    """Return the contract of a parsed declaration of any store."""
    if isinstance(declared, TableSchema):
        return Contract(name, {"": declared.shape})
    return declared.contract(name)
