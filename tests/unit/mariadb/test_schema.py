import pickle
from enum import Enum

import pytest
import sqlalchemy as sa
from sqlalchemy import Column, Integer, String
from sqlalchemy.dialects import mysql

from luigi_sinks import BadRow, BadSetting, Version
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
        ([ID, Column("a", Integer, info={"renamed_from": "id"})], "'a': renamed_from = 'id' must be the former name"),
        ([Column(name, Integer, info={"renamed_from": "x"}) for name in "ab"], "'a': renamed_from = 'x' must be"),
        (
            [Column("a", Integer, comment="luigi_sinks column 1 {}")],
            "'a': its comment begins with .*, which is reserved",
        ),
        ([Column("a", Integer, comment="x" * 801)], "'a': its comment has 801 characters; at most 800 leave room"),
        ([Column("a", Integer, comment="to 🛫")], r"'a': MariaDB keeps \? for 🛫 in a comment"),
        ([Column("a", sa.Enum("p", "é🙂"))], r"'a': MariaDB shows \? for 🙂 in an Enum, so it cannot change later"),
        ([Column("c" * 65, Integer)], "has 65 characters; MariaDB takes at most 64"),
        ([Column("ends ", Integer)], "does not allow this name"),
        ([Column("smile 😀", Integer)], "does not allow this name"),
        ([ID, Column("plane", String(9), sa.ForeignKey("planes.tail"))], "'plane' has a foreign key to planes.tail"),
        ([ID, Column("n", Integer, sa.CheckConstraint("n > 0"))], r"CHECK \(n > 0\) is not supported"),
        (sa.Table("t", sa.MetaData(), Column("n", Integer), sa.CheckConstraint("n > 0")), "is not supported"),
        (sa.Table("t", sa.MetaData(), Column("n", String(9)), sa.Index("i", sa.text("lower(n)"))), "on an expression"),
        ([Column("n", String)], r"requires a length .*give it one: String\(40\)"),
        ([Column("n", mysql.INTEGER(zerofill=True))], "zerofill numbers cannot be read back"),
        ([Column("n", mysql.VARCHAR(9, charset="binary"))], "keeps bytes, not text"),
        ([Column("n", mysql.TEXT(collation="binary"))], "keeps bytes, not text"),
        ([Column("n", mysql.CHAR(9, charset="swe7"))], "text may come back from swe7 as another one"),
        ([Column("n", mysql.LONGTEXT(collation="sjis_bin"))], "text may come back from sjis as another one"),
        ([Column("n", mysql.ENUM("a", "é", ascii=True))], r"may store \? for the Enum's 'é' in latin1"),
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


def table(*items, **options):
    return sa.Table(
        "t", sa.MetaData(), Column("id", Integer, primary_key=True), Column("a", String(40)), *items, **options
    )


IGNORED = {
    "default": {"default": 1},
    "a default that is called": {"default": lambda: 1},
    "onupdate": {"onupdate": 1},
    "server_default": {"server_default": "1"},
    "server_default by the server": {"server_default": sa.FetchedValue()},
    "server_onupdate": {"server_onupdate": sa.FetchedValue()},
    "autoincrement = True": {"autoincrement": True},
    "autoincrement = ignore_fk": {"autoincrement": "ignore_fk"},
}


@pytest.mark.parametrize("name", IGNORED)
def test_what_sqlalchemy_would_fill_in_is_refused_by_name(name):
    option = name.split(" a ")[0].split(" that")[0].split(" by")[0].removeprefix("a ")
    with pytest.raises(BadSetting, match=f"column 'n': {option} has no effect, as rows give the value"):
        parse_schema("t", [Column("n", Integer, primary_key=True, **IGNORED[name])])


@pytest.mark.parametrize("count", [sa.Identity(), sa.Sequence("numbers")], ids=["Identity", "Sequence"])
def test_what_sqlalchemy_would_count_up_is_refused_by_name(count):
    with pytest.raises(BadSetting, match=f"column 'n': {type(count).__name__} has no effect"):
        parse_schema("t", [Column("n", Integer, count, primary_key=True)])


def test_what_means_nothing_to_a_table_is_accepted():
    plain = Column("n", Integer, primary_key=True, autoincrement=False, info={"team": "ops"}, doc="a number")
    assert parse_schema("t", [plain]).shape.names == ("n",)
    other = table(sqlite_autoincrement=True, postgresql_tablespace="fast")
    assert parse_schema("t", other).body() == parse_schema("t", table()).body()


@pytest.mark.parametrize(
    ("column", "complaint"),
    [
        (Column("a", Integer, key="b"), "not key = 'b'"),
        (Column("a", Integer, system=True), "a system column"),
        (Column("a", Integer, primary_key=True, nullable=True), "cannot be nullable"),
        (Column("a", Integer().with_variant(mysql.BIGINT(), "mysql")), "with_variant"),
        (Column("a", String(3).with_variant(String(2), "mariadb")), "with_variant"),
    ],
)
def test_a_column_that_would_be_another_than_declared_is_refused(column, complaint):
    with pytest.raises(BadSetting, match=f"column 'a'.*{complaint}"):
        parse_schema("t", [column])


# The options of https://docs.sqlalchemy.org/en/20/dialects/mysql.html, and those of CREATE TABLE that they stand for.
TABLE_OPTIONS = {
    "engine": ["MyISAM", "Aria", "ROCKSDB"],
    "charset": ["latin1", "utf8"],
    "default_charset": ["utf8mb3"],
    "row_format": ["COMPRESSED", "FIXED"],
    "collate": ["utf8mb4_bin; DROP TABLE t"],
    **{
        name: [1] for name in ("auto_increment", "avg_row_length", "checksum", "key_block_size", "max_rows", "min_rows")
    },
    **{name: [1] for name in ("pack_keys", "delay_key_write", "stats_persistent", "page_compressed", "encrypted")},
    **{name: ["x"] for name in ("comment", "connection", "data_directory", "tablespace", "union", "with", "password")},
    **{name: ["KEY(id)"] for name in ("partition_by", "partitions", "subpartitions", "subpartition_by")},
}


@pytest.mark.parametrize("dialect", ["mysql", "mariadb"])
@pytest.mark.parametrize("name", TABLE_OPTIONS)
def test_an_option_of_a_table_that_versions_cannot_keep_is_refused_by_name(name, dialect):
    for value in TABLE_OPTIONS[name]:
        with pytest.raises(BadSetting, match=f"option {name} = .* is not supported"):
            parse_schema("t", table(**{f"{dialect}_{name}": value}))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}, "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"),
        ({"mysql_collate": "utf8mb4_bin"}, "COLLATE=utf8mb4_bin"),
        ({"mariadb_collate": "utf8mb4_bin", "mysql_collate": "utf8mb4_general_ci"}, "COLLATE=utf8mb4_bin"),
        ({"mysql_default_collate": "utf8mb4_bin"}, "COLLATE=utf8mb4_bin"),
        ({"mariadb_row_format": "compact"}, "ROW_FORMAT=COMPACT"),
    ],
)
def test_an_option_of_a_table_that_versions_can_keep_is_kept(options, said):
    assert parse_schema("t", table(**options)).body().endswith(said)


@pytest.mark.parametrize("clause", [{"comment": "flights"}, {"schema": "other"}, {"prefixes": ["TEMPORARY"]}])
def test_a_clause_of_a_table_that_readers_would_not_see_is_refused_by_name(clause):
    with pytest.raises(BadSetting, match=f"{next(iter(clause))} of a Table is not supported"):
        parse_schema("t", table(**clause))


@pytest.mark.parametrize("dialect", ["mysql", "mariadb"])
@pytest.mark.parametrize(
    ("option", "value"), [("prefix", "FULLTEXT"), ("prefix", "SPATIAL"), ("with_parser", "ngram"), ("using", "hash")]
)
def test_an_option_of_an_index_that_versions_cannot_keep_is_refused_by_name(option, value, dialect):
    with pytest.raises(BadSetting, match=f"key 'i': {option} = {value} is not supported"):
        parse_schema("t", table(sa.Index("i", "a", **{f"{dialect}_{option}": value})))


def test_a_primary_key_of_another_kind_is_refused():
    columns = sa.Column("b", Integer), sa.PrimaryKeyConstraint("b", mysql_using="HASH")
    with pytest.raises(BadSetting, match="using = HASH is not supported"):
        parse_schema("t", sa.Table("t", sa.MetaData(), *columns))


@pytest.mark.parametrize("length", [10, {"a": 10}])
def test_the_length_of_a_key_is_kept(length):
    found = parse_schema("t", table(sa.Index("i", "a", mysql_length=length, mysql_using="btree")))
    assert "KEY `i` (`_seq`, `a`(10))" in found.body()
    assert pickle.loads(pickle.dumps(found)).declared["lengths"] == {"i": {"a": 10}}


def test_the_length_of_a_column_that_the_key_is_not_on_is_refused():
    with pytest.raises(BadSetting, match=r"length names \['b'\]"):
        parse_schema("t", table(sa.Index("i", "a", mysql_length={"b": 10})))


@pytest.mark.parametrize(
    "expression", [lambda table: sa.func.lower(table.c.a), lambda table: table.c.a.desc(), lambda table: table.c.id + 1]
)
def test_an_index_on_an_expression_of_columns_is_refused(expression):
    given = table()
    sa.Index("i", expression(given))
    with pytest.raises(BadSetting, match="index 'i' is on an expression"):
        parse_schema("t", given)


@pytest.mark.parametrize("option", [{"deferrable": True}, {"initially": "DEFERRED"}, {"deferrable": False}])
def test_a_key_that_would_be_checked_at_another_time_is_refused(option):
    with pytest.raises(BadSetting, match=f"has no {next(iter(option))}"):
        parse_schema("t", table(sa.UniqueConstraint("a", name="u", **option)))


def long(ending):
    return "x" * 62 + ending


def test_keys_whose_names_agree_at_their_beginning_stay_apart():
    columns = [ID, *(Column(long(end), String(3), unique=True) for end in "ab")]
    columns += [Column(long(end), String(3), index=True) for end in "cd"]
    schema = parse_schema("t", columns)
    assert sorted(schema.unique.values()) == [("id",), (long("a"),), (long("b"),)]
    assert sorted(schema.indexes.values()) == [(long("c"),), (long("d"),)]
    assert all(len(name) <= 64 for name in (*schema.unique, *schema.indexes))
    assert parse_schema("t", columns[::-1]).unique.keys() == schema.unique.keys()


def test_keys_whose_columns_spell_the_same_name_stay_apart():
    both = table(Column("b", Integer), Column("a_b", Integer, unique=True), sa.UniqueConstraint("a", "b"))
    assert sorted(parse_schema("t", both).unique.values()) == [("a", "b"), ("a_b",), ("id",)]


def test_keys_of_a_list_stay_apart_though_case_is_ignored():
    schema = parse_schema("t", [Column("a_B", Integer, unique=True), *table(Column("B", Integer)).columns])
    assert len(schema.unique) == 2


@pytest.mark.parametrize("rows", [[(1, "a"), (2, "a")], [(1, "a"), *((n, None) for n in range(3, 9)), (2, "a")]])
def test_a_unique_key_holds_in_sqlite_too(memory, rows):
    columns = [ID, Column("a", String(3), unique=True)]
    target = MariaDBTarget("t", columns=columns, update_id="x")
    with pytest.raises(BadRow, match="field 'a': repeats the key 'a'"), target.open("w") as sink:
        for row in rows:
            sink.write(row)
    with target.open("w") as sink:
        for row in rows[:-1]:
            sink.write(row)


@pytest.mark.parametrize(("first", "second"), [("u", "u"), ("u", "U")])
def test_two_keys_of_one_name_are_refused(first, second):
    given = table(Column("b", Integer), sa.Index(first, "a"), sa.UniqueConstraint("b", name=second))
    with pytest.raises(BadSetting, match="is declared twice"):
        parse_schema("t", given)


@pytest.mark.parametrize(("name", "complaint"), [("PRIMARY", "calls the primary key so"), ("k" * 65, "65 characters")])
def test_a_name_of_a_key_that_mariadb_does_not_take_is_refused(name, complaint):
    with pytest.raises(BadSetting, match=complaint):
        parse_schema("t", table(sa.UniqueConstraint("a", name=name)))


@pytest.mark.parametrize("rule", [sa.UniqueConstraint("id", "a"), sa.Index("i", "id", "a")])
def test_columns_of_a_table_whose_keys_would_be_lost_are_refused(rule):
    with pytest.raises(BadSetting, match="would be lost; give the Table itself"):
        parse_schema("t", list(table(rule).columns))


def test_columns_of_keys_and_computations_are_fixed_and_others_may_change():
    columns = [ID, *(Column(name, Integer) for name in "ab"), Column("c", Integer, sa.Computed("a + 1"))]
    schema = parse_schema("t", [*columns, Column("d", String(9), info={"renamed_from": "e"})])
    assert {name: (column.type, column.fixed) for name, column in schema.declared_columns.items()} == {
        "id": ("INTEGER", "is in a key"),
        "a": ("INTEGER", "is read by a computed column"),
        "b": ("INTEGER", ""),
        "c": ("INTEGER", "is computed by the server"),
        "d": ("VARCHAR(9)", ""),
    }
    assert schema.declared_columns["d"].renamed_from == "e"


def test_a_pipeline_that_is_tested_locally_is_refused_as_on_the_server(memory):
    def declared(*columns, **options):
        return MariaDBTarget("local", columns=[ID, *columns], update_id="1", **options)

    with declared(Column("a", String(20))).open("w") as writer:
        writer.write((1, "a"))
    for column, said in (
        (Column("a", String(9)), "'a' is VARCHAR\\(20\\), and is declared as VARCHAR\\(9\\), which can break readers"),
        (Column("a", String(20), index=True), "'a' is free, and as declared it is in a key"),
        (Column("b", String(20), info={"renamed_from": "a"}), "'a' is declared as 'b', which can break readers"),
    ):
        with pytest.raises(BadSetting, match=said), declared(column).open("w"):
            pass
    with declared(Column("b", String(20), info={"renamed_from": "a"}), allow_change="b").open("w") as writer:
        writer.write((1, "b"))


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
