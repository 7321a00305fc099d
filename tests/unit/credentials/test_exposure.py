import http.client
import pickle
import subprocess
import sys
from http.server import BaseHTTPRequestHandler

import pytest
import urllib3

from luigi_sinks.credentials import exposure
from luigi_sinks.credentials.sources.vault import Login


class Silent(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args):
        """Say nothing of requests."""


@pytest.fixture
def printed(serving, monkeypatch, capsys):
    """Return a function that sends a secret while http.client prints, and returns what it printed."""
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    monkeypatch.setattr(urllib3.connection.HTTPConnection, "debuglevel", 0)  # noted, and put back in the end
    monkeypatch.delattr(urllib3.connection.HTTPConnection, "debuglevel")

    def printed():
        urllib3.PoolManager().request("GET", serving(Silent).address, headers={"authorization": "canary"})
        return capsys.readouterr().out

    return printed


def test_requests_would_be_printed(printed):
    assert "authorization: canary" in printed()


def test_requests_are_not_printed(printed):
    exposure.prevent.__wrapped__()
    assert printed() == ""


LIMIT = """
import resource
from luigi_sinks.credentials import exposure
resource.setrlimit(resource.RLIMIT_CORE, ({before}, {hard}))
exposure.prevent()
print(resource.getrlimit(resource.RLIMIT_CORE))
"""


@pytest.mark.parametrize(("before", "hard", "after"), [(1, 1, 1), (0, 1, 1), (0, 0, 0)])
def test_no_core_file_is_left_and_whoever_needs_one_may_still_raise_the_limit(before, hard, after):
    script = LIMIT.format(before=before, hard=hard)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == f"({after}, {hard})"


def test_a_login_at_vault_is_not_pickled():
    with pytest.raises(TypeError, match="a login at Vault cannot be pickled or copied"):
        pickle.dumps(Login(client=object(), lifetime=1.0))
