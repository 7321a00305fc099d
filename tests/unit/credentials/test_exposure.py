import http.client
import logging
import pickle
import subprocess
import sys
from http.server import BaseHTTPRequestHandler

import boto3
import pytest
import urllib3
from botocore.config import Config

from luigi_sinks.credentials import exposure
from luigi_sinks.credentials.sources.vault import VaultSession


class Silent(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args):
        """Do not log requests."""


@pytest.fixture
def printed(serving, monkeypatch, capsys):
    """Return a function that sends a secret with the debug output of http.client, and returns the output."""
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    monkeypatch.setattr(urllib3.connection.HTTPConnection, "debuglevel", 0)  # noted, and put back in the end
    monkeypatch.delattr(urllib3.connection.HTTPConnection, "debuglevel")

    def printed():
        urllib3.PoolManager().request("GET", serving(Silent).address, headers={"authorization": "canary"})
        return capsys.readouterr().out

    return printed


def test_without_our_setting_http_client_prints_requests(printed):
    assert "authorization: canary" in printed()


def test_http_client_does_not_print_requests(printed):
    exposure._prevent_once.__wrapped__()
    assert printed() == ""


class Answering(Silent):
    def do_POST(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(
            b"<GetCallerIdentityResponse><GetCallerIdentityResult><UserId>canary-answer</UserId>"
            b"</GetCallerIdentityResult></GetCallerIdentityResponse>"
        )


@pytest.fixture
def logged(serving, monkeypatch, caplog):
    """Return a function that sends and receives secrets with botocore at DEBUG, and returns the log."""
    for name in exposure.BOTOCORE:
        monkeypatch.setattr(logging.getLogger(name), "filters", [])

    def logged():
        for name in ("botocore", *exposure.BOTOCORE):
            caplog.set_level(logging.DEBUG, name)
        session = boto3.Session("AKIAEXAMPLE", "canary-key", "canary-token", region_name="eu-west-1")
        sts = session.client("sts", endpoint_url=serving(Answering).address, config=Config(proxies={}))
        assert sts.get_caller_identity()["UserId"] == "canary-answer"
        return caplog.text

    return logged


def test_without_our_filters_botocore_logs_what_it_sends_and_receives(logged):
    said = logged()
    assert all(secret in said for secret in ("canary-token", "canary-answer"))


def test_botocore_does_not_log_what_it_sends_and_receives_even_if_set_to_debug_later(logged):
    exposure._prevent_once.__wrapped__()
    said = logged()
    assert "canary" not in said
    assert "Calling endpoint provider with parameters" in said, "its other loggers are left alone"


LIMIT = """
import resource
from luigi_sinks.credentials import exposure
resource.setrlimit(resource.RLIMIT_CORE, ({before}, {hard}))
exposure.prevent()
print(resource.getrlimit(resource.RLIMIT_CORE))
"""


@pytest.mark.parametrize(("before", "hard", "after"), [(1, 1, 1), (0, 1, 1), (0, 0, 0)])
def test_core_files_are_disabled_and_the_hard_limit_is_kept(before, hard, after):
    script = LIMIT.format(before=before, hard=hard)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == f"({after}, {hard})"


def test_a_vault_session_is_not_pickled():
    with pytest.raises(TypeError, match="a Vault session cannot be pickled or copied"):
        pickle.dumps(VaultSession(client=object(), lifetime=1.0))
