"""All tests in this folder need the real servers."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def _servers(servers_config):
    """Have them up, and luigi's configuration say where."""
