"""The constraints and indexes of lineage's graph are made from one format to the next."""

from dataclasses import replace

import pytest

from luigi_sinks import SinkError
from luigi_sinks.lineage.graph import schema
from luigi_sinks.neo4j.connection import alone


def test_a_graph_of_a_later_release_is_refused(ask):
    set_format = f"MATCH (n:{schema.TURN} {{key: 'turn'}}) SET n.format = $format"
    ask(set_format, format=schema.FORMAT + 1)
    try:
        with pytest.raises(SinkError, match="install a newer luigi_sinks"):
            schema.prepare(ask)
    finally:
        ask(set_format, format=schema.FORMAT)


def test_a_later_format_is_made_from_the_one_before(ask, monkeypatch):
    made = "CREATE INDEX lineage_run_owner IF NOT EXISTS FOR (n:LineageRun) ON (n.owner)"
    monkeypatch.setattr(schema, "MIGRATIONS", {**schema.MIGRATIONS, schema.FORMAT + 1: (made,)})
    monkeypatch.setattr(schema, "FORMAT", schema.FORMAT + 1)
    try:
        schema.prepare(ask)
        schema.prepare(ask)
        assert ask(schema._FOUND_FORMAT)[0]["format"] == schema.FORMAT
        assert ask("SHOW INDEXES YIELD name WHERE name = 'lineage_run_owner' RETURN name")
    finally:
        ask("DROP INDEX lineage_run_owner IF EXISTS")
        ask(f"MATCH (n:{schema.TURN} {{key: 'turn'}}) SET n.format = $format", format=schema.FORMAT - 1)


def test_migrations_by_two_flushers_at_once_end_well(settings, ask):
    ask(f"MATCH (n:{schema.TURN} {{key: 'turn'}}) REMOVE n.format")
    other = replace(settings, patience=settings.patience + 1)  # a driver of its own
    for run in (alone(settings), alone(other)):
        schema.prepare(run)
    assert ask(schema._FOUND_FORMAT)[0]["format"] == schema.FORMAT
