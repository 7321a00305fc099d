from sqlalchemy import Column, Double, Integer, String

from luigi_sinks import config
from luigi_sinks.mariadb import MariaDBSink, Settings, schema_of
from luigi_sinks.testing.suite import SinkSuite

COLUMNS = [
    Column("id", Integer, primary_key=True),
    Column("name", String(20), nullable=False),
    Column("amount", Double),
]


class TestMariaDBSink(SinkSuite):
    def make_sink(self, dataset: str) -> MariaDBSink:
        return MariaDBSink(config.read_connection(Settings, "mariadb"), dataset, schema_of(dataset, COLUMNS))
