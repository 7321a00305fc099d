from pathlib import Path

import neo4j
import pytest
import trustme
from luigi.configuration import get_config

from luigi_sinks import BadSetting
from luigi_sinks.credentials import Token, TokenInfo
from luigi_sinks.neo4j import Neo4jSettings, Neo4jTarget, Node, connection
from luigi_sinks.neo4j.connection import open_driver

AIRPORT = Node("Airport", key="faa", properties={"faa": str})


@pytest.fixture
def section():
    """Write the store's section of luigi.cfg."""
    parser, name = get_config(), "luigi_sinks.neo4j.written"

    def write(**settings):
        parser.read_dict({name: {key: str(value) for key, value in settings.items()}})
        return "written"

    yield write
    parser.remove_section(name)


@pytest.fixture
def pair(tmp_path):
    """Write an authority's certificate, and a client's and its key; name the three."""
    authority = trustme.CA()
    issued = authority.issue_cert("client")
    blobs = {"ca": authority.cert_pem, "pem": issued.cert_chain_pems[0], "key": issued.private_key_pem}
    for name, blob in blobs.items():
        blob.write_to_path(str(tmp_path / name))
    return tuple(tmp_path / name for name in blobs)


def auth(token, **settings):
    return connection._auth(Neo4jSettings("127.0.0.1", "c", **settings), token)


def test_a_password_is_shown_with_the_user_of_the_connection_unless_its_source_names_one():
    assert auth(Token("x"), user="u") == neo4j.basic_auth("u", "x")
    assert auth(Token("x", TokenInfo(user="leased")), user="u") == neo4j.basic_auth("leased", "x")


def test_a_bearer_token_needs_no_user():
    assert auth(Token("x", TokenInfo(scheme="bearer"))) == neo4j.bearer_auth("x")


def test_what_a_proxy_vouches_for_logs_in_as_nobody():
    assert auth(Token("", TokenInfo(scheme="none"))).scheme == "none"


def test_a_password_without_a_user_names_the_way_out():
    with pytest.raises(BadSetting, match=r"has no user, and credential 'c' is a password; add user = NAME"):
        auth(Token("x"))


@pytest.mark.parametrize("scheme", ["api_key", "signature"])
def test_a_token_that_neo4j_does_not_take_is_refused_here(scheme):
    with pytest.raises(BadSetting, match=f"of the kind '{scheme}'.*a bearer token, or proxied"):
        auth(Token("x", TokenInfo(scheme=scheme)))


def test_an_owner_of_the_task_goes_before_that_of_the_section(section):
    of = {"nodes": (AIRPORT,), "update_id": "x", "connection": section(host="h", credential="c", owner="team")}
    assert Neo4jTarget("g", **of).open_sink().settings.owner == "team"
    assert Neo4jTarget("g", **of, owner="other").open_sink().settings.owner == "other"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"tls_key": "k"}, "tls_key is given without the tls_certificate"),
        ({"tls_server_name": "n"}, "need a tls_ca"),
        ({"tls_certificate": "c"}, "need a tls_ca"),
        ({"scheme": "neo4j"}, r"clear text to whatever addresses .* tls_ca = FILE, or write scheme = bolt"),
    ],
)
def test_settings_that_need_tls_and_have_none_are_refused(section, settings, said):
    target = Neo4jTarget(
        "g", nodes=(AIRPORT,), update_id="x", connection=section(host="localhost", credential="c", **settings)
    )
    with pytest.raises(BadSetting, match=said):
        target.open_sink()


@pytest.mark.parametrize("wrong", ["nothing", "garbage"])
@pytest.mark.parametrize("setting", ["tls_ca", "tls_certificate", "tls_key"])
def test_a_file_of_tls_that_is_not_there_or_no_certificate_is_named(pair, tmp_path, setting, wrong):
    (tmp_path / "garbage").write_text("garbage")
    files = dict(zip(("tls_ca", "tls_certificate", "tls_key"), pair, strict=True))
    open_driver(Neo4jSettings("db", "c", **files)).close()
    with pytest.raises(BadSetting, match=rf"{setting} = \S*{wrong}"):
        open_driver(Neo4jSettings("db", "c", **{**files, setting: tmp_path / wrong}))


def test_an_address_of_six_numbers_stands_in_brackets():
    assert Neo4jSettings("::1", "c").address == "bolt://[::1]:7687"
    assert Neo4jSettings("db", "c", tls_ca=Path("x"), scheme="neo4j").address == "neo4j://db:7687"
