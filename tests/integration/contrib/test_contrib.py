"""Tasks that are written for luigi.contrib, on the real servers: each row of what people have is here or beside it."""

import json
import secrets
import sys
from contextlib import closing
from datetime import date, datetime
from decimal import Decimal

import luigi
import pandas as pd
import pytest
import sqlalchemy as sa
from luigi.mock import MockTarget
from luigi.tools.range import RangeDaily
from sqlalchemy import Column, DateTime, Float, Integer, Numeric, String
from typer.testing import CliRunner

from luigi_sinks import config, elasticsearch, mariadb, neo4j
from luigi_sinks.checks import not_empty, unique_across_partitions
from luigi_sinks.cli.app import app
from luigi_sinks.contrib import esindex, mysqldb, sqla
from luigi_sinks.elasticsearch.connection import ask
from luigi_sinks.elasticsearch.settings import ElasticsearchSettings
from luigi_sinks.errors import BadRow, Conflict
from luigi_sinks.neo4j import Neo4jSettings, connection


@pytest.fixture
def name():
    """A name that no other test uses."""
    return f"c{secrets.token_hex(4)}"


def build(*tasks, workers=1):
    return luigi.build(tasks, workers=workers, local_scheduler=True, no_lock=True, log_level="WARNING")


def ask_mariadb(query):
    with closing(mariadb.Marker("x", update_id="x").connect()) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def ask_elasticsearch(index):
    settings = config.read_connection(ElasticsearchSettings, "elasticsearch")
    hits = ask(settings, lambda es: es.search(index=index, size=100))["hits"]["hits"]
    return sorted((hit["_id"], hit["_source"]) for hit in hits)


class Lines(luigi.Task):
    """Writes the lines of a file, which is kept in memory."""

    name = luigi.Parameter()
    lines = luigi.ListParameter(significant=False)

    def output(self):
        return MockTarget(self.name)

    def run(self):
        with self.output().open("w") as file:
            file.writelines(f"{line}\n" for line in self.lines)


def table_of(base, name, columns, **attributes):
    return type("Loaded", (base,), {"table": name, "columns": columns, **attributes})


# sqla and mysqldb


def test_lines_of_a_file_become_rows(name):
    lines = [f"item{number}\tproperty{number}" for number in range(10)]
    columns = [(["item", String(64)], {}), (["note", String(64)], {})]
    requires = lambda self: Lines(name, lines)  # noqa: E731 - a method
    assert build(table_of(sqla.CopyToTable, name, columns, chunk_size=1, requires=requires)())
    assert sorted(ask_mariadb(f"SELECT * FROM {name}")) == [tuple(line.split("\t")) for line in lines]


def test_values_are_cast_as_the_server_and_its_drivers_did(name):
    columns = [
        (["id", Integer], {"primary_key": True}),
        (["name", String(20)], {}),
        (["price", Float], {}),
        (["exact", Numeric(9, 2)], {}),
        (["at", DateTime], {}),
    ]
    given = [
        ("1", "a", "1.5", " 2.50 ", "2013-01-31"),
        (2, "b", 2, 3, datetime(2013, 1, 31, 5, 0, 0, 123)),
        (3.0, 4, "500\n", Decimal("1.10"), date(2013, 1, 31)),
    ]
    assert build(table_of(sqla.CopyToTable, name, columns, rows=lambda self: given)())
    assert ask_mariadb(f"SELECT * FROM {name} ORDER BY id") == [
        (1, "a", 1.5, Decimal("2.50"), datetime(2013, 1, 31)),
        (2, "b", 2.0, Decimal("3.00"), datetime(2013, 1, 31, 5)),
        (3, "4", 500.0, Decimal("1.10"), datetime(2013, 1, 31)),
    ]


def test_ten_tasks_with_two_parameters_each_keep_their_row(name):
    class Pairs(sqla.CopyToTable):
        item = luigi.Parameter()
        note = luigi.Parameter()
        table, columns = name, [(["item", String(64)], {}), (["note", String(64)], {})]
        partition_by = ("item", "note")

        def rows(self):
            return [(self.item, self.note)]

    assert build(*(Pairs(f"item{number}", f"note {number}") for number in range(10)), workers=2)
    assert len(ask_mariadb(f"SELECT * FROM {name}")) == 10


def test_a_range_of_dates_loads_each(name):
    class Daily(mysqldb.CopyToTable):
        day = luigi.DateParameter()
        table, columns, partition_by = name, (("words", "text"), ("n", "int")), ("day",)

        def input(self):
            source = MockTarget(f"{name} {self.day}")
            with source.open("w") as file:
                file.write(f"{self.day}\t1\n")
            return source

    assert build(RangeDaily(of=Daily, start=date(2013, 1, 1), stop=date(2013, 1, 4), days_back=10**5))
    assert sorted(ask_mariadb(f"SELECT * FROM {name}")) == [(f"2013-01-0{day}", 1) for day in (1, 2, 3)]


def test_types_as_text_and_values_for_null(name):
    columns = [("id", "INT(11) PRIMARY KEY"), ("name", "VARCHAR(255)"), ("at", "DATETIME"), ("ok", "BOOL")]
    given = [("1", "NULL", "2013-01-31 05:00:00", "1"), (2, "", None, 0)]
    kind = table_of(mysqldb.CopyToTable, name, columns, null_values=(None, "NULL"), rows=lambda self: given)
    assert build(kind())
    assert ask_mariadb(f"SELECT * FROM {name} ORDER BY id") == [
        (1, None, datetime(2013, 1, 31, 5), 1),
        (2, "", None, 0),
    ]


def test_rows_of_iterrows_load_in_the_old_dialect_and_name_the_way_out_in_the_new_one(name):
    frame = pd.DataFrame({"item": ["a", "b"], "n": [1, 2]})
    rows = lambda self: (row for _, row in frame.iterrows())  # noqa: E731 - a method
    assert build(table_of(sqla.CopyToTable, name, [(["item", String(9)], {}), (["n", Integer], {})], rows=rows)())
    assert sorted(ask_mariadb(f"SELECT * FROM {name}")) == [("a", 1), ("b", 2)]
    native = table_of(mariadb.CopyToTable, f"{name}n", [Column("item", String(9)), Column("n", Integer)], rows=rows)
    with pytest.raises(BadRow, match=r"itertuples\(index=False\)"):
        native().run()


def test_a_first_load_that_fails_for_a_wrong_type_does_not_bind_the_next_one(name):
    def task_of(kind):
        return table_of(sqla.CopyToTable, name, [(["n", kind], {})], rows=lambda self: [("text",)])()

    assert not build(task_of(Integer))
    assert build(task_of(String(9)))
    assert ask_mariadb(f"SELECT * FROM {name}") == [("text",)]


def test_a_column_whose_type_the_server_refuses_does_not_bind_the_next_load(name):
    def task_of(kind):
        return table_of(sqla.CopyToTable, name, [(["n", kind], {})], rows=lambda self: [("text",)])()

    assert not build(task_of(sa.CHAR(9_999)))
    assert build(task_of(String(9)))


def test_an_incremental_task_with_a_dict_and_outputs_of_others_works(name, tmp_path):
    class Incremental(mysqldb.CopyToTable):
        day = luigi.DateParameter()
        options = luigi.DictParameter(default={"deep": {"list": [1, 2]}})
        table, columns, partition_by = name, [("n", "INT")], ("day", "options")

        def rows(self):
            return [(n,) for n in self.options["deep"]["list"]]

        def output(self):
            return [super().output(), luigi.LocalTarget(f"{tmp_path}/{self.day}")]

        def run(self):
            with self.output()[0].open("w") as sink:
                for row in self.rows():
                    sink.write(row)
            self.output()[1].open("w").close()

        def complete(self):
            return all(each.exists() for each in self.output())

    assert build(Incremental(date(2013, 1, 1)), Incremental(date(2013, 1, 2)))
    assert Incremental(date(2013, 1, 1)).complete()
    assert len(ask_mariadb(f"SELECT * FROM {name}")) == 4


def test_no_secret_of_a_parameter_is_in_the_registry(name):
    class Configured(mysqldb.CopyToTable):
        db_config = luigi.DictParameter()
        table, columns, partition_by = name, [("n", "INT")], ()

        def rows(self):
            return [(1,)]

    task = Configured(db_config={"host": "db.internal", "password": "hunter2-hunter2"})
    assert build(task)
    assert task.complete()
    settings = config.read_connection(mariadb.MariaDBSettings, "mariadb")
    ((update_id, record),) = ask_mariadb(f"SELECT update_id, record FROM {settings.database}__v.{name}__log")
    assert "[redacted]" in record
    assert "hunter2" not in f"{update_id}{record}"


# What exists


def test_a_table_that_exists_with_rows_is_adopted_as_the_page_shows(name, page, command_of):
    before, after = (each for each in page("docs/migrating.md").blocks("python") if "class Levels(" in each)
    assert "INSERT, UPDATE and DELETE on the table" in before
    with closing(mariadb.Marker("x", update_id="x").connect()) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {name} (item VARCHAR(20) PRIMARY KEY, pieces INT NOT NULL) CHARSET utf8mb4")
        cursor.execute(f"INSERT INTO {name} VALUES ('tea', 3), ('cake', 4)")
        connection.commit()
    run = command_of("import luigi\n" + after.replace('"levels"', f'"{name}"'))
    declared = CliRunner().invoke(app, ["declare", f"mariadb:{name}"], catch_exceptions=False).stdout
    columns = [line.strip() for line in after.splitlines() if line.strip().startswith("Column(")]
    assert [line.strip() for line in declared.replace("'", '"').splitlines() if "Column(" in line] == columns
    assert run("adopt", "Levels", "--dry-run").exit_code == 0
    adopted = run("adopt", "Levels")
    assert adopted.exit_code == 0, adopted.output
    levels = sys.modules[run.module].Levels()
    assert levels.complete()
    assert ask_mariadb(f"SELECT * FROM {name} ORDER BY item") == [("cake", 4), ("tea", 3)]
    assert build(levels.clone(rerun="corrected"))
    assert ask_mariadb(f"SELECT * FROM {name}") == [("tea", 7)]


# esindex

MAPPING = {"properties": {"id": {"type": "keyword"}, "text": {"type": "text"}, "n": {"type": "integer"}}}


def index_of(name, **attributes):
    return type("Indexed", (esindex.CopyToIndex,), {"index": name, "mapping": MAPPING, "id_field": "id", **attributes})


def test_documents_with_metadata_load_under_their_ids(name):
    given = [
        {"_id": "a", "_index": name, "_type": "entry", "text": "x", "n": 1},
        json.dumps({"_id": "b", "text": "y", "n": 2}),
    ]
    attributes = {"doc_type": "entry", "settings": {"settings": {"number_of_shards": 1}}, "docs": lambda self: given}
    assert build(index_of(name, **attributes)())
    assert ask_elasticsearch(name) == [
        ("a", {"id": "a", "text": "x", "n": 1}),
        ("b", {"id": "b", "text": "y", "n": 2}),
    ]


def test_json_lines_of_a_file_become_documents(name):
    lines = [json.dumps({"id": str(number), "n": number}) for number in range(3)]
    assert build(index_of(name, requires=lambda self: Lines(name, lines))())
    assert [source["n"] for _, source in ask_elasticsearch(name)] == [0, 1, 2]


def test_the_proposed_mapping_loads_the_documents_it_was_proposed_from(name):
    given = [
        {"_id": "a", "name": "a", "n": 1, "ratio": 1, "tags": ["x"], "at": "2013-01-31T05:00:00Z", "who": {"id": 1}},
        {"_id": "b", "name": "b", "n": 2, "ratio": 2.5, "ok": True, "who": {"id": 2, "mail": "x@y.z"}},
    ]
    with pytest.raises(luigi.parameter.ParameterException) as refused:
        index_of(name, mapping=None, id_field="", docs=lambda self: given)()
    proposal = {}
    exec(str(refused.value).partition(":\n")[2], proposal)
    kind = index_of(name, mapping=proposal["mapping"], id_field=proposal["id_field"], docs=lambda self: given)
    assert build(kind())
    assert [id_ for id_, _ in ask_elasticsearch(name)] == ["a", "b"]


def test_two_tasks_append_to_one_index_by_a_partition_each(name):
    def task_of(family, **attributes):
        docs = lambda self: [{"id": family, "n": 1}]  # noqa: E731 - a method
        body = {"index": name, "mapping": MAPPING, "id_field": "id", "docs": docs, **attributes}
        return type(family, (esindex.CopyToIndex,), body)()

    task_of("Shop", partition="shop").run()
    task_of("Forum", partition="forum").run()
    assert [id_ for id_, _ in ask_elasticsearch(name)] == ["Forum", "Shop"]
    with pytest.raises(Conflict, match="partition = 'NAME' where no parameter tells them apart"):
        task_of("Third", partition="shop").run()


@pytest.mark.parametrize("size", [0, 1])
def test_the_history_says_how_many_outputs_are_complete(name, size):
    class Dump(esindex.CopyToIndex):
        number = luigi.IntParameter()
        index, mapping, id_field = name, MAPPING, "id"
        purge_existing_index, marker_index_hist_size = True, size

        def docs(self):
            return [{"id": "x", "n": self.number}]

    assert build(Dump(1), Dump(2))
    assert [source["n"] for _, source in ask_elasticsearch(name)] in ([1], [2])
    assert [Dump(number).complete() for number in (1, 2)].count(True) == (1 if size else 2)


# Neo4j


def test_merge_statements_over_mixed_rows_become_a_declaration(name):
    person, article = f"Person{name}", f"Article{name}"
    given = [(person, {"id": 1}), ("WRITESTO", {"start": 1, "end": "a"}), (article, {"doi": "a"}), (person, {"id": 2})]
    declared = {
        "nodes": [neo4j.Node(person, "id", {"id": int}), neo4j.Node(article, "doi", {"doi": str})],
        "relationships": [neo4j.Relationship("WRITESTO", person, article)],
        "rows": lambda self: given,
    }
    versioned = type("Merged", (neo4j.CopyToGraph,), {"graph": name, **declared})()
    with pytest.raises(BadRow, match=r"after the first WRITESTO; .* use neo4j.MergeIntoGraph"):
        versioned.run()
    merged = type("Merged", (neo4j.MergeIntoGraph,), {"graph": name, **declared})()
    assert build(merged)
    assert merged.complete()
    settings = config.read_connection(Neo4jSettings, "neo4j")
    asked = f"MATCH (p:{person}) RETURN p.id AS id, COUNT {{ (p)-[:WRITESTO]->(:{article}) }} AS articles ORDER BY id"
    assert connection.query(settings, asked) == [{"id": 1, "articles": 1}, {"id": 2, "articles": 0}]


# What every store has


def rows_of(store, ids):
    if store == "neo4j":
        return [("Item", {"id": id_}) for id_ in ids]
    return [{"id": id_} for id_ in ids]


def task_of(store, name, ids, **attributes):
    """Return a task that loads rows of one key into a store."""
    rows = lambda self: rows_of(store, ids(self) if callable(ids) else ids)  # noqa: E731 - a method
    bases = {
        "mariadb": (mariadb.CopyToTable, {"table": name, "columns": [Column("id", Integer, primary_key=True)]}),
        "elasticsearch": (
            elasticsearch.CopyToIndex,
            {"index": name, "mapping": {"id": {"type": "integer"}}, "id_field": "id", "docs": rows},
        ),
        "neo4j": (neo4j.CopyToGraph, {"graph": name, "nodes": [neo4j.Node("Item", "id", {"id": int})]}),
    }
    base, body = bases[store]
    return type("Items", (base,), {**body, **({} if store == "elasticsearch" else {"rows": rows}), **attributes})


STORES = ["mariadb", "elasticsearch", "neo4j"]


@pytest.mark.parametrize("store", STORES)
def test_a_key_of_another_partition_is_found(store, name):
    unique = (not_empty, unique_across_partitions)
    assert build(task_of(store, name, [1, 2], partition="north", checks=unique)())
    south = type("South", (task_of(store, name, [2, 3], partition="south", checks=unique),), {})
    with pytest.raises(Exception, match=r"id = 2 too, so readers would see that key twice"):
        south().run()


@pytest.mark.parametrize("store", STORES)
def test_an_older_date_is_complete_and_not_shown(store, name):
    kind = task_of(
        store,
        name,
        lambda self: [self.day.day],
        day=luigi.DateParameter(),
        partition_by=(),
        older="superseded",
    )
    assert build(kind(date(2013, 1, 2)))
    assert build(kind(date(2013, 1, 1)))
    older = kind(date(2013, 1, 1))
    assert (older.complete(), older.output().record().state) == (True, "superseded")
    assert older.output().sink().head("_all").record.origin.period == "2013-01-02"
    assert len(list(older.output().rows())) == 1


@pytest.mark.parametrize("store", STORES)
def test_bad_rows_are_set_aside_and_counted(store, name, tmp_path):
    kind = task_of(store, name, [1, "two", 3, None], on_bad_row="set_aside", most_bad_rows=0.6)
    with_rejects(tmp_path)
    try:
        assert build(kind())
        record = kind().output().record()
    finally:
        config.use(None)
    assert (record.rows, record.set_aside) == (2, 2)
    (file,) = (tmp_path / "rejects").iterdir()
    assert [json.loads(line)["row"] for line in file.read_text().splitlines()] == [2, 4]


def with_rejects(folder):
    """Use luigi.cfg with a folder for bad rows."""
    found = {}
    for section in config.section_names():
        place = found
        for part in section.split(".")[1:]:
            place = place.setdefault(part, {})
        place.update(config.section(section))
    config.use({"luigi_sinks": {**found, "rejects": str(folder / "rejects")}})
