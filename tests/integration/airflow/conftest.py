"""Airflow, in a virtual environment and a home of its own."""

import pytest

from luigi_sinks.testing import namespaces
from tests.airflow_home import CONNECTIONS, NAMESPACE, Home


@pytest.fixture(scope="session")
def airflow(servers_config, tmp_path_factory):
    """Give a home of Airflow, whose connections lead to the real servers."""
    home = Home(tmp_path_factory.mktemp("airflow"), servers_config)
    home.make()
    yield home
    namespaces.drop(CONNECTIONS.values(), NAMESPACE)
