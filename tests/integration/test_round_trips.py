"""What each store accepts of drawn declarations and values is read as it was given, from rows and from frames."""

import pytest

from luigi_sinks import config
from luigi_sinks.elasticsearch import ElasticsearchSettings, ElasticsearchSink
from luigi_sinks.mariadb import MariaDBSettings, MariaDBSink
from luigi_sinks.neo4j import Neo4jSettings, Neo4jSink
from tests.declarations import Graphs, Indices, Tables
from tests.round_trips import round_trips

STORES = {
    "mariadb": (Tables, MariaDBSettings, MariaDBSink),
    "elasticsearch": (Indices, ElasticsearchSettings, ElasticsearchSink),
    "neo4j": (Graphs, Neo4jSettings, Neo4jSink),
}


@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("name", STORES)
def test_what_is_accepted_is_read_as_it_was_given_and_the_rest_is_refused_by_name(name):
    declarations, settings, sink = STORES[name]
    connection = config.read_connection(settings, name)
    store = declarations(lambda dataset, schema: sink(connection, dataset, schema))
    assert round_trips(store, declarations=5, rows=40) >= 2_000
