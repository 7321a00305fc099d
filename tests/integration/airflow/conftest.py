"""Airflow, in a virtual environment and a home of its own."""

import pytest

from luigi_sinks.testing import namespaces
from tests import vault_emulator
from tests.airflow_home import CONNECTIONS, Home, login
from tests.airflow_services import Services


@pytest.fixture(scope="session")
def vault(servers_config):
    """Give a Vault that leases logins to MariaDB."""
    with vault_emulator.serving(*login(servers_config, "mariadb")) as found:
        yield found


@pytest.fixture(scope="session")
def airflow(servers_config, vault, tmp_path_factory):
    """Give a home of Airflow, whose connections lead to the real servers."""
    home = Home(tmp_path_factory.mktemp("airflow"), servers_config, namespaces.new(), vault.address)
    home.make()
    yield home
    namespaces.drop(CONNECTIONS.values(), home.namespace)


@pytest.fixture(scope="session")
def services(airflow):
    """Give a running scheduler with its LocalExecutor."""
    found = Services(airflow)
    try:
        found.start()
        yield found
    finally:
        found.stop()
