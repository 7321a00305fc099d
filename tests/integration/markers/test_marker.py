"""Markers on the real servers."""

import re
from contextlib import closing

import luigi
import pytest

from luigi_sinks import config, mariadb
from luigi_sinks.elasticsearch import ElasticsearchSettings
from luigi_sinks.elasticsearch.connection import ask
from luigi_sinks.errors import SinkError, Unavailable
from luigi_sinks.mark import digest
from luigi_sinks.neo4j import Neo4jSettings
from luigi_sinks.neo4j.connection import query
from tests.pages import Page


def build(*tasks, workers=1):
    return luigi.build(tasks, workers=workers, local_scheduler=True, no_lock=True, log_level="WARNING")


def test_a_marker_exists_once_it_was_touched(kind, name):
    marker = kind(name, update_id="first")
    assert not marker.exists()
    marker.touch()
    marker.touch()
    assert marker.exists()
    assert not kind(name, update_id="second").exists()
    assert not kind(f"{name}x", update_id="first").exists()


def test_the_id_of_an_output_may_be_of_any_length(kind, name):
    long = "Ω" * 9_000
    kind(name, update_id=long).touch()
    assert kind(name, update_id=long).exists()
    assert not kind(name, update_id=long[1:]).exists()


def test_twelve_tasks_with_two_workers_mark_one_name_without_a_conflict(kind, name):
    class Marked(luigi.Task):
        number = luigi.IntParameter()

        def output(self):
            return kind(name, task=self)

        def run(self):
            self.output().touch()

    assert build(*(Marked(number) for number in range(12)), workers=2)
    assert all(Marked(number).complete() for number in range(12))


def test_an_unreachable_server_is_an_error_and_not_an_answer(kind, name, store_down):
    with pytest.raises(Unavailable):
        kind(name, update_id="first").exists()
    with pytest.raises(Unavailable):
        kind(name, update_id="first").touch()


def test_markers_of_a_namespace_are_kept_apart(kind, name, section):
    kind(name, update_id="first").touch()
    config.use({"luigi_sinks": {**_sections(), "namespace": "test"}})
    try:
        assert not kind(name, update_id="first").exists()
        kind(name, update_id="first").touch()
        assert kind(name, update_id="first").exists()
    finally:
        config.use(None)


def test_a_name_that_the_store_cannot_have_is_refused(kind):
    with pytest.raises(SinkError):
        kind("A`\\" + "x" * 2_000, update_id="first").exists()


def _sections():
    """Return the sections of luigi.cfg as one table."""
    found = {}
    for name in config.section_names():
        place = found
        for part in name.split(".")[1:]:
            place = place.setdefault(part, {})
        place.update(config.section(name))
    return found


def _on_mariadb(statement):
    with closing(mariadb.Marker("x", update_id="x").connect()) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        connection.commit()


def _on_elasticsearch(request):
    index, shown = re.fullmatch(r"DELETE /([^/]+)/_doc/([0-9a-f]{64})\n", request).groups()
    assert shown == digest("Reviews__99914b932b")
    settings = config.read_connection(ElasticsearchSettings, "elasticsearch")
    ask(settings, lambda es: es.delete(index=index, id=digest("first")))


def _on_neo4j(statement):
    query(config.read_connection(Neo4jSettings, "neo4j"), statement)


STATEMENTS = {
    "mariadb": ("sql", _on_mariadb),
    "elasticsearch": ("http", _on_elasticsearch),
    "neo4j": ("cypher", _on_neo4j),
}


def test_the_statement_that_the_page_shows_lets_a_marked_task_run_again(kind, name, tmp_path):
    for update_id in ("first", "second"):
        kind(name, update_id=update_id).touch()
    language, run = STATEMENTS[kind.store]
    (statement,) = Page("docs/migrating.md", tmp_path).blocks(language)
    database = config.read_connection(mariadb.MariaDBSettings, "mariadb").database
    statement = re.sub(r"\w+_[0-9a-f]{10}", "first", statement).replace("shop__v", f"{database}__v")
    run(re.sub(r"\b(totals(?=__mark)|reviews(?=~marks)|people)\b", name, statement.replace("totals__", f"{name}__")))
    assert not kind(name, update_id="first").exists()
    assert kind(name, update_id="second").exists()
