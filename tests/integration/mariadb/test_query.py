"""Tables that the server makes of others, by a SELECT over the versions that these have when the task starts."""

import datetime as dt
import enum
from pathlib import Path

import luigi
import pytest
import sqlalchemy as sa
from sqlalchemy import (
    BINARY,
    CHAR,
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Enum,
    Float,
    Integer,
    Numeric,
    String,
    Time,
)

from luigi_sinks import BadSetting, CheckFailed, Conflict, Unavailable, versions
from luigi_sinks.events import Action, Outcome
from luigi_sinks.listeners import listen, stop_listening
from luigi_sinks.mariadb import CopyToTable, MariaDBStage, QueryToTable

pytestmark = pytest.mark.usefixtures("settings")


class Flights(CopyToTable):
    day = luigi.DateParameter()
    table = luigi.Parameter()
    carriers = luigi.ListParameter(default=["UA", "UA", "AA"], significant=False)
    partition_by = ("day",)
    connection = "tests"
    columns = [Column("id", Integer, primary_key=True), Column("day", Date), Column("carrier", String(2))]

    def rows(self):
        return [(number, self.day, carrier) for number, carrier in enumerate(self.carriers)]


COLUMNS = [Column("carrier", String(2), primary_key=True), Column("flights", BigInteger)]
FIRST, SECOND = dt.date(2013, 1, 1), dt.date(2013, 1, 2)


@pytest.fixture
def carriers(table):
    """Return a function that makes a task, which counts the flights of each carrier on two days by a query."""

    def make(query, days=(FIRST, SECOND), columns=COLUMNS, **attributes):
        flights = [Flights(day, table) for day in days]
        attributes = {"requires": lambda self: flights, **attributes}
        named = {"table": f"{table}_carriers", "columns": columns, "query": query, "connection": "tests"}
        if isinstance(query, str):
            named["query"] = query.replace("FLIGHTS", f"{{{table}}}")
        return type("Carriers", (QueryToTable,), {**named, "partition_by": (), **attributes})

    return make


@pytest.fixture
def events():
    """What is told of reads, as (outcome, partition, version, rows)."""
    found = []

    def note(event):
        if event.action is Action.READ:
            found.append((event.outcome, event.version.partition, event.version.id, event.rows))

    listen(note)
    yield found
    stop_listening(note)


def build(task):
    return luigi.build([task], local_scheduler=True, log_level="ERROR")


def made(task):
    return {row["carrier"]: row["flights"] for row in task.output().rows()}


COUNTED = "SELECT carrier, COUNT(*) AS flights FROM FLIGHTS GROUP BY carrier"


@pytest.mark.parametrize(
    ("before", "value"),
    [([], ""), ([Column("must", Integer)], ", NULL AS must"), ([Column("must", String(9))], ", 'x' AS must")],
)
def test_a_changed_column_that_must_have_a_value_gets_one(carriers, before, value):
    query = COUNTED.replace(" FROM", "{} FROM")
    assert build(carriers(query.format(value), columns=[*COLUMNS, *before])())

    def change(given):
        columns = [*COLUMNS, Column("must", Integer, nullable=False)]
        task = carriers(query.format(f", {given} AS must"), columns=columns, allow_change="must")()
        task.run()
        return [row["must"] for row in task.output().rows()]

    with pytest.raises(CheckFailed, match=r"the query gives a row without a value for 'must', which must have one"):
        change("IF(carrier = 'AA', NULL, 5)")
    with pytest.raises(CheckFailed, match=r"integer value: 'y' for column .*`must` at row 1"):
        change("'y'")
    assert change("5") == [5, 5]


def test_a_query_makes_a_version_of_those_that_the_required_partitions_have(carriers, events, ask):
    task = carriers(f"{COUNTED}; ")()
    assert build(task)
    assert task.complete()
    assert made(task) == {"UA": 4, "AA": 2}
    assert ask(f"SELECT SUM(flights) FROM {task.table}") == [(6,)]
    heads = [each.output().record() for each in task.requires()]
    read = [(Outcome.SUCCESS, head.version.partition, head.version.id, 3) for head in heads]
    assert [event for event in events if event[0] is Outcome.SUCCESS][: len(read)] == read[::-1]


def test_what_is_published_while_the_query_waits_is_not_read(carriers, table, monkeypatch):
    for day in (FIRST, SECOND):
        assert build(Flights(day, table))
    fill = MariaDBStage.fill

    def publish_before(stage, number, select):
        with Flights(FIRST, table).output().open("w") as sink:
            sink.write((1, FIRST, "B6"))
        return fill(stage, number, select)

    monkeypatch.setattr(MariaDBStage, "fill", publish_before)
    task = carriers(COUNTED, days=[FIRST])()
    task.run()
    assert made(task) == {"UA": 2, "AA": 1}


def test_an_input_that_is_dropped_while_it_is_read_is_a_conflict(carriers, table, monkeypatch):
    flights = Flights(FIRST, table)
    assert build(flights)
    sink, fill = flights.output().sink(), MariaDBStage.fill
    before = sink.head("20130101").version

    def drop_after(stage, number, select):
        count = fill(stage, number, select)
        with flights.output().open("w") as writer:
            writer.write((1, FIRST, "B6"))
        versions.prune(sink, before, min_age=dt.timedelta(0))
        return count

    monkeypatch.setattr(MariaDBStage, "fill", drop_after)
    task = carriers(COUNTED, days=[FIRST])()
    with pytest.raises(Conflict, match=f"{before} is dropped; it has no rows to read"):
        task.run()
    assert not task.complete()


def test_values_are_those_of_the_tasks_parameters(carriers):
    query = (
        "SELECT carrier, COUNT(*) AS flights FROM FLIGHTS f WHERE id >= :least AND '?{}' <> ' \\:a' GROUP BY carrier"
    )
    task = carriers(query, least=luigi.IntParameter(default=1))()
    assert build(task)
    assert made(task) == {"UA": 2, "AA": 2}


def test_a_select_of_sqlalchemy_reads_the_inputs_by_their_names(carriers, table):
    flights = sa.table(table, sa.column("id"), sa.column("carrier"))
    query = sa.select(flights.c.carrier, sa.func.count().label("flights")).group_by(flights.c.carrier)
    task = carriers(
        query.where(flights.c.id.in_([0, 2]), flights.c.carrier != sa.bindparam("without")),
        without=luigi.Parameter("AA"),
    )
    assert build(task())
    assert made(task()) == {"UA": 2}


@pytest.mark.parametrize(
    "condition",
    [
        "f.carrier <> ' :least' AND id >= :least",
        "f.carrier <> 'it''s :least \\\\' AND id >= :least",
        r"f.carrier <> '\':least' AND id >= :least",
        'f.carrier <> "{other} ""?"" :least" AND id >= :least',
        "f.carrier RLIKE '^[A-Z]{2}$' AND id >= :least -- :least, it's {other}",
        "f.carrier <> '' # :least, it's {other}\n AND id >= :least",
        "f.carrier <> '' /* :least, it's {other}? */ AND id >= :least",
        "f.`carrier` <> (SELECT `:least` FROM (SELECT '?' AS `:least`) o) AND id >= :least",
        "5--1 = 6 AND id >= :least",
    ],
)
def test_text_in_quotes_and_comments_is_left_alone(carriers, condition):
    query = f"SELECT carrier, COUNT(*) AS flights FROM FLIGHTS f WHERE {condition}\n GROUP BY carrier"
    task = carriers(query, least=luigi.IntParameter(default=1))()
    assert build(task)
    assert made(task) == {"UA": 2, "AA": 2}


@pytest.mark.parametrize(
    "query",
    [
        "WITH a AS (SELECT * FROM FLIGHTS) SELECT carrier, COUNT(*) AS flights FROM a GROUP BY carrier",
        """/* all */ with/**/recursive n AS (SELECT 0 AS n UNION ALL SELECT n + 1 FROM n WHERE n < 9),
        a AS (SELECT carrier FROM FLIGHTS JOIN n ON n = id) SELECT carrier, COUNT(*) AS flights FROM a GROUP BY 1""",
        """(SELECT carrier, COUNT(*) AS flights FROM FLIGHTS WHERE carrier = 'UA' GROUP BY 1) UNION ALL
        (SELECT carrier, COUNT(*) AS flights FROM FLIGHTS WHERE carrier <> 'UA' GROUP BY 1)""",
    ],
)
def test_common_table_expressions_read_the_inputs(carriers, query):
    task = carriers(query)()
    assert build(task)
    assert made(task) == {"UA": 4, "AA": 2}


def test_a_common_table_expression_of_sqlalchemy_reads_the_inputs(carriers, table):
    flights = sa.select(sa.table(table, sa.column("carrier"))).cte("a")
    query = sa.select(flights.c.carrier, sa.func.count().label("flights")).group_by(flights.c.carrier)
    task = carriers(query)()
    assert build(task)
    assert made(task) == {"UA": 4, "AA": 2}


@pytest.mark.parametrize(
    ("parameter", "name"),
    [
        (luigi.DateIntervalParameter(default=luigi.date_interval.Month(2013, 1)), "Month"),
        (luigi.PathParameter(default=Path("(SELECT 1)")), "PosixPath"),
        (luigi.EnumParameter(enum=enum.Enum("Side", "left"), default=None), "Side"),
        (luigi.DictParameter(default={"a": 1}), "FrozenOrderedDict"),
        (luigi.ListParameter(default=[1, 2]), "tuple"),
        (luigi.FloatParameter(default=float("inf")), "float"),
    ],
)
def test_a_parameter_that_is_no_value_of_sql_is_refused_by_its_name_and_type(carriers, parameter, name):
    given = {} if name != "Side" else {"least": parameter._enum.left}
    task = carriers("SELECT 'UA' AS carrier, CONCAT(:least) AS flights", least=parameter)(**given)
    for each in task.requires():
        assert build(each)
    with pytest.raises(BadSetting, match=f"value :least is of type {name}, and no value of MariaDB; give text, a"):
        task.run()


def test_durations_and_texts_are_values_as_they_are(carriers):
    columns = [Column("carrier", String(20), primary_key=True), Column("flights", String(20))]
    task = carriers(
        "SELECT :text AS carrier, :late AS flights",
        columns=columns,
        text=luigi.Parameter("it's ? \\ :late"),
        late=luigi.TimeDeltaParameter(dt.timedelta(hours=-30, microseconds=5)),
    )()
    assert build(task)
    assert made(task) == {"it's ? \\ :late": "-29:59:59.999995"}


@pytest.mark.parametrize(
    ("value", "kind", "reason"),
    [
        ("1.567", Integer, "'1.567', which would be rounded"),
        ("2.5e0", Integer, "'2.5', which would be rounded"),
        ("'2.5'", Integer, "'2.5', which would be rounded"),
        ("123456789", Float, "'123456789', which is a whole number that FLOAT would round"),
        ("9007199254740993", Double, "'9007199254740993', which is a whole number that DOUBLE would round"),
        ("SUM(9007199254740993)", Double, "'9007199254740993', which is a whole number that DOUBLE would round"),
        ("'ab  '", CHAR(20), "'ab  ', which ends in a space, which CHAR does not keep"),
        ("'x'", BINARY(3), "'x', which is not 3 bytes long, and would be padded"),
        ("TIMESTAMP'2020-01-01 00:00:00.6'", DateTime, "which is no time of the calendar in whole seconds"),
        ("'10:00:00.6'", Time, "'10:00:00.6', which is no time of a day in whole seconds"),
        ("5", Boolean, "'5', which is neither 0 nor 1 .*keeps it."),
        ("0.4", Boolean, "'0.4', which is neither 0 nor 1 .*keeps it."),
        ("'0000-00-00'", Date, "'0000-00-00', which is no date of the calendar"),
        ("TIME'10:00:00'", Date, "'10:00:00', which is no date of the calendar"),
        ("TIME'10:00:00'", DateTime, "'10:00:00', which is no time of the calendar in whole seconds"),
        ("TIME'25:30:00'", Time, "'25:30:00', which is no time of a day in whole seconds"),
        ("TIME'-10:00:00'", Time, "'-10:00:00', which is no time of a day in whole seconds"),
        ("2", Enum("a", "b"), "'2', which is none of the Enum's texts"),
        ("'A'", Enum("a", "b"), "'A', which is none of the Enum's texts"),
        ('\'{"a": "x\\\\"", "b": -123e+0307}\'', JSON, "which has a number that no float can hold"),
        ("CONCAT(REPEAT('1', 212), 'e99')", JSON, "which has a number that no float can hold"),
        ("'1.8e308'", JSON, "'1.8e308', which has a number that no float can hold"),
        ("'[1e309]'", JSON, r"'\[1e309\]', which has a number that no float can hold"),
    ],
)
def test_a_value_that_would_be_read_as_another_makes_no_version(carriers, value, kind, reason):
    columns = [Column("carrier", String(2), primary_key=True), Column("x", kind)]
    task = carriers(f"SELECT 'AA' AS carrier, NULL AS x UNION ALL SELECT 'UA', {value}", columns=columns)()
    for each in task.requires():
        assert build(each)
    with pytest.raises(CheckFailed, match=f"the query gives column 'x' the value .*{reason}; cast, round or filter it"):
        task.run()
    assert not task.complete()


@pytest.mark.parametrize(
    ("value", "kind", "read"),
    [
        ("2.0", Integer, 2),
        ("COUNT(*)", Integer, 1),
        ("AVG(1) / 3", Double, 0.33333333),
        ("16777217e0", Float, 16777216.0),
        ("CAST(9007199254740993 AS DOUBLE)", Double, 9007199254740992.0),
        ("1 = 1", Boolean, True),
        ("NULL", Boolean, None),
        ("''", CHAR(3), ""),
        ("'9:05'", Time, dt.time(9, 5)),
        ("'2012-02-29'", DateTime, dt.datetime(2012, 2, 29)),
        ("'-1.7976931348623157e308'", JSON, -1.7976931348623157e308),
        ("""'{"1e999": 1e38}'""", JSON, {"1e999": 1e38}),
        ("""'["1e999", 1.7976931348623157e308]'""", JSON, ["1e999", 1.7976931348623157e308]),
    ],
)
def test_a_value_that_is_kept_is_taken_in_another_form(carriers, value, kind, read):
    columns = [Column("carrier", String(2), primary_key=True), Column("x", kind)]
    task = carriers(f"SELECT 'UA' AS carrier, {value} AS x", columns=columns)()
    assert build(task)
    assert list(task.output().rows()) == [{"carrier": "UA", "x": read}]


TENTHS = [COLUMNS[0], Column("flights", Numeric(4, 1))]


@pytest.mark.parametrize(
    ("query", "columns", "error", "reason"),
    [
        (
            "SELECT carrier, id AS flights FROM FLIGHTS",
            COLUMNS,
            CheckFailed,
            "Duplicate entry .*; cast, round or",
        ),
        ("SELECT 'UAL' AS carrier, 1 AS flights", COLUMNS, CheckFailed, "Data too long for column 'carrier'"),
        ("SELECT NULL AS carrier, 1 AS flights", COLUMNS, CheckFailed, "Column 'carrier' cannot be null"),
        ("SELECT 'UA' AS carrier, 'many' AS flights", COLUMNS, CheckFailed, "Incorrect integer value: 'many'"),
        (
            "SELECT 'UA' AS carrier, 1.55 AS flights",
            TENTHS,
            CheckFailed,
            "Data truncated for column 'flights'",
        ),
        ("SELECT carrier FROM FLIGHTS", COLUMNS, BadSetting, "the query gives no column 'flights'; select one"),
        ("SELECT 'UA' AS carrier, 1 AS flights, 1 AS flight", COLUMNS, BadSetting, "'flight'; did you mean 'flights'"),
        ("SELECT carrier, COUNT() FROM", COLUMNS, BadSetting, "MariaDB refuses the query: .*syntax"),
        (
            "SELECT 'UA' AS carrier, 1 AS flights FROM {other}",
            COLUMNS,
            BadSetting,
            "reads 'other', which no task",
        ),
        ("SELECT carrier, :most AS flights FROM FLIGHTS", COLUMNS, BadSetting, "asks for the value :most, which is no"),
        (
            "SELECT * FROM (WITH a AS (SELECT * FROM FLIGHTS) SELECT carrier, id AS flights FROM a) b",
            COLUMNS,
            BadSetting,
            "No database selected.*; the query reads a table without its database: name inputs in braces, .* WITH",
        ),
        (None, COLUMNS, BadSetting, "query must be SQL text or a select"),
    ],
)
def test_a_query_that_gives_wrong_rows_makes_no_version_and_says_why(carriers, query, columns, error, reason):
    task = carriers(query, columns=columns)()
    for each in task.requires():
        assert build(each)
    with pytest.raises(error, match=reason):
        task.run()
    assert not task.complete()
    assert [record.state for record in task.output().sink().records()] == ["failed"]


def test_an_input_that_readers_see_no_version_of_is_a_conflict(carriers, table):
    with pytest.raises(Conflict, match=f"{table}/20130101 has no version that could be read; load it first"):
        carriers(COUNTED)().run()


@pytest.mark.parametrize("order", [1, -1])
def test_inputs_of_one_name_in_two_databases_are_refused(carriers, table, settings, section, order):
    known = {name: value for name, value in vars(settings).items() if value is not None}
    section("mariadb.elsewhere", **{**known, "database": "elsewhere"})
    elsewhere = type("Elsewhere", (Flights,), {"connection": "elsewhere"})
    inputs = [Flights(FIRST, table), elsewhere(FIRST, table)][::order]
    assert build(Flights(FIRST, table))
    with pytest.raises(BadSetting, match=f"the inputs for '{table}' are in elsewhere at .* and {settings.database} at"):
        carriers(COUNTED, requires=lambda self: inputs)().run()


@pytest.mark.parametrize("attribute", [{"rows": lambda self: []}, {"on_bad_row": "set_aside"}, {"most_bad_rows": 3}])
def test_what_only_concerns_given_rows_is_refused(carriers, attribute):
    with pytest.raises(luigi.parameter.ParameterException, match="the server makes the rows itself"):
        carriers(COUNTED, **attribute)()


def test_a_query_whose_answer_was_lost_adds_its_rows_once(carriers, monkeypatch):
    fill, counts = MariaDBStage.fill, []

    def lose_the_first_answer(stage, number, select):
        counts.append(fill(stage, number, select))
        if len(counts) == 1:
            raise Unavailable("the answer was lost")
        return counts[-1]

    monkeypatch.setattr(MariaDBStage, "fill", lose_the_first_answer)
    task = carriers(COUNTED)()
    assert build(task)
    assert counts == [2, 2]
    assert made(task) == {"UA": 4, "AA": 2}
