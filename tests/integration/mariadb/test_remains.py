"""What no record accounts for in MariaDB, and how it goes."""

import pytest
from sqlalchemy import Column, Integer

from luigi_sinks import Origin, load, versions
from luigi_sinks.mariadb import MariaDBSink, parse_schema


@pytest.fixture
def sink(settings, table):
    sink = MariaDBSink(settings, table, parse_schema(table, [Column("id", Integer, primary_key=True)]))
    load(sink, "_all", Origin("first"), [(1,), (2,)])
    return sink


def test_rows_and_parts_under_numbers_that_no_record_has_are_swept(sink, ask):
    ask(f"INSERT INTO {sink.names.base} (_seq, id) VALUES (900, 1), (900, 2), (901, 1)")
    ask(f"INSERT INTO {sink.names.parts} (seq, number, row_count) VALUES (902, 0, 5)")
    assert [version.id for version in versions.sweep(sink)] == ["seq_900", "seq_901", "seq_902"]
    assert ask(f"SELECT DISTINCT _seq FROM {sink.names.base}") == [(sink.head("_all").record.seq,)]
    assert versions.sweep(sink) == []
    assert list(sink.read(sink.head("_all").version)) == [{"id": 1}, {"id": 2}]


def test_rows_of_a_version_whose_record_another_table_may_still_hold_stay(settings, load_format_1):
    old = load_format_1()
    catalog = MariaDBSink(old, "monthly", parse_schema("monthly", [Column("id", Integer, primary_key=True)]))
    before = list(catalog.records())
    assert versions.sweep(catalog) == []
    assert list(catalog.records()) == before


def test_a_dataset_never_loaded_has_nothing_to_sweep(settings):
    assert versions.sweep(MariaDBSink(settings, "never", parse_schema("never", [Column("id", Integer)]))) == []
