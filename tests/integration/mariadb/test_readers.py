"""What readers see, by the server's own command line and by plain connections."""

import subprocess
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Column, Computed, Integer, String

from luigi_sinks import BadRow, BadSetting, Origin, load
from luigi_sinks.config import read_credential
from luigi_sinks.mariadb import MariaDBSink, parse_schema
from luigi_sinks.version import WHOLE

ORIGIN = Origin("readers")
COLUMNS = [Column("id", Integer, primary_key=True), Column("name", String(20))]


@pytest.fixture
def sink(settings, table):
    return MariaDBSink(settings, table, parse_schema(table, COLUMNS))


def rows(count, name="old"):
    return [(number, name) for number in range(count)]


def test_the_command_line_sees_the_rows_and_the_columns_of_the_head(sink, settings):
    load(sink, WHOLE, ORIGIN, rows(2))
    load(sink, WHOLE, ORIGIN, [(7, "new"), (8, None)])
    assert command_line(f"SELECT * FROM {sink.dataset} ORDER BY id", settings) == "id\tname\n7\tnew\n8\tNULL\n"


def test_before_the_first_publication_there_are_no_rows(sink, ask):
    with pytest.raises(ZeroDivisionError):
        load(sink, WHOLE, ORIGIN, (1 / 0 for _ in range(1)))
    assert ask(f"SELECT * FROM {sink.dataset}") == []


def test_all_partitions_are_in_one_view(sink, ask):
    load(sink, "201301", ORIGIN, rows(3))
    load(sink, "201302", ORIGIN, [(10, "february")])
    load(sink, "201301", ORIGIN, rows(2, "again"))
    assert ask(f"SELECT * FROM {sink.dataset} ORDER BY id") == [(0, "again"), (1, "again"), (10, "february")]


def test_keys_may_repeat_in_another_partition(sink, ask):
    load(sink, "201301", ORIGIN, rows(3))
    load(sink, "201302", ORIGIN, rows(3))
    assert ask(f"SELECT COUNT(*) FROM {sink.dataset}") == [(6,)]


def test_an_empty_version_empties_its_partition_only(sink, ask):
    load(sink, "201301", ORIGIN, rows(3))
    load(sink, "201302", ORIGIN, rows(2))
    load(sink, "201301", ORIGIN, [], checks=())
    assert ask(f"SELECT COUNT(*) FROM {sink.dataset}") == [(2,)]


def test_a_whole_dataset_is_not_partitioned_later_nor_the_reverse(sink, settings):
    load(sink, WHOLE, ORIGIN, rows(1))
    with pytest.raises(BadSetting, match="would show readers the same rows twice"):
        load(sink, "201301", ORIGIN, rows(1))
    other = MariaDBSink(settings, f"{sink.dataset}_p", sink.schema)
    load(other, "201301", ORIGIN, rows(1))
    with pytest.raises(BadSetting, match="would show readers the same rows twice"):
        load(other, WHOLE, ORIGIN, rows(1))


def test_a_reader_in_a_repeatable_read_transaction_sees_the_old_version_to_its_end(sink, ask):
    load(sink, WHOLE, ORIGIN, rows(3))
    ask("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    ask("START TRANSACTION")
    before = ask(f"SELECT * FROM {sink.dataset}")
    load(sink, WHOLE, ORIGIN, rows(5, "new"))
    assert ask(f"SELECT * FROM {sink.dataset}") == before == rows(3)
    ask("COMMIT")
    assert ask(f"SELECT * FROM {sink.dataset}") == rows(5, "new")


def test_a_reader_that_began_before_the_load_and_reads_late_sees_a_whole_version(sink, ask):
    load(sink, WHOLE, ORIGIN, rows(3))
    ask("START TRANSACTION WITH CONSISTENT SNAPSHOT")
    load(sink, WHOLE, ORIGIN, rows(5, "new"))
    assert ask(f"SELECT * FROM {sink.dataset}") == rows(3)


def test_columns_that_the_server_computes_are_not_loaded_but_read(settings, table, ask):
    columns = [*(Column(name, Integer) for name in ("a", "b")), Column("total", Integer, Computed("a + b"))]
    sink = MariaDBSink(settings, table, parse_schema(table, columns))
    load(sink, WHOLE, ORIGIN, [(1, 2), (3, None)])
    assert ask(f"SELECT * FROM {table} ORDER BY a") == [(1, 2, 3), (3, None, None)]


def test_a_table_without_a_key_takes_the_same_row_twice(settings, table, ask):
    sink = MariaDBSink(settings, table, parse_schema(table, [Column("word", String(5))]))
    load(sink, WHOLE, ORIGIN, [("a",), ("a",), ("",)])
    assert ask(f"SELECT word, COUNT(*) FROM {table} GROUP BY word ORDER BY word") == [("", 1), ("a", 2)]


def test_the_options_of_a_table_are_those_of_the_servers_and_stay(settings, table, ask):
    def declared(**options):
        columns = Column("id", Integer, primary_key=True), Column("body", String(500), comment="the text")
        index = sa.Index("begin", "body", mysql_length=20, mariadb_using="BTREE")
        return parse_schema(table, sa.Table(table, sa.MetaData(), *columns, index, **options))

    options = {"mysql_engine": "InnoDB", "mysql_collate": "utf8mb4_bin", "mysql_row_format": "compact"}
    load(MariaDBSink(settings, table, declared(**options)), WHOLE, ORIGIN, [(1, "x")])
    ((_, statement),) = ask(f"SHOW CREATE TABLE `{settings.database}__v`.`{table}__g1`")
    for said in ("ENGINE=InnoDB", "COLLATE=utf8mb4_bin", "ROW_FORMAT=COMPACT", "(`_seq`,`body`(20))", "the text"):
        assert said in statement
    load(MariaDBSink(settings, table, declared(**options)), WHOLE, ORIGIN, [(2, "y")])
    for other in ({"mysql_collate": "utf8mb4_general_ci"}, {"mysql_row_format": "dynamic"}):
        with pytest.raises(BadSetting, match=r"was loaded with other keys|'body' is varchar"):
            load(MariaDBSink(settings, table, declared(**options | other)), WHOLE, ORIGIN, [(3, "z")])


def test_each_of_many_unique_columns_with_long_names_is_unique(settings, table):
    names = [f"{'x' * 62}{end}" for end in "ab"]
    columns = [Column("id", Integer, primary_key=True), *(Column(name, Integer, unique=True) for name in names)]
    sink = MariaDBSink(settings, table, parse_schema(table, columns))
    for repeated in ([(1, 1, 1), (2, 1, 2)], [(1, 1, 1), (2, 2, 1)]):
        with pytest.raises(BadRow):
            load(sink, WHOLE, ORIGIN, repeated)
    load(sink, WHOLE, ORIGIN, [(1, 1, 2), (2, 2, 1)])


def test_an_integer_key_of_zero_stays_zero(settings, table, ask):
    sink = MariaDBSink(settings, table, parse_schema(table, COLUMNS))
    load(sink, WHOLE, ORIGIN, [(0, "zero")])
    assert ask(f"SELECT id FROM {table}") == [(0,)]


def test_a_table_of_sqlalchemy_brings_its_keys_and_is_left_alone(settings, table, ask):
    given = sa.Table(
        "users",
        sa.MetaData(),
        Column("a", Integer),
        Column("b", String(9), index=True),
        Column("c", Integer, unique=True),
        sa.PrimaryKeyConstraint("b", "a"),
    )
    for name in (table, f"{table}_2"):
        load(MariaDBSink(settings, name, parse_schema(name, given)), WHOLE, ORIGIN, [(0, "x", 1)])
    keys = ask(
        "SELECT INDEX_NAME, NON_UNIQUE, GROUP_CONCAT(COLUMN_NAME ORDER BY SEQ_IN_INDEX)"
        " FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? GROUP BY 1, 2 ORDER BY 1",
        f"{settings.database}__v",
        f"{table}__g1",
    )
    assert keys == [("ix_users_b", 1, "_seq,b"), ("PRIMARY", 0, "_seq,b,a"), ("uq_c", 0, "_seq,c")]
    assert [column.name for column in given.columns] == ["a", "b", "c"]


def test_names_that_need_quotes_work(settings, table, ask):
    name = f"{table} a?`%s:b\\"
    columns = [Column("order", Integer, primary_key=True), Column("a?`%s'\"\\", String(3), unique=True)]
    sink = MariaDBSink(settings, name, parse_schema(name, columns))
    load(sink, WHOLE, ORIGIN, [(1, "one"), (2, None)])
    quoted = name.replace("`", "``")
    assert [row[:2] for row in ask(f"SELECT * FROM `{quoted}` ORDER BY 1")] == [(1, "one"), (2, None)]
    assert sorted(tuple(row.values()) for row in sink.read(sink.head(WHOLE).version)) == [(1, "one"), (2, None)]


def command_line(query, settings):
    password = Path(read_credential(settings.credential)["path"]).read_text().strip()
    options = f"[client]\nhost={settings.host}\nport={settings.port}\nuser={settings.user}\npassword={password}\n"
    options += f"ssl-ca={settings.tls_ca}\nssl-verify-server-cert\n"
    command = ["mariadb", "--defaults-file=/dev/stdin", settings.database, f"--execute={query}"]
    return subprocess.run(command, input=options, capture_output=True, text=True, check=True).stdout
