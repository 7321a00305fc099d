"""Frames that are sent by their columns, beside the same rows one by one."""

import datetime as dt
from decimal import Decimal
from functools import partial

import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import mysql

from luigi_sinks import columnar, frames
from luigi_sinks.contract import Contract
from luigi_sinks.elasticsearch.schema import parse_schema as parse_mapping
from luigi_sinks.errors import BadRow, CheckFailed
from luigi_sinks.mariadb import parse_schema
from luigi_sinks.mariadb.writer import encode, encode_frame
from luigi_sinks.writer import Writer
from tests.unit.test_writer import Stage, rows_of

NOON = dt.datetime.fromisoformat("2013-01-31T12:00:00")


def table(kind, *, optional=True):
    schema = parse_schema("d", [sa.Column("x", kind, nullable=optional)])
    return Contract("d", {"": schema.shape}, encode=partial(encode, schema), encode_frame=encode_frame)


def index(**declaration):
    return parse_mapping("d", {"x": declaration}, {}, None).contract("d")


def sent(contract, values, kind=None):
    return columnar.encoded(contract, "", pl.DataFrame({"x": pl.Series(values, dtype=kind)}))


WHOLE_NUMBERS = [0, -1, 127, 128, 255, 256, 32_767, 2**31 - 1, 2**31, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)]
FLOATS = [0.0, -0.0, 1.5, 1e300, -3.4e38, 3.5e38, float("nan"), float("inf")]
TEXTS = ["", "a", "ab ", "abc", "abcd", "üüü", "🛫🛫🛫", 'a"b', "\\N", "NULL", "null", "\n", "\0", "x" * 300]
TEXTS += ["2013-01-31", "2013-01-31T05:00:00Z", "2013-01-31\n", "20130131", "٢٠١٣-01-31"]
DATES = [dt.date(1, 1, 1), dt.date(2013, 1, 31), dt.date(9999, 12, 31)]
TIMES = [NOON, NOON.replace(microsecond=1), NOON.replace(microsecond=500_000), dt.datetime.min, dt.datetime.max]
TIMES_OF_DAY = [dt.time(0), dt.time(23, 59, 59, 999_999), dt.time(5, 0, 0, 500_000)]
DECIMALS = [Decimal("0.00"), Decimal("12.50"), Decimal("-0.01"), Decimal("999.99"), Decimal("1000.00")]
COLUMNS = [
    *((WHOLE_NUMBERS, pl.Int64), ([0, 1, 127], pl.Int8), ([0, 2**64 - 1], pl.UInt64)),
    *((FLOATS, pl.Float64), ([0.1, 1.5], pl.Float32), ([True, False], pl.Boolean)),
    *((TEXTS, pl.String), (["a", "b"], pl.Categorical), (["a", "ab"], pl.Enum(["a", "ab"]))),
    *((DATES, pl.Date), (TIMES, pl.Datetime("us")), ([NOON], pl.Datetime("ms")), ([NOON], pl.Datetime("ns"))),
    *(([NOON.replace(tzinfo=dt.UTC)], pl.Datetime("us", "UTC")), ([NOON], pl.Datetime("us", "Asia/Tokyo"))),
    *((TIMES_OF_DAY, pl.Time), (DECIMALS, pl.Decimal(10, 2)), ([Decimal("1.234")], pl.Decimal(10, 3))),
    *(([[1, 2], [], [None], [2**40]], pl.List(pl.Int64)), ([["a"], [None]], pl.List(pl.String))),
    *(([["x" * 40_000]], pl.List(pl.String)), ([[0.1]], pl.List(pl.Float32)), ([[[1]]], pl.List(pl.List(pl.Int64)))),
    *(([b"a"], pl.Binary), ([{"a": 1}], pl.Struct({"a": pl.Int64}))),
    ([None], pl.Null),
]
TABLES = [
    *(sa.SmallInteger(), sa.Integer(), sa.BigInteger(), mysql.TINYINT(unsigned=True), mysql.BIGINT(unsigned=True)),
    *(sa.Double(), mysql.FLOAT(), mysql.DOUBLE(unsigned=True), sa.Boolean(), sa.Numeric(5, 2), sa.Numeric(5, 0)),
    *(mysql.NUMERIC(5, 2, unsigned=True), sa.String(3), sa.CHAR(3), sa.Text(), mysql.TINYTEXT(), sa.Enum("a", "ab")),
    *(sa.Date(), sa.DateTime(), mysql.DATETIME(fsp=6), mysql.DATETIME(fsp=1), mysql.TIME(fsp=6), mysql.TIME(fsp=1)),
    *(sa.LargeBinary(), sa.JSON(), sa.Uuid()),
]
MAPPINGS = ["byte", "short", "integer", "long", "unsigned_long", "half_float", "float", "double", "boolean"]
MAPPINGS += ["keyword", "text", "date", "ip", "binary", "object"]
CONTRACTS = [
    *(table(kind) for kind in TABLES),
    *(table(kind, optional=False) for kind in TABLES),
    *(index(type=kind) for kind in MAPPINGS),
    index(type="date", format="epoch_millis"),
]


@st.composite
def columns(draw):
    values, kind = draw(st.sampled_from(COLUMNS))
    return pl.Series("x", draw(st.lists(st.sampled_from(values) | st.none(), max_size=4)), dtype=kind)


@given(st.sampled_from(CONTRACTS), columns())
def test_a_column_is_sent_only_if_the_contract_takes_each_of_its_values(contract, column):
    frame = column.to_frame()
    text = columnar.encoded(contract, "", frame)
    if text is not None:
        rows = list(frames.rows(frame, ["x"]))
        accepted, by_rows = contract.accept("", rows, 1)
        assert len(accepted) == frame.height
        if contract.encode_frame is not encode_frame:
            assert [msgspec.json.decode(line) for line in text.splitlines()] == [
                msgspec.json.decode(line) for line in by_rows.splitlines()
            ]


@pytest.mark.parametrize(
    ("kind", "values", "type_"),
    [
        (sa.SmallInteger(), [1, None], pl.Int64),
        (mysql.BIGINT(unsigned=True), [2**64 - 1], pl.UInt64),
        (sa.Double(), [1.5, None], pl.Float64),
        (sa.Double(), [1, None], pl.Int64),
        (mysql.FLOAT(), [1.5], pl.Float32),
        (sa.Boolean(), [True, None], pl.Boolean),
        (sa.Numeric(5, 2), DECIMALS[:4], pl.Decimal(38, 2)),
        (sa.Numeric(5, 2), [999], pl.Int64),
        (sa.String(3), ["üüü", None], pl.String),
        (sa.String(3), ["a", "b", "a"], pl.Categorical),
        (sa.CHAR(3), ["a b"], pl.String),
        (sa.Text(), ["x" * 300], pl.String),
        (sa.Enum("a", "ab"), ["ab", None], pl.String),
        (sa.Date(), DATES, pl.Date),
        (sa.DateTime(), [NOON], pl.Datetime("ns")),
        (mysql.DATETIME(fsp=6), TIMES, pl.Datetime("us")),
        (mysql.TIME(fsp=6), TIMES_OF_DAY, pl.Time),
        (sa.Integer(), [None], pl.Null),
    ],
)
def test_a_column_of_a_common_type_is_sent_as_a_whole(kind, values, type_):
    assert sent(table(kind), values, type_) is not None


@pytest.mark.parametrize(
    ("kind", "values", "type_"),
    [
        ("integer", [1, None], pl.Int64),
        ("double", [1.5, 2.0], pl.Float32),
        ("boolean", [True], pl.Boolean),
        ("keyword", ["a", None], pl.Categorical),
        ("date", DATES, pl.Date),
        ("date", TIMES, pl.Datetime("us")),
        ("date", [NOON.replace(tzinfo=dt.UTC)], pl.Datetime("us", "UTC")),
        ("keyword", [["a", None], [], None], pl.List(pl.String)),
        ("integer", [[1, 2]], pl.List(pl.Int64)),
        ("date", ["2013-01-31", "2013-01-31T05:00:00.123Z", None], pl.String),
    ],
)
def test_a_field_of_a_common_type_is_sent_as_a_whole(kind, values, type_):
    assert sent(index(type=kind), values, type_) is not None


def test_the_first_bad_value_of_a_frame_is_named_behind_others():
    stage, contract = Stage(), table(sa.SmallInteger(), optional=False)
    good, bad = pl.DataFrame({"x": range(5)}), pl.DataFrame({"x": [1, None, 40_000]})
    with pytest.raises(BadRow, match="row 8, field 'x'"), Writer(stage, contract) as writer:
        writer.write(good)
        writer.write((7,))
        writer.write(bad)


def test_frames_and_rows_come_in_the_order_in_which_they_were_given():
    stage, contract = Stage(), table(sa.Integer())
    with Writer(stage, contract) as writer:
        writer.write(pl.DataFrame({"x": [1, 2]}))
        writer.write((3,))
        writer.write(pl.DataFrame({"x": [4]}))
        writer.write(pl.DataFrame({"x": [5]}))
    assert rows_of(stage) == [(1,), (2,), (3,), (4,), (5,)]
    parts = sorted(stage.parts, key=lambda part: part.number)
    assert [(part.first_row, len(part.rows), part.of_frames) for part in parts] == [
        (1, 2, True),
        (3, 1, False),
        (4, 2, True),
    ]
    assert writer.rows == 5


def test_a_stream_of_arrow_is_read_while_it_is_written():
    schema = pa.schema({"x": pa.int64()})
    stage, kept = Stage(), []

    def batches():
        for number in range(40):
            kept.append(len(stage.parts))
            yield pa.record_batch({"x": [number * 20_000 + row for row in range(20_000)]}, schema)

    with Writer(stage, table(sa.Integer())) as writer:
        writer.write(pa.RecordBatchReader.from_batches(schema, batches()))
    assert kept[-1] >= 5
    assert sum(len(part.rows) for part in stage.parts) == 800_000


def test_a_data_frame_of_pandas_that_changes_later_changes_no_row():
    values = np.array([[1], [2], [3]])
    stage = Stage()
    with Writer(stage, table(sa.Integer())) as writer:
        writer.write(pd.DataFrame(values, columns=["x"], copy=False))
        values[:] = 9
    assert rows_of(stage) == [(1,), (2,), (3,)]
    assert stage.parts[0].text == b"1\n2\n3\n"


def test_an_empty_frame_makes_no_part():
    stage = Stage()
    with Writer(stage, table(sa.Integer())) as writer:
        writer.write(pl.DataFrame({"x": []}, schema={"x": pl.Int64}))
    assert not stage.parts


def written(contract, *given):
    """Return the parts that the given rows and frames make, in order."""
    stage = Stage()
    with Writer(stage, contract) as writer:
        writer.write_all(given)
    return sorted(stage.parts, key=lambda part: part.number)


def refused(contract, frame):
    with pytest.raises((BadRow, CheckFailed)) as caught:
        written(contract, frame)
    return str(caught.value)


def test_decimals_of_64_bits_of_arrow_are_read_as_what_they_are():
    numbers = [Decimal("1.50"), Decimal("2.50"), Decimal("3.25")]
    arrow = pa.table({"x": pa.array(numbers, pa.decimal64(10, 2)), "b": pa.array([b"q"] * 3)})
    schema = parse_schema("d", [sa.Column("x", sa.Numeric(38, 2)), sa.Column("b", sa.LargeBinary())])
    contract = Contract("d", {"": schema.shape}, encode=partial(encode, schema), encode_frame=encode_frame)
    for frame in (arrow, arrow.to_batches()[0]):
        (part,) = written(contract, frame)
        assert [row[0] for row in part.rows] == numbers


@pytest.mark.parametrize("change", ["cell", "longer", "renamed"])
def test_a_frame_that_changes_after_it_was_written_changes_no_row(change):
    contract, frame = index(type="integer"), pl.DataFrame({"x": [1, 2]})
    stage = Stage()
    with Writer(stage, contract) as writer:
        writer.write(frame)
        if change == "cell":
            frame[0, "x"] = 99
        elif change == "longer":
            frame.extend(pl.DataFrame({"x": [3]}))
        else:
            frame.columns = ["y"]
    (part,) = stage.parts
    assert (len(part.rows), list(part.rows.values("x")), list(part.rows)) == (2, [1, 2], [{"x": 1}, {"x": 2}])


def test_an_array_below_a_frame_that_changes_changes_no_row():
    values = np.array([1, 2, 3])
    stage = Stage()
    with Writer(stage, table(sa.Integer())) as writer:
        writer.write(pa.table({"x": values}))
        values[:] = 9
    assert rows_of(stage) == [(1,), (2,), (3,)]


def test_what_gives_the_rows_may_write_some_itself():
    stage = Stage()

    def rows():
        for number in range(2_000):
            if number == 3:
                writer.write(pl.DataFrame({"x": [-1, -2]}))
            yield (number,)

    with Writer(stage, table(sa.Integer())) as writer:
        writer.write_all(rows())
    assert [row[0] for row in rows_of(stage)] == [0, 1, 2, -1, -2, *range(3, 2_000)]


def test_an_iterator_that_has_ended_is_not_asked_again():
    class Ends:
        left = 2

        def __iter__(self):
            return self

        def __next__(self):
            self.left -= 1
            if self.left == 0:
                raise StopIteration
            return (1,)

    stage = Stage()
    with Writer(stage, table(sa.Integer())) as writer:
        writer.write_all(Ends())
    assert rows_of(stage) == [(1,)]


@pytest.mark.parametrize("contract", [table(sa.Date()), index(type="date")])
def test_a_day_beyond_all_calendars_is_refused_by_name(contract):
    far = pa.table({"x": pa.array([0, 2**31 - 1], pa.int32()).cast(pa.date32())})
    assert "row 2, field 'x': holds a value that Python cannot keep" in refused(contract, far)


def test_numbers_that_polars_cannot_compute_with_are_refused_by_name():
    large = pl.DataFrame({"x": pl.Series([17 * 10**37], dtype=pl.Int128)})
    assert "row 1, field 'x': has more than 38 digits" in refused(table(sa.Numeric(38, 0)), large)
    fine = pl.DataFrame({"x": pl.Series([Decimal("0." + "65" * 19)], dtype=pl.Decimal(38, 38))})
    assert "row 1, field 'x': has more than 0 digits" in refused(table(sa.Numeric(5, 0)), fine)


def test_a_stream_that_fails_does_not_tell_values():
    schema = pa.schema({"x": pa.int64()})

    def batches():
        yield pa.record_batch({"x": [1]}, schema)
        raise RuntimeError("secret value")

    said = refused(table(sa.Integer()), pa.RecordBatchReader.from_batches(schema, batches()))
    assert "a data frame cannot be read" in said
    assert "secret" not in said


def test_a_series_of_structs_is_one_column():
    (part,) = written(table(sa.JSON()), pl.Series("x", [{"a": 1}]))
    assert part.text == b'["{\\"a\\":1}"]\n'


@pytest.mark.parametrize(
    "frame", [pl.DataFrame(height=2), pd.DataFrame(index=range(2)), pa.table({"x": [1]}).select([])]
)
def test_a_frame_without_columns_makes_no_part(frame):
    assert written(index(type="integer"), frame) == []


def test_large_rows_behind_a_frame_are_measured_from_the_first_on():
    stage, contract = Stage(), table(sa.Text())
    with Writer(stage, contract) as writer:
        for number in range(495):
            writer.write((str(number),))
        writer.write(pl.DataFrame({"x": ["a"]}))
        for _ in range(300):
            writer.write(("x" * 60_000,))
    assert max(len(part.text) for part in stage.parts) < 6_000_000
