import json
import multiprocessing
import os
from dataclasses import dataclass, replace

import pytest

from luigi_sinks.credentials import Token, TokenInfo, logins
from luigi_sinks.login import Login


@dataclass(frozen=True)
class Connection:
    address: str
    credential: str
    user: str = ""
    owner: str = ""


SEARCH, ARCHIVE = Connection("search:9200", "idp"), Connection("archive:9200", "idp")


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
        logins.note(SEARCH, token)
        logins.note(Connection("graph:7687", "idp"), token)
        logins.note(Connection("search:9200", "vault"), token)
    logins.note(SEARCH, Token(os.urandom(8).hex()))
    me = os.getpid()
    assert noted() == [
        (me, "search:9200", "idp"),
        (me, "graph:7687", "idp"),
        (me, "search:9200", "vault"),
        (me, "search:9200", "idp"),
    ]


def test_a_login_of_a_forked_child_is_audited(noted, token):
    logins.note(SEARCH, token)
    child = multiprocessing.get_context("fork").Process(target=logins.note, args=(SEARCH, token))
    child.start()
    child.join()
    assert [pid for pid, _, _ in noted()] == [os.getpid(), child.pid]


def test_the_last_login_has_the_token_name_of_its_audit_line(noted, token, tmp_path):
    assert logins.last(ARCHIVE) == Login()
    logins.note(ARCHIVE, Token(os.urandom(8).hex(), TokenInfo(principal="loader", token_id="named")))
    assert logins.last(ARCHIVE) == Login("loader", "named")
    logins.note(ARCHIVE, token)
    assert noted() == [(os.getpid(), "archive:9200", "idp")] * 2
    line = json.loads((tmp_path / "audit").read_text().splitlines()[-1])
    assert logins.last(ARCHIVE).token == line["token"]


@pytest.mark.usefixtures("noted")
def test_a_forked_child_has_used_no_token_yet(token):
    logins.note(ARCHIVE, token)
    context = multiprocessing.get_context("fork")
    found = context.SimpleQueue()
    child = context.Process(target=lambda: found.put(logins.last(ARCHIVE)))
    child.start()
    child.join()
    assert found.get() == Login() != logins.last(ARCHIVE)


@pytest.mark.usefixtures("noted")
@pytest.mark.parametrize("differing", ["user", "owner"])
def test_two_users_or_owners_of_one_credential_have_logins_of_their_own(token, differing):
    first, second = (replace(ARCHIVE, **{differing: name}) for name in ("first", "second"))
    logins.note(first, Token(os.urandom(8).hex(), TokenInfo(principal="one")))
    logins.note(second, Token(os.urandom(8).hex(), TokenInfo(principal="two")))
    logins.note(ARCHIVE, token)
    assert [logins.last(each).principal for each in (first, second)] == ["one", "two"]
