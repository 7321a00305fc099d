"""The descriptor by which the core and the command line find MariaDB."""

from luigi_sinks.mariadb.adoption import ExistingTable
from luigi_sinks.mariadb.catalog import MariaDBCatalog, datasets, preflight
from luigi_sinks.mariadb.declaration import declare
from luigi_sinks.mariadb.marks import MariaDBMarks, of_contrib
from luigi_sinks.mariadb.settings import MariaDBSettings
from luigi_sinks.stores import Store

STORE = Store(
    name="mariadb",
    title="MariaDB",
    settings=MariaDBSettings,
    open_catalog=MariaDBCatalog,
    list_datasets=datasets,
    preflight=preflight,
    target="luigi_sinks.mariadb.target:MariaDBTarget",
    grants="luigi_sinks.mariadb.grants",
    open_marks=MariaDBMarks,
    old_marks=of_contrib,
    old_marks_in="table_updates",
    declare=declare,
    existing=ExistingTable,
)
