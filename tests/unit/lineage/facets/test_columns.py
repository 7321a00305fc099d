"""Columns come from where the task declares it."""

from luigi_sinks.recording.events import Column, Dataset
from tests.unit.lineage.one_run import TABLE, end, facet, last, read, start, write


def test_columns_come_from_where_the_task_declares_it_and_the_run_has_read():
    declared = {
        "delay": {"departures": ("dep_delay", "arr_delay"), "weather": ("wind",)},
        "dropped": {"departures": ("id",)},
        "carrier": {"carriers": ("code",)},
    }
    columns = (Column("delay", "FLOAT"), Column("carrier", "TEXT"))
    made = write(Dataset("elasticsearch://es:9200", "delays"), columns=columns)
    (output,) = last(start(column_lineage=declared), read(TABLE), made, end())["outputs"]
    fields = facet(output, "columnLineage")["fields"]
    assert fields.keys() == {"delay"}
    assert [(each["namespace"], each["name"], each["field"]) for each in fields["delay"]["inputFields"]] == [
        (TABLE.namespace, TABLE.name, "dep_delay"),
        (TABLE.namespace, TABLE.name, "arr_delay"),
    ]


def test_without_a_declaration_nothing_is_said_of_where_columns_come_from():
    (output,) = last(start(), read(TABLE), write(columns=(Column("id", "INTEGER"),)), end())["outputs"]
    assert "columnLineage" not in output["facets"]
