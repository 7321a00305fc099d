import pytest

from luigi_sinks import Origin, load, stores
from luigi_sinks.contract import Contract, Field, TupleShape
from luigi_sinks.errors import BadSetting
from luigi_sinks.sqlite import SQLiteSink

CONTRACT = Contract("flights", {"": TupleShape((Field("id", int),))})


@pytest.fixture
def flights(memory):
    """A dataset of one version, in the local files that stand for MariaDB."""
    load(SQLiteSink(memory, "mariadb", "flights", CONTRACT), "_all", Origin("Load_1"), [(1,)])
    return memory


def test_stores_are_named_without_importing_them():
    assert {"elasticsearch", "mariadb", "neo4j"} <= set(stores.names())


def test_a_store_that_nobody_registered_is_refused_with_the_nearest_name():
    with pytest.raises(BadSetting, match="'mariabd' is not a store; did you mean 'mariadb'"):
        stores.find("mariabd")


def test_local_files_are_listed_and_opened_by_the_stores_name(flights):
    mariadb = stores.find("mariadb")
    assert mariadb.datasets() == ["flights"]
    assert list(mariadb.catalog("flights").heads()) == ["_all"]
    assert stores.find("neo4j").datasets() == []


def test_a_dataset_that_is_not_there_is_refused_with_the_nearest_name(flights):
    with pytest.raises(BadSetting, match=r"mariadb has no dataset 'flihgts' \(did you mean 'flights'"):
        stores.find("mariadb").catalog("flihgts")


def test_connections_are_those_that_the_configuration_has(luigi_cfg):
    luigi_cfg("[luigi_sinks.mariadb]\nhost = a\n[luigi_sinks.mariadb.archive]\nhost = b\n[luigi_sinks.neo4j]\n")
    assert stores.find("mariadb").connections() == ["", "archive"]
    assert stores.find("elasticsearch").connections() == []
