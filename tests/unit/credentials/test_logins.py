import json
import multiprocessing
import os

import pytest

from luigi_sinks.credentials import Token, TokenInfo, logins
from luigi_sinks.login import Login


@pytest.fixture
def noted(luigi_cfg, tmp_path):
    """Return a function that returns process, server and credential of each audited login."""
    luigi_cfg(f"[luigi_sinks.audit]\npath = {tmp_path}/audit\n")

    def noted():
        lines = map(json.loads, (tmp_path / "audit").read_text().splitlines())
        return [(line["pid"], line["server"], line["credential"]) for line in lines if line["action"] == "connection"]

    return noted


@pytest.fixture
def token():
    return Token(os.urandom(8).hex())


def test_a_login_is_audited_once_per_server_credential_and_token(noted, token):
    for _ in range(2):
        logins.note("search:9200", "idp", token)
        logins.note("graph:7687", "idp", token)
        logins.note("search:9200", "vault", token)
    logins.note("search:9200", "idp", Token(os.urandom(8).hex()))
    me = os.getpid()
    assert noted() == [
        (me, "search:9200", "idp"),
        (me, "graph:7687", "idp"),
        (me, "search:9200", "vault"),
        (me, "search:9200", "idp"),
    ]


def test_a_login_of_a_forked_child_is_audited(noted, token):
    logins.note("search:9200", "idp", token)
    child = multiprocessing.get_context("fork").Process(target=logins.note, args=("search:9200", "idp", token))
    child.start()
    child.join()
    assert [pid for pid, _, _ in noted()] == [os.getpid(), child.pid]


def test_the_last_login_has_the_token_name_of_its_audit_line(noted, token, tmp_path):
    assert logins.last("archive:9200", "idp") == Login()
    logins.note("archive:9200", "idp", Token(os.urandom(8).hex(), TokenInfo(principal="loader", token_id="named")))
    assert logins.last("archive:9200", "idp") == Login("loader", "named")
    logins.note("archive:9200", "idp", token)
    assert noted() == [(os.getpid(), "archive:9200", "idp")] * 2
    line = json.loads((tmp_path / "audit").read_text().splitlines()[-1])
    assert logins.last("archive:9200", "idp").token == line["token"]


@pytest.mark.usefixtures("noted")
def test_a_forked_child_has_used_no_token_yet(token):
    logins.note("archive:9200", "idp", token)
    context = multiprocessing.get_context("fork")
    found = context.SimpleQueue()
    child = context.Process(target=lambda: found.put(logins.last("archive:9200", "idp")))
    child.start()
    child.join()
    assert found.get() == Login() != logins.last("archive:9200", "idp")
