import pytest

from luigi_sinks.mariadb import MariaDBCatalog, MariaDBSink, parse_schema
from luigi_sinks.mariadb.connection import rows, run
from luigi_sinks.mariadb.store import STORE
from luigi_sinks.testing.columns_suite import ColumnSuite
from tests.items import COLUMNS, ITEMS


class TestMariaDBSink(ColumnSuite):
    refuses_another_kind_of_partitions_at_once = True

    @pytest.fixture(autouse=True)
    def _settings(self, settings, forge):
        self.settings, self.forge = settings, forge

    def make_sink(self, dataset):
        return MariaDBSink(self.settings, dataset, parse_schema(dataset, COLUMNS))

    def with_columns(self, sink, *allow_change, **columns):
        return ITEMS["mariadb"].with_columns(sink, *allow_change, **columns)

    def catalog(self, sink):
        return MariaDBCatalog(self.settings, sink.dataset)

    def datasets(self, sink):
        return STORE.list_datasets(self.settings)

    def shown(self, sink):
        return ITEMS["mariadb"].shown(sink)

    def shown_as(self, sink, version, name):
        ((count,),) = run(self.settings, rows, f"SELECT COUNT(*) FROM `{self.settings.database}`.`{name}`")
        return count
