"""All tests in this folder need the real servers."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def _servers(servers_config):
    """Start the servers, and configure Luigi for them."""
