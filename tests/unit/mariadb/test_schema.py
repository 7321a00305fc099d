import pickle
from enum import Enum

import pytest
import sqlalchemy as sa
from sqlalchemy import Column, Integer, String
from sqlalchemy.dialects import mysql

from luigi_sinks import BadSetting, Version
from luigi_sinks.mariadb import MariaDBSettings, MariaDBSink, MariaDBStage, MariaDBTarget, parse_schema

ID = Column("id", Integer, primary_key=True)


class Colour(Enum):
    RED = 1


class OfMyOwn(sa.TypeDecorator):
    impl = String
    cache_ok = True


UNSUPPORTED = [
    sa.TIMESTAMP(),
    sa.DateTime(timezone=True),
    sa.Time(timezone=True),
    sa.Interval(),
    sa.PickleType(),
    sa.Uuid(native_uuid=False),
    sa.Uuid(as_uuid=False),
    sa.Enum(Colour),
    sa.Enum("S ", "XL"),
    sa.Enum("S", "XL  "),
    sa.Enum("   "),
    sa.ARRAY(Integer),
    sa.String(),
    sa.types.NullType(),
    mysql.YEAR(),
    mysql.BIT(4),
    mysql.SET("a", "b"),
    mysql.FLOAT(10, 2),
    mysql.DOUBLE(10, 2),
    mysql.TIMESTAMP(),
    OfMyOwn(20),
]


@pytest.mark.parametrize("kind", UNSUPPORTED, ids=repr)
def test_a_type_that_is_not_supported_is_refused_with_its_column(kind):
    with pytest.raises(BadSetting, match="table 'flights': column 'odd': "):
        parse_schema("flights", [ID, Column("odd", kind)])


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ([], "must be SQLAlchemy's"),
        (None, "must be SQLAlchemy's"),
        ([(["id", Integer], {"primary_key": True})], "must be SQLAlchemy's"),
        ([Column("_SEQ", Integer)], "'_SEQ': the name is reserved"),
        ([Column("a", Integer), Column("A", Integer)], "declared twice"),
        ([Column("a", Integer, sa.Computed("1"))], "nothing to load"),
        ([Column("c" * 65, Integer)], "has 65 characters; MariaDB takes at most 64"),
        ([Column("ends ", Integer)], "does not allow this name"),
        ([Column("smile 😀", Integer)], "does not allow this name"),
        ([ID, Column("plane", String(9), sa.ForeignKey("planes.tail"))], "'plane' has a foreign key to planes.tail"),
        ([ID, Column("n", Integer, sa.CheckConstraint("n > 0"))], r"CHECK \(n > 0\) is not supported"),
        (sa.Table("t", sa.MetaData(), Column("n", Integer), sa.CheckConstraint("n > 0")), "is not supported"),
        (sa.Table("t", sa.MetaData(), Column("n", String(9)), sa.Index("i", sa.text("lower(n)"))), "on an expression"),
    ],
)
def test_columns_that_cannot_work_are_refused(columns, complaint):
    with pytest.raises(BadSetting, match=complaint):
        parse_schema("flights", columns)


def test_the_same_columns_serve_any_number_of_tables():
    first, second = (MariaDBTarget(name, columns=[ID], update_id="x") for name in ("a", "b"))
    assert first.contract.shapes[""].key == second.contract.shapes[""].key == ("id",)
    assert ID.table is None


def test_the_version_comes_first_in_every_key():
    columns = [ID, Column("a", String(3), unique=True), Column("b", String(3), index=True)]
    body = parse_schema("t", columns).body()
    assert "PRIMARY KEY (`_seq`, `id`)" in body
    assert "UNIQUE KEY `uq_a` (`_seq`, `a`)" in body
    assert "KEY `ix_b` (`_seq`, `b`)" in body
    assert "AUTO_INCREMENT" not in body


def test_a_table_without_a_key_has_an_index_on_the_version():
    schema = parse_schema("t", [Column("a", Integer)])
    assert "KEY (`_seq`)" in schema.body()
    assert schema.shape.key == ()


def test_a_key_may_have_another_order_than_the_columns():
    table = sa.Table("t", sa.MetaData(), Column("a", Integer), Column("b", Integer), sa.PrimaryKeyConstraint("b", "a"))
    assert parse_schema("t", table).shape.key == ("b", "a")


def test_a_table_keeps_its_collation():
    table = sa.Table("t", sa.MetaData(), Column("a", Integer), mysql_collate="utf8mb4_bin")
    assert "COLLATE=utf8mb4_bin" in parse_schema("t", table).body()


def test_what_sqlalchemy_would_count_up_or_fill_in_is_given_by_the_rows():
    table = sa.Table("t", sa.MetaData(), Column("id", Integer, sa.Identity(), primary_key=True))
    schema = parse_schema("t", [*table.columns, Column("at", sa.DateTime, server_default=sa.func.now())])
    assert schema.shape.names == ("id", "at")
    assert "AUTO_INCREMENT" not in schema.body()
    assert "DEFAULT" not in schema.body().split("ENGINE")[0]


def test_computed_columns_are_seen_but_not_loaded():
    schema = parse_schema("t", [ID, Column("twice", Integer, sa.Computed("id * 2"))])
    assert list(schema.columns) == ["id", "twice"]
    assert schema.shape.names == ("id",)


def test_targets_and_stages_travel_to_other_processes():
    target = MariaDBTarget("t", columns=[ID, Column("j", sa.JSON)], update_id="x")
    sink = MariaDBSink(MariaDBSettings("db", "flights", "loader", "rds"), "t", parse_schema("t", [ID]))
    stage = MariaDBStage(sink, Version("t", "_all", "v1"), 7)
    assert sink.contract.shapes[""].names == ("id",)
    assert pickle.loads(pickle.dumps(target)).contract.shapes[""].names == ("id", "j")
    arrived = pickle.loads(pickle.dumps(stage))
    assert (arrived.seq, arrived.sink.schema.body()) == (7, sink.schema.body())
