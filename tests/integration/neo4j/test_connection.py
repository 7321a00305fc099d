"""How a connection is made: its secret, its certificate, and what goes wrong with either."""

import contextlib
import secrets
from dataclasses import replace

import neo4j
import pytest
import trustme
from luigi.configuration import get_config
from neo4j.exceptions import Neo4jError

from luigi_sinks import BadSetting, CredentialError
from luigi_sinks.neo4j import connection


@pytest.fixture
def moving(settings, secret, tmp_path):
    """Return settings with a credential of their own, and the file it is read from."""
    name, path = f"moving_{secrets.token_hex(4)}", tmp_path / "secret"
    path.write_text(secret)
    get_config().read_dict({f"luigi_sinks.credential.{name}": {"source": "file", "path": str(path)}})
    yield replace(settings, credential=name), path
    get_config().remove_section(f"luigi_sinks.credential.{name}")


@pytest.fixture
def user(driver):
    """Return a user of the server, whose password is `first password`."""
    name = f"user_{secrets.token_hex(4)}"
    driver.execute_query(f"CREATE USER {name} SET PASSWORD 'first password' CHANGE NOT REQUIRED")
    yield name
    driver.execute_query(f"DROP USER {name}")


def answer(settings):
    return connection.query(settings, "RETURN 1 AS one")


def test_a_secret_that_the_server_refuses_is_a_credential_error(moving):
    settings, file = moving
    file.write_text("nonsense")
    with pytest.raises(CredentialError, match=r"was refused by the server: .*Unauthorized") as caught:
        answer(settings)
    assert "nonsense" not in str(caught.value)


def test_a_secret_that_was_replaced_is_used_for_the_next_connection(moving, user, driver):
    settings, file = moving
    settings = replace(settings, user=user)
    file.write_text("first password")
    with contextlib.closing(connection.stream(settings, "UNWIND range(1, 10000) AS x RETURN x")) as busy:
        next(busy)
        driver.execute_query(f"ALTER USER {user} SET PASSWORD 'second password'")
        file.write_text("second password")
        assert answer(settings) == [{"one": 1}]


def test_a_token_that_expires_between_two_rows_is_a_credential_error(settings, monkeypatch):
    rows = connection.stream(settings, "UNWIND range(1, 100000) AS x RETURN x")
    next(rows)

    def refuse(*_):
        raise Neo4jError._hydrate_neo4j(code="Neo.ClientError.Security.TokenExpired", message="it expired")

    monkeypatch.setattr(neo4j.Result, "fetch", refuse)
    with pytest.raises(CredentialError, match=r"accepts the token .* no longer .*it expired.*read the rows again"):
        next(rows)


def test_a_certificate_of_another_authority_is_refused(settings, tmp_path):
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    with pytest.raises(BadSetting, match=r"tls_ca = .*ca.pem is wrong"):
        answer(replace(settings, tls_ca=tmp_path / "ca.pem"))


def test_an_authority_that_cannot_be_read_is_named(settings, tmp_path):
    with pytest.raises(BadSetting, match=r"tls_ca = .*nothing.pem .*No such file"):
        answer(replace(settings, tls_ca=tmp_path / "nothing.pem"))


def test_a_database_that_is_not_there_is_named(settings):
    with pytest.raises(BadSetting, match="has no database 'nowhere'"):
        answer(replace(settings, database="nowhere"))


def test_a_cluster_s_scheme_finds_the_server_too(settings):
    assert answer(replace(settings, scheme="neo4j")) == [{"one": 1}]
