"""What `luigi-sinks declare` prints of a table is Python that declares the same table."""

import re

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.dialects.mysql.mariadb import MariaDBDialect
from typer.testing import CliRunner

from luigi_sinks import mariadb
from luigi_sinks.cli.app import app
from luigi_sinks.errors import BadSetting
from luigi_sinks.mariadb.declaration import declare
from luigi_sinks.mariadb.schema import parse_schema

EVERYTHING = """CREATE TABLE {} (
  b INT NOT NULL, a INT UNSIGNED NOT NULL, big BIGINT, small SMALLINT, tiny TINYINT, medium MEDIUMINT UNSIGNED,
  flag TINYINT(1), price DECIMAL(10,2) NOT NULL, ratio FLOAT, exact DOUBLE,
  cost DECIMAL(10,2) UNSIGNED, share FLOAT UNSIGNED, size DOUBLE UNSIGNED, name VARCHAR(20) NOT NULL,
  code CHAR(3) COLLATE latin1_bin, body TEXT, short TINYTEXT, longer MEDIUMTEXT, longest LONGTEXT,
  kind ENUM('it''s', 'b,c', 'd') NOT NULL, day DATE, at DATETIME, fine DATETIME(6), daily TIME(3),
  raw BLOB, bits VARBINARY(9), fixed BINARY(4), facts JSON, ident UUID COMMENT 'who''s it',
  twice INT AS (b * 2) PERSISTENT, plus_one INT AS (b + 1) VIRTUAL,
  PRIMARY KEY (a, b), UNIQUE KEY by_name (name, small), KEY by_day (day), KEY by_body (body(10))
) ROW_FORMAT=COMPACT"""


@pytest.fixture
def existing(ask, table):
    """Return a function that makes a table, which is dropped in the end."""

    def make(ddl):
        ask(ddl.format(table))
        return table

    yield make
    ask(f"DROP TABLE IF EXISTS {table}")


def declared(code):
    names = {}
    exec(str(code), names)
    return names


def test_the_printed_table_is_the_one_that_exists(settings, existing, ask, table):
    existing(EVERYTHING)
    code = declare(settings, table).code
    assert code == declare(settings, table).code
    names = declared(code)
    again = f"{table}_again"
    parse_schema(table, names["columns"])
    ask(str(sa.schema.CreateTable(names["columns"]).compile(dialect=MariaDBDialect())).replace(table, again))
    for index in names["columns"].indexes:
        ask(str(sa.schema.CreateIndex(index).compile(dialect=MariaDBDialect())).replace(table, again))
    ((_, old),), ((_, new),) = ask(f"SHOW CREATE TABLE {table}"), ask(f"SHOW CREATE TABLE {again}")
    assert sorted(lines(new.replace(again, table))) == sorted(lines(old))
    ask(f"DROP TABLE {again}")


def lines(ddl):
    """Return the columns and keys of a table; a declared nullable column says DEFAULT NULL, one of a table too."""
    found = [re.sub(r" PERSISTENT| STORED", " STORED", line.strip().rstrip(",")) for line in ddl.splitlines()[1:]]
    return [*found[:-1], *re.findall("ROW_FORMAT=.*", found[-1])]


def test_the_declaration_makes_a_task_of_the_same_columns(settings, existing):
    table = existing("CREATE TABLE {} (id INT PRIMARY KEY, name VARCHAR(20))")
    names = declared(declare(settings, table))

    class Copied(mariadb.CopyToTable):
        table, columns = names["table"], names["columns"]

    described = Copied().output()._schema.declared
    assert described["columns"] == {
        "id": {"type": "INTEGER", "nullable": False},
        "name": {"type": "VARCHAR(20)", "nullable": True},
    }
    assert described["unique"] == {"PRIMARY": ["id"]}


def test_what_versions_cannot_keep_is_listed(settings, existing, ask, table):
    ask(f"CREATE TABLE {table}_parent (id INT PRIMARY KEY)")
    existing(
        f"""CREATE TABLE {{}} (
        id INT PRIMARY KEY AUTO_INCREMENT, parent INT, n INT DEFAULT 3, tags SET('a', 'b'), at TIMESTAMP NULL,
        note VARCHAR(9), padded INT(5) ZEROFILL, FULLTEXT KEY words (note), KEY latest (at DESC, n),
        CONSTRAINT to_parent FOREIGN KEY (parent) REFERENCES {table}_parent (id), CONSTRAINT positive CHECK (n > 0))
        ROW_FORMAT=COMPRESSED COMMENT='who''s there'"""
    )
    ask(f"CREATE TRIGGER {table}_t BEFORE INSERT ON {table} FOR EACH ROW SET NEW.n = 4")
    try:
        found = declare(settings, table)
    finally:
        ask(f"DROP TABLE {table}")
        ask(f"DROP TABLE {table}_parent")
    assert list(found.undeclared) == [
        "option row_format=COMPRESSED of the table",
        'comment "who\'s there" of the table; readers use a view, which has none',
        "AUTO_INCREMENT of column 'id'; rows give its value",
        "DEFAULT 3 of column 'n'; rows give its value",
        "column 'tags' of type set('a','b'), which rows cannot have",
        "TIMESTAMP of column 'at', which shifts with each session's time zone; it becomes DATETIME",
        "ZEROFILL of column 'padded', which the driver cannot read back",
        "key words (FULLTEXT) on note",
        "DESC of column 'at' in key latest; the key is ascending",
        "check positive: `n` > 0",
        f"foreign key to_parent to {table}_parent",
        f"trigger {table}_t",
    ]
    assert "# Not declared: key words (FULLTEXT) on note" in str(found).splitlines()
    parse_schema(table, declared(found)["columns"])


@pytest.mark.parametrize(("values", "kind"), [("(1), (0), (NULL)", sa.Boolean), ("(1), (2)", mysql.TINYINT)])
def test_a_tinyint_of_one_digit_is_declared_by_what_it_holds(settings, existing, ask, values, kind):
    table = existing("CREATE TABLE {} (flag TINYINT(1), note VARCHAR(9))")
    ask(f"INSERT INTO {table} (flag) VALUES {values}")
    assert isinstance(declared(declare(settings, table))["columns"].c.flag.type, kind)


def test_a_table_that_is_not_there_or_a_view_is_refused(settings, ask, table):
    with pytest.raises(BadSetting, match="is not an ordinary table, or is hidden from this login"):
        declare(settings, table)
    ask(f"CREATE VIEW {table} AS SELECT 1 AS n")
    with pytest.raises(BadSetting, match="is not an ordinary table"):
        declare(settings, table)
    ask(f"DROP VIEW {table}")


def test_the_command_prints_it(existing):
    table = existing("CREATE TABLE {} (id INT PRIMARY KEY AUTO_INCREMENT)")
    ended = CliRunner().invoke(app, ["declare", f"mariadb.tests:{table}"], catch_exceptions=False)
    assert ended.exit_code == 0
    assert list(declared(ended.stdout)["columns"].columns.keys()) == ["id"]
    assert ended.stdout.endswith("# Not declared: AUTO_INCREMENT of column 'id'; rows give its value\n")
