from importlib import import_module

import pytest


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("sqla", "SQLAlchemyTarget", "luigi_sinks.mariadb.Marker"),
        ("mysqldb", "MySqlTarget", "luigi_sinks.mariadb.Marker"),
        ("esindex", "ElasticsearchTarget", "luigi_sinks.elasticsearch.Marker"),
    ],
)
def test_importing_an_old_target_names_the_marker_to_use(module, old, new):
    with pytest.raises(ImportError, match=rf"{old} has no counterpart of this name: use {new}\(NAME, task=self\)"):
        exec(f"from luigi_sinks.contrib.{module} import {old}")
    assert not hasattr(import_module(f"luigi_sinks.contrib.{module}"), "no_such_name")
