"""Every type of column keeps what it is given, or refuses it: on the real server."""

from base64 import b64decode
from dataclasses import replace
from datetime import time
from decimal import Decimal
from operator import itemgetter

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy.dialects import mysql

from luigi_sinks import Origin, load
from luigi_sinks.errors import SinkError
from luigi_sinks.load import loading
from luigi_sinks.mariadb import MariaDBSink, parse_schema
from luigi_sinks.mariadb.query import Select

ORIGIN = Origin("types")
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
AWKWARD = st.sampled_from(
    ["null", "NULL", "\\N", "nul", "\f", "\x07", '"', "\\", "]\n[", ",null,", "true", "\x1a", "\r"]
)
ASCII = st.characters(min_codepoint=1, max_codepoint=127)
LATIN = st.characters(codec="cp1252", exclude_characters="\0")
OF_ONE_PLANE = st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"], exclude_characters="\0")
TEXTS = st.one_of(TEXT, st.lists(AWKWARD, max_size=4).map("".join))
SINGLES = st.floats(width=32, allow_nan=False, allow_infinity=False)
DOUBLES = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**64 - 1) | DOUBLES | TEXTS,
    lambda inner: st.lists(inner | st.none(), max_size=3) | st.dictionaries(TEXT, inner | st.none(), max_size=3),
    max_leaves=5,
)


def integers(bits):
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


KINDS = {
    "tinyint": (mysql.TINYINT(), integers(8)),
    "smallint": (sa.SmallInteger(), integers(16)),
    "mediumint": (mysql.MEDIUMINT(), integers(24)),
    "integer": (sa.Integer(), integers(32)),
    "bigint": (sa.BigInteger(), integers(64)),
    "tinyint_unsigned": (mysql.TINYINT(unsigned=True), st.integers(0, 2**8 - 1)),
    "smallint_unsigned": (mysql.SMALLINT(unsigned=True), st.integers(0, 2**16 - 1)),
    "mediumint_unsigned": (mysql.MEDIUMINT(unsigned=True), st.integers(0, 2**24 - 1)),
    "integer_unsigned": (mysql.INTEGER(unsigned=True), st.integers(0, 2**32 - 1)),
    "bigint_unsigned": (mysql.BIGINT(unsigned=True), st.integers(0, 2**64 - 1)),
    "boolean": (sa.Boolean(), st.booleans()),
    "string": (sa.String(12), TEXTS.filter(lambda text: len(text) <= 12)),
    "unicode": (sa.Unicode(12), TEXTS.filter(lambda text: len(text) <= 12)),
    "varchar": (mysql.VARCHAR(12), TEXTS.filter(lambda text: len(text) <= 12)),
    "varchar_latin1": (mysql.VARCHAR(12, charset="latin1"), st.text(LATIN, max_size=12)),
    "varchar_ascii": (
        mysql.VARCHAR(12, charset="ascii"),
        st.text(ASCII, max_size=12),
    ),
    "varchar_national": (mysql.VARCHAR(12, national=True), st.text(OF_ONE_PLANE, max_size=12)),
    "varchar_unicode": (mysql.VARCHAR(12, unicode=True), st.text(OF_ONE_PLANE, max_size=12)),
    "varchar_utf16": (mysql.VARCHAR(12, charset="utf16"), TEXTS.filter(lambda text: len(text) <= 12)),
    "varchar_utf32": (mysql.VARCHAR(12, charset="utf32"), TEXTS.filter(lambda text: len(text) <= 12)),
    "text_latin1": (mysql.TEXT(charset="latin1"), st.text(LATIN)),
    "integer_wide": (mysql.INTEGER(display_width=3), integers(32)),
    "decimal_unsigned": (mysql.DECIMAL(9, 2, unsigned=True), st.decimals(0, 9_999_999, places=2)),
    "float_unsigned": (mysql.FLOAT(unsigned=True), SINGLES.map(abs)),
    "double_unsigned": (mysql.DOUBLE(unsigned=True), DOUBLES.map(abs)),
    "char": (sa.CHAR(12), TEXTS.filter(lambda text: len(text) <= 12 and not text.endswith(" "))),
    "text": (sa.Text(), TEXTS),
    "text_of_length": (sa.Text(300), TEXTS.filter(lambda text: len(text) <= 300)),
    "tinytext": (mysql.TINYTEXT(), TEXTS.filter(lambda text: len(text.encode()) <= 255)),
    "mediumtext": (mysql.MEDIUMTEXT(), TEXTS),
    "longtext": (mysql.LONGTEXT(), TEXTS),
    "enum": (sa.Enum("a", "B c", "null", 'q"\\', name="kinds"), st.sampled_from(["a", "B c", "null", 'q"\\'])),
    "date": (sa.Date(), st.dates()),
    "datetime": (sa.DateTime(), st.datetimes().map(lambda moment: moment.replace(microsecond=0))),
    "datetime_6": (mysql.DATETIME(fsp=6), st.datetimes()),
    "time": (sa.Time(), st.times().map(lambda moment: moment.replace(microsecond=0))),
    "time_6": (mysql.TIME(fsp=6), st.times()),
    "numeric": (sa.Numeric(12, 3), st.decimals(Decimal(-999_999_999), Decimal(999_999_999), places=3)),
    "numeric_65": (sa.Numeric(65, 30), st.decimals(-(10**34), 10**34, places=30)),
    "numeric_default": (sa.Numeric(), st.integers(-(10**10) + 1, 10**10 - 1).map(Decimal)),
    "float": (sa.Float(), SINGLES),
    "float_53": (sa.Float(53), DOUBLES),
    "real": (sa.REAL(), DOUBLES),
    "double": (sa.Double(), DOUBLES),
    "blob": (sa.LargeBinary(), st.binary(max_size=40) | st.just(b64decode("AAAAnullAAAA"))),
    "tinyblob": (mysql.TINYBLOB(), st.binary(max_size=40)),
    "longblob": (mysql.LONGBLOB(), st.binary(max_size=40)),
    "varbinary": (sa.VARBINARY(9), st.binary(max_size=9)),
    "binary": (sa.BINARY(4), st.binary(min_size=4, max_size=4)),
    "json": (sa.JSON(), JSON),
    "uuid": (sa.Uuid(), st.one_of(st.uuids(version=version) for version in range(1, 6))),  # others MariaDB may refuse
}
ROWS = st.lists(st.fixed_dictionaries({name: st.none() | values for name, (_, values) in KINDS.items()}), max_size=8)


@pytest.fixture(scope="module")
def every_kind(settings):
    columns = [sa.Column("id", sa.Integer, primary_key=True)]
    columns += [sa.Column(name, kind) for name, (kind, _) in KINDS.items()]
    return MariaDBSink(settings, "every_kind", parse_schema("every_kind", columns))


@hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=ROWS)
def test_what_every_type_is_given_is_what_is_read(every_kind, rows):
    numbered = [{"id": number, **row} for number, row in enumerate(rows)]
    load(every_kind, "_all", ORIGIN, numbered, checks=(), listeners=())
    assert sorted(every_kind.read(every_kind.head("_all").version), key=itemgetter("id")) == numbered


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=ROWS)
def test_what_every_type_is_given_is_kept_by_a_copy_within_the_server(every_kind, rows):
    numbered = [{"id": number, **row} for number, row in enumerate(rows)]
    load(every_kind, "_all", ORIGIN, numbered, checks=(), listeners=())
    copied = replace(every_kind, dataset="every_kind_copied")
    select = Select(f"SELECT * FROM {every_kind.names.view}", (), {})
    with loading(copied, "_all", ORIGIN, checks=(), listeners=()) as writer:
        writer.make_part(lambda stage, number: stage.fill(number, select))
    assert sorted(copied.read(copied.head("_all").version), key=itemgetter("id")) == numbered


@pytest.mark.parametrize("kept", ["25:30:00", "-00:00:01", "24:00:00"])
def test_a_time_that_is_no_time_of_a_day_is_not_read_as_another(settings, ask, table, kept):
    columns = [sa.Column("id", sa.Integer, primary_key=True), sa.Column("at", sa.Time)]
    sink = MariaDBSink(settings, table, parse_schema(table, columns))
    load(sink, "_all", ORIGIN, [(1, time(5)), (2, None)])
    ask(f"UPDATE {sink.names.base} SET at = ? WHERE id = 1", kept)
    with pytest.raises(
        SinkError, match=r"column 'at' does not hold TIME, .* \(.* is no time of a day\); load the vers"
    ):
        list(sink.read(sink.head("_all").version))
