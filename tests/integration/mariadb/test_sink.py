from dataclasses import replace

import pytest
from sqlalchemy import BigInteger, Column, Date, Double, Integer, String

from luigi_sinks.mariadb import MariaDBCatalog, MariaDBSink, parse_schema
from luigi_sinks.mariadb.connection import rows, run
from luigi_sinks.mariadb.store import STORE
from luigi_sinks.testing.columns_suite import ColumnSuite

COLUMNS = [
    Column("id", Integer, primary_key=True),
    Column("name", String(20), nullable=False),
    Column("amount", Double),
]
TYPES = {"whole": Integer, "long": BigInteger, "time": Date}


def with_columns(sink, *allow_change, **columns):
    added = [Column(name, TYPES[kind], nullable=False) for name, kind in columns.items() if kind]
    return replace(sink, schema=parse_schema(sink.dataset, [*COLUMNS, *added]), allow_change=allow_change)


class TestMariaDBSink(ColumnSuite):
    refuses_another_kind_of_partitions_at_once = True

    @pytest.fixture(autouse=True)
    def _settings(self, settings, forge):
        self.settings, self.forge = settings, forge

    def make_sink(self, dataset):
        return MariaDBSink(self.settings, dataset, parse_schema(dataset, COLUMNS))

    with_columns = staticmethod(with_columns)

    def catalog(self, sink):
        return MariaDBCatalog(self.settings, sink.dataset)

    def datasets(self, sink):
        return STORE.list_datasets(self.settings)

    def shown(self, sink):
        ((count,),) = run(self.settings, rows, f"SELECT COUNT(*) FROM {sink.names.view}")
        return count

    def shown_as(self, sink, version, name):
        ((count,),) = run(self.settings, rows, f"SELECT COUNT(*) FROM `{self.settings.database}`.`{name}`")
        return count
