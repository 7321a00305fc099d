"""What a task would say in vain is refused when it is made, with the way out."""

from datetime import date

import luigi
import pandas as pd
import pytest
import sqlalchemy as sa
from luigi.parameter import ParameterException
from sqlalchemy import Column, Integer, String

from luigi_sinks import elasticsearch, mariadb, neo4j, redaction, running
from luigi_sinks.errors import BadSetting
from luigi_sinks.neo4j import Node

DAY = date(2013, 1, 31)

TABLE = {"table": "items", "columns": [Column("item", String(9), primary_key=True)], "rows": lambda self: [("a",)]}
INDEX = {"index": "items", "mapping": {"item": {"type": "keyword"}}, "docs": lambda self: [{"item": "a"}]}
GRAPH = {
    "graph": "items",
    "nodes": [Node("Item", "item", {"item": str})],
    "rows": lambda self: [("Item", {"item": "a"})],
}
STORES = [(mariadb.CopyToTable, TABLE), (elasticsearch.CopyToIndex, INDEX), (neo4j.CopyToGraph, GRAPH)]


def task_of(base, body, **attributes):
    return type("Items", (base,), {**body, **attributes})


def refusal_of(base, body, **attributes):
    with pytest.raises(ParameterException) as refused:
        task_of(base, body, **attributes)()
    return str(refused.value)


@pytest.mark.parametrize(("base", "body"), STORES)
@pytest.mark.parametrize(
    ("name", "value", "way_out"),
    [
        ("connection_string", "mysql://db.internal/x", "in luigi.cfg says where the server is"),
        ("host", "db.internal", "in luigi.cfg says where the server is"),
        ("password", "hunter2", "the section of the connection names a credential"),
        ("schema", "sales", "a schema is a database"),
        ("reflect", True, "declare `columns`"),
        ("schema", pd.DataFrame({"a": [1, 2]}), "a schema is a database"),
        ("engine", property(lambda self: None), "says where the server is"),
        ("copy", lambda self, *given: None, "remove the repeats in rows()"),
        ("create_table", lambda self, engine: None, "the table is made from `columns`"),
        ("init_copy", lambda self, connection: None, "each version replaces its partition"),
        ("post_copy", lambda self, connection: None, "in a task that requires this one"),
        ("metadata_columns", [("loaded", "DATETIME")], "declare these columns"),
        ("marker_table", "updates", "`luigi-sinks adopt-marks NAME` takes over the marks"),
        ("marker_index", "updates", "`luigi-sinks adopt-marks NAME` takes over the marks"),
        ("marker_doc_type", "entry", "`luigi-sinks adopt-marks NAME` takes over the marks"),
        ("use_ssl", True, "TLS is on, except for a loopback address without tls_ca"),
        ("update_id", "the first", "the task's id identifies its output"),
        ("update_id", lambda self: "the first", "the task's id identifies its output"),
        ("update_id", property(lambda self: "the first"), "the task's id identifies its output"),
    ],
)
def test_an_attribute_that_nothing_reads_is_refused_by_name(base, body, name, value, way_out):
    said = refusal_of(base, body, **{name: value})
    assert f"Items has attributes that would be ignored. {name}: " in said
    assert way_out in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("name", "value", "way_out"),
    [
        ("null_values", ("",), "luigi_sinks.contrib.mysqldb honour it"),
        ("purge_existing_index", True, "luigi_sinks.contrib.esindex takes it"),
        ("marker_index_hist_size", 1, "luigi_sinks.contrib.esindex takes it"),
    ],
)
@pytest.mark.parametrize(("base", "body"), STORES)
def test_what_an_old_dialect_honours_is_refused_elsewhere_and_names_it(base, body, name, value, way_out):
    assert way_out in refusal_of(base, body, **{name: value})


def test_all_attributes_that_nothing_reads_are_listed_in_one_message():
    said = refusal_of(mariadb.CopyToTable, TABLE, host="db", user="me", copy=len, update_id="x")
    assert "host, user: remove it" in said
    assert "copy: " in said
    assert "update_id: " in said


@pytest.mark.parametrize(("name", "value"), [("schema", ""), ("reflect", False), ("host", None)])
def test_an_attribute_with_an_empty_value_asks_for_nothing(name, value):
    assert task_of(mariadb.CopyToTable, TABLE, **{name: value})().output().name == "items"


def test_a_parameter_that_only_says_where_to_load_is_refused_by_name_and_proposed_as_no_partition():
    said = refusal_of(mariadb.CopyToTable, TABLE, connection_string=luigi.Parameter(default="mysql://db/x"))
    assert "connection_string: remove it" in said
    assert "partition_by = (" not in said


def test_a_parameter_that_chooses_the_partition_is_not_ignored_whatever_its_name():
    by_host = task_of(mariadb.CopyToTable, TABLE, host=luigi.Parameter(default="web1"), partition_by=("host",))
    assert by_host().output().partition == "web1"
    said = refusal_of(mariadb.CopyToTable, TABLE, host=luigi.Parameter(default="web1"), partition_by=())
    assert "if it means something else, name it in partition_by, or give it another name" in said


def test_an_attribute_that_a_task_sets_after_it_was_made_is_refused_before_it_runs():
    class Late(task_of(mariadb.CopyToTable, TABLE)):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.connection_string = "mysql://elsewhere/x"

    with pytest.raises(BadSetting, match="connection_string: remove it"):
        Late().complete()


def test_rows_in_the_place_of_docs_are_refused():
    assert "rows: define docs() instead" in refusal_of(elasticsearch.CopyToIndex, INDEX, rows=lambda self: [])


@pytest.mark.parametrize("table", ["sales.orders", "`sales`.`orders`"])
def test_a_table_name_with_a_schema_is_refused_with_the_connection_to_declare(table):
    said = refusal_of(mariadb.CopyToTable, TABLE, table=table)
    assert "connection = 'sales'" in said
    assert "[luigi_sinks.mariadb.sales] database = sales" in said


def test_a_table_of_a_schema_is_refused_with_the_connection_to_declare():
    orders = sa.Table("orders", sa.MetaData(), Column("id", Integer, primary_key=True), schema="sales")
    assert "connection = 'sales'" in refusal_of(mariadb.CopyToTable, TABLE, columns=orders)


# partition_by


class Regional(mariadb.CopyToTable):
    day = luigi.DateParameter()
    region = luigi.Parameter(default="north")
    table, columns = TABLE["table"], TABLE["columns"]


def test_the_message_about_partition_by_lists_all_parameters_and_says_what_leaving_one_out_does():
    with pytest.raises(ParameterException) as refused:
        Regional(DAY)
    said = str(refused.value)
    assert "partition_by = ('day', 'region') to keep the rows of each task" in said
    assert "partition_by = () to replace the whole dataset, of which only the rows of the last task are left" in said
    assert "without one of these names, tasks that differ only in it replace each other's rows" in said


def test_a_parameter_that_only_configures_is_not_proposed_as_a_partition():
    kind = type("Configured", (Regional,), {"db_config": luigi.DictParameter(default=SECRETS)})
    with pytest.raises(ParameterException, match=r"partition_by = \('day', 'region'\)"):
        kind(DAY)


@pytest.mark.parametrize(
    ("parameter", "value", "other"),
    [
        (luigi.DictParameter(), {"a": {"b": [1]}}, {"a": {"b": [2]}}),
        (luigi.ListParameter(), ["a", ["b"]], ["a", ["c"]]),
    ],
)
def test_a_parameter_whose_values_are_dicts_or_lists_can_partition(parameter, value, other):
    kind = task_of(mariadb.CopyToTable, TABLE, scope=parameter, partition_by="scope")
    assert kind(scope=value).output().partition != kind(scope=other).output().partition


SECRETS = {"host": "db.internal", "password": "hunter2-hunter2"}


def test_no_secret_in_a_parameter_reaches_the_record(memory):
    class Configured(task_of(mariadb.CopyToTable, TABLE)):
        db_config = luigi.DictParameter()
        login = luigi.Parameter(default="mysql://me:hunter2-hunter2@db.internal/x")
        day = luigi.DateParameter(default=DAY)
        partition_by = ("day",)

    task = Configured(db_config=SECRETS)
    task.run()
    assert task.complete()
    origin = task.output().record().origin
    assert origin.params == {"db_config": redaction.MARK, "login": redaction.MARK, "day": "2013-01-31"}
    assert not Configured(db_config={**SECRETS, "password": "another"}).complete()
    written = b"".join(path.read_bytes() for path in memory.iterdir())
    assert b"hunter2" not in written


def test_a_task_with_a_secret_that_another_scheduler_completed_meanwhile_is_not_loaded_again(memory):
    class Configured(task_of(mariadb.CopyToTable, TABLE)):
        db_config = luigi.DictParameter()
        partition_by = ()

        def rows(self):
            raise AssertionError("it is complete")

    task = Configured(db_config=SECRETS)
    parent = type("Configured", (Configured,), {"rows": lambda self: [("a",)]})(db_config=SECRETS)
    assert parent.task_id == task.task_id
    parent.run()
    running.become(running.Running(task.task_id, "Configured", is_incomplete=True))
    try:
        task.run()
    finally:
        running.become(running.Running())
    assert len(list(task.output().sink().records())) == 1


def test_a_secret_cannot_choose_the_partition():
    kind = task_of(mariadb.CopyToTable, TABLE, db_config=luigi.DictParameter(), partition_by="db_config")
    with pytest.raises(ParameterException, match="db_config holds what looks like a secret") as refused:
        kind(db_config=SECRETS)
    assert "hunter2" not in str(refused.value)


# A partition that is no parameter


def items_of(family, given, **attributes):
    body = {**INDEX, "id_field": "item", "docs": lambda self: [{"item": item} for item in given], **attributes}
    return type(family, (elasticsearch.CopyToIndex,), body)


def test_two_tasks_append_to_one_dataset_by_a_partition_each(memory):
    for region in ("north", "south"):
        items_of(f"Items{region}", [region], partition=region)().run()
    heads = items_of("Itemsnorth", [], partition="north")().output().sink().heads()
    assert list(heads) == ["north", "south"]


def test_a_task_that_would_replace_anothers_rows_is_told_of_partitions(memory):
    items_of("First", ["a"])().run()
    with pytest.raises(Exception, match="partition = 'NAME' where no parameter tells them apart"):
        items_of("Second", ["b"])().run()


def test_a_partition_beside_partition_by_is_refused():
    kind = items_of("Both", [], day=luigi.DateParameter(), partition="north", partition_by="day")
    with pytest.raises(ParameterException, match="partition = 'north' is set beside it; keep one of the two"):
        kind(day=DAY)


def test_a_partition_of_other_characters_is_refused():
    with pytest.raises(ParameterException, match="must consist of 1 to 30 characters a-z"):
        items_of("Loud", [], partition="NORTH!")()


def test_a_constant_partition_leaves_open_what_a_parameter_is_for():
    kind = items_of("Open", [], day=luigi.DateParameter(), partition="north")
    with pytest.raises(ParameterException, match="no partition_by"):
        kind(day=DAY)


def test_a_computed_partition_says_what_each_task_replaces():
    by_month = property(lambda self: f"north_{self.day:%Y%m}")
    kind = items_of("Computed", [], day=luigi.DateParameter(), partition=by_month)
    assert kind(day=DAY).output().partition == "north_201301"


def test_a_parameter_called_partition_stays_a_parameter():
    kind = items_of("Named", [], partition=luigi.Parameter(), partition_by="partition")
    assert kind(partition="North").output().partition == "_4eorth"


# Older dates


class Rates(mariadb.CopyToTable):
    day = luigi.DateParameter()
    table, columns, partition_by = "rates", [Column("day", String(10))], ()
    older = "superseded"

    def rows(self):
        yield {"day": str(self.day)}


def test_a_backfill_may_end_as_superseded_complete_and_not_shown(memory):
    newer, older = Rates(date(2013, 2, 1)), Rates(date(2013, 1, 1))
    assert luigi.build([newer], local_scheduler=True, no_lock=True, log_level="WARNING")
    assert luigi.build([older], local_scheduler=True, no_lock=True, log_level="WARNING")
    assert older.complete()
    assert list(older.output().rows()) == [{"day": "2013-01-01"}]
    seen = newer.output().sink().head("_all").record
    assert seen.origin.period == "2013-02-01"


def test_another_word_for_older_is_refused():
    with pytest.raises(BadSetting, match="older = 'supersede' is unknown; did you mean 'superseded'"):
        mariadb.MariaDBTarget("rates", columns=Rates.columns, update_id="x", older="supersede")


@pytest.mark.parametrize(("base", "body"), STORES)
def test_an_attribute_that_is_almost_called_as_one_of_a_task_is_refused(base, body):
    said = refusal_of(base, body, partiton_by=())
    assert "partiton_by: if it means partition_by, write that; else give it another name" in said


@pytest.mark.parametrize(("base", "body"), STORES)
def test_other_words_are_the_users_own(base, body, memory):
    task_of(base, body, column="item", mappings=1, folder=2, completed=3, my_table="x", partition_by=())()


@pytest.mark.parametrize(("base", "body"), STORES)
def test_an_output_that_rows_cannot_be_loaded_into_is_refused(base, body, memory, tmp_path):
    task = task_of(base, body, partition_by=(), output=lambda self: luigi.LocalTarget(tmp_path / "done"))()
    with pytest.raises(BadSetting, match=r"output\(\) returns a LocalTarget, into which rows\(\) are not loaded"):
        task.run()
