"""Logging in by tokens of RDS, which the plugin of the server verifies as AWS does; and servers not to be trusted."""

import configparser
import datetime as dt
import json
import os
import secrets
import socket
import ssl
import threading
import time
import urllib.parse
import urllib.request
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import botocore.auth
import luigi
import mariadb
import pytest
import trustme
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography import x509
from luigi.configuration import get_config
from sqlalchemy import Column, Integer, String

from luigi_sinks import BadSetting, CredentialError, Unavailable, audit, config, load, running, versions
from luigi_sinks import record as rules
from luigi_sinks.claim import held
from luigi_sinks.credentials.provider import PROVIDER
from luigi_sinks.errors import Forbidden
from luigi_sinks.mariadb import CopyToTable, MariaDBSettings, MariaDBSink, connection, parse_schema
from luigi_sinks.record import Head
from luigi_sinks.testing import servers
from luigi_sinks.testing.servers import aws
from luigi_sinks.testing.servers.authentication_plugin import SOURCE
from luigi_sinks.testing.suite import ORIGIN, WHOLE
from luigi_sinks.version import new_version
from tests.parts import part

COLUMNS = [Column("id", Integer, primary_key=True), Column("name", String(20))]
PRESIGNED = b"X-Amz-"
"""Stands in every token of RDS."""


@pytest.fixture(scope="module", autouse=True)
def variables(servers_config):
    """Be a program that AWS knows, by what stands in for AWS."""
    servers.up(["aws"])
    given = {name: value for name, value in servers.env().items() if name.startswith("AWS_")}
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in given.items():
            patch.setenv(name, value)
        yield given


@pytest.fixture(autouse=True)
def lines(tmp_path, variables):
    """Keep an audit log; return a function that gives its lines of one action."""
    get_config().read_dict({"luigi_sinks.audit": {"path": f"{tmp_path}/audit"}})
    audit.forget_settings()
    PROVIDER.forget()

    def lines(action):
        said = map(json.loads, (tmp_path / "audit").read_text().splitlines())
        return [line for line in said if line["action"] == action]

    yield lines
    get_config().remove_section("luigi_sinks.audit")
    audit.forget_settings()
    PROVIDER.forget()


@pytest.fixture
def login(settings, section):
    """Return a function that gives the settings of a login by tokens, to the database of the tests."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(servers.passwordless_config())
    known = dict(parser["luigi_sinks.credential.local_mariadb"])
    assert known["source"] == "rds_iam", f"{SOURCE} was not compiled"

    def login(credential=None, **others):
        name = f"made_{secrets.token_hex(4)}"
        section(f"credential.{name}", **(known if credential is None else credential))
        given = {**parser["luigi_sinks.mariadb"], "database": settings.database, "credential": name, **others}
        section("mariadb.tokens", **given)
        return config.read_connection(MariaDBSettings, "mariadb", "tokens")

    return login


@pytest.fixture
def sink(login, table):
    """Return a function that gives a table, as a user sees it who logs in so."""
    return lambda *args, **others: MariaDBSink(login(*args, **others), table, parse_schema(table, COLUMNS))


@pytest.fixture
def brief(monkeypatch, variables):
    """Be a program whose keys live a few seconds only; give how many."""
    there = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
    monkeypatch.setenv(there, variables[there].replace(aws.ROLE, aws.BRIEF))
    return aws.LIFETIMES[aws.BRIEF]


def keys_of(variables):
    """Ask for keys as a program does."""
    headers = {"Authorization": Path(variables["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]).read_text()}
    request = urllib.request.Request(variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"], headers=headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request) as answer:
        said = json.load(answer)
    return Credentials(said["AccessKeyId"], said["SecretAccessKey"], said["Token"])


def signed(keys, *, server, user="loader", region=aws.REGION, ago=0, monkeypatch):
    """Sign a token by Amazon's own library, so many seconds ago."""
    now = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=ago)
    with monkeypatch.context() as clock:
        clock.setattr(botocore.auth, "get_current_datetime", lambda: now)
        query = urllib.parse.urlencode({"Action": "connect", "DBUser": user})
        request = AWSRequest("GET", f"https://{server}/?{query}")
        SigV4QueryAuth(keys, "rds-db", region, 900).add_auth(request)
    return request.url.removeprefix("https://")


def signings(lines):
    return [line for line in lines("exchange") if line["source"] == "rds_iam"]


def current_user(settings):
    return connection.run(settings, lambda cursor: connection.rows(cursor, "SELECT CURRENT_USER(), CURRENT_ROLE()"))


class Items(CopyToTable):
    table = luigi.Parameter()
    number = luigi.IntParameter(default=1)
    bad = luigi.BoolParameter(default=False, significant=False)
    partition_by = ()
    connection = "tokens"
    columns = COLUMNS

    def rows(self):
        if self.bad:
            raise OSError("cut")
        yield from ((number, "x") for number in range(self.number))


def build(*tasks, workers=1):
    return luigi.build(tasks, local_scheduler=True, log_level="ERROR", workers=workers)


def test_a_task_loads_by_a_token_that_this_program_signed(login, lines, table, ask):
    given = login()
    assert build(Items(table=table, number=3))
    assert ask(f"SELECT COUNT(*) FROM {table}") == [(3,)]
    assert current_user(given) == [("loader@%", None)]
    (exchange,) = signings(lines)
    assert exchange["principal"] == "loader"
    assert exchange["audience"] == f"{given.host}:{given.port}"
    assert {(line["token"], line["server"]) for line in lines("connection")} == {(exchange["token"], given.address)}


def test_what_loads_and_publishes_is_named_with_the_token_that_its_session_logged_in_with(login, lines, table):
    login()
    assert build(Items(table=table))
    (exchange,) = signings(lines)
    told = [line["token"] for action in ("load", "publish") for line in lines(action)]
    assert told == [exchange["token"]] * 3


def test_a_session_that_was_kept_is_named_with_its_own_token_though_there_is_a_later_one(sink, lines):
    items = sink()
    loaded = [load_one(items), load_one(items)]

    def log_in_once_more(_):
        time.sleep(1.01)  # signatures of one second are the same
        PROVIDER.forget()
        current_user(items.settings)

    connection.run(items.settings, log_in_once_more)
    earlier, later = (line["token"] for line in signings(lines))
    assert earlier != later
    versions.prune(items, loaded[0], min_age=timedelta(0))
    assert [line.get("token") for line in lines("prune")] == [earlier, earlier]


def load_one(sink):
    load(sink, WHOLE, ORIGIN, [(1, "x")])
    return sink.head(WHOLE).version


def test_a_role_that_was_assumed_signs_as_well(login, lines, section):
    role = "arn:aws:iam::123456789012:role/flight-ops"
    section("credential.assumed", source="assume_role", region=aws.REGION, role=role)
    assert current_user(login({"source": "rds_iam", "region": aws.REGION, "through": "assumed"}))
    assert "assumed-role/flight-ops/" in lines("exchange")[0]["principal"]


def test_a_load_over_five_lives_of_the_keys_does_not_notice(sink, lines, brief, ask):
    age, pause = 0.3, 0.1
    table = sink(max_connection_age=age)
    version = new_version(table.dataset, WHOLE)
    begun = time.monotonic()
    with held(version.id) as claim:
        stage, parts = table.begin(rules.staged(version, ORIGIN, claim, schema=table.declared)), 0
        while time.monotonic() < begun + 5 * brief:
            stage.write(part(stage, [(parts, "x")], number=parts, first_row=parts + 1))
            parts += 1
            time.sleep(pause)
        assert stage.seal().rows == parts
        table.change(version, rules.approve)
        table.publish(version, replacing=Head())
    took = time.monotonic() - begun
    assert ask(f"SELECT COUNT(*), COUNT(DISTINCT id) FROM {table.dataset}") == [(parts, parts)]
    # A new token is signed by the first connection that is opened after the keys of the last one have
    # ended, and these are at most half through their life when they are given out; a part may be slow.
    slowest = max(2.0, age + pause)
    exchanges = len(signings(lines))
    assert took / (brief + slowest) <= exchanges <= 1 + took / (brief / 2)
    assert len(lines("refusal")) == exchanges - 1
    assert len(lines("connection")) > exchanges


WRONG = {
    "is of nobody known": ({"keys": Credentials("ASIAUNKNOWN", "secret", "token")}, "the key is not known"),
    "is signed by a wrong secret": ({"secret": "another"}, "the signature is wrong"),
    "has expired": ({"ago": 901}, "the token has expired"),
    "is not valid yet": ({"ago": -15}, "the token is not valid yet"),
    "is for another host": ({"server": "db.internal:3306"}, "lets 'loader' in at db.internal:3306"),
    "is for another user": ({"user": "owner"}, "the token lets 'owner' in"),
    "is for another region": ({"region": "us-east-1"}, "the token is for rds-db in us-east-1"),
}


@pytest.fixture
def shown(login, variables, tmp_path, monkeypatch):
    """Return a function that gives the settings of a login by a token that is made here."""

    def shown(secret=None, **wrong):
        given, keys = config.read_connection(MariaDBSettings, "mariadb"), keys_of(variables)
        keys.secret_key = secret or keys.secret_key
        known = {"keys": keys, "server": given.address}
        (tmp_path / "token").write_text(signed(**{**known, **wrong}, monkeypatch=monkeypatch))
        return login({"source": "file", "path": tmp_path / "token"})

    return shown


@pytest.mark.parametrize(("wrong", "reason"), WRONG.values(), ids=WRONG)
def test_a_token_is_refused_that(shown, wrong, reason):
    assert current_user(shown())
    with pytest.raises(CredentialError, match=r"'made_\w+' was refused by the server: .* does not let 'loader' in"):
        current_user(shown(**wrong))
    assert any(reason in line for line in servers.last_log_lines("aws"))


def test_a_token_that_the_source_signs_for_another_host_is_refused_and_the_error_says_what_for(login):
    with pytest.raises(CredentialError, match=r"does not let 'loader' in.*The token is good for db.internal:3306"):
        current_user(login({"source": "rds_iam", "region": aws.REGION, "host": "db.internal", "port": 3306}))


def test_a_token_that_is_no_password_is_refused_with_what_works(login):
    given = login({"source": "sts_web_identity", "region": aws.REGION, "audience": "mariadb"})
    with pytest.raises(
        BadSetting, match=r"a token of the kind 'bearer'.*rds_iam, vault, secrets_manager, file or proxied"
    ):
        current_user(given)


def test_a_proxy_that_knows_who_asks_is_given_no_password(login, ask):
    user = f"tests_{secrets.token_hex(4)}"
    ask(f"CREATE USER {user}@'%' IDENTIFIED BY '' REQUIRE SSL")
    try:
        assert current_user(login({"source": "proxied"}, user=user)) == [(f"{user}@%", None)]
    finally:
        ask(f"DROP USER {user}@'%'")


@pytest.fixture
def anyhow(ask):
    """A user of whom the server itself asks no TLS, for as briefly as a test takes."""
    name = f"tests_{secrets.token_hex(4)}"
    ask(f"CREATE USER {name}@'%' IDENTIFIED VIA AWSAuthenticationPlugin")
    ask("SET GLOBAL require_secure_transport = OFF")
    yield name
    ask("SET GLOBAL require_secure_transport = ON")
    ask(f"DROP USER {name}@'%'")


def without_tls(given):
    return replace(given, tls_ca=None)


def test_a_loopback_server_that_wants_tls_is_told_from_one_that_denies_access(login):
    with pytest.raises(CredentialError, match=r"over clear text.*add tls_ca = FILE") as caught:
        current_user(without_tls(login()))
    assert "Access denied" not in str(caught.value)


def test_the_plugin_takes_no_token_in_clear_text_and_asks_nobody_about_it(shown, anyhow):
    def asked():
        return [line for line in servers.last_log_lines("aws", 200) if anyhow in line]

    given, over_clear_text = (replace(shown(user=anyhow), user=anyhow) for _ in range(2))
    with pytest.raises(CredentialError, match="over clear text"):
        current_user(without_tls(over_clear_text))
    assert asked() == []
    assert current_user(given) == [(f"{anyhow}@%", None)]
    assert len(asked()) == 1


class Between:
    """A port before the server, which changes what it says at first, and keeps what clients say."""

    def __init__(self, given, greet=lambda client, greeting: client.sendall(greeting) or client, host="127.0.0.1"):
        self.target, self.greet, self.heard = (given.host, given.port), greet, b""
        self.listener = socket.create_server((host, 0))
        self.settings = replace(given, host=host, port=self.listener.getsockname()[1])
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client, socket.create_connection(self.target) as server, suppress(OSError):
            client = self.greet(client, server.recv(65_536))
            threading.Thread(target=self.forward, args=(server, client), daemon=True).start()
            self.forward(client, server)

    def forward(self, source, sink):
        with suppress(OSError):
            while data := source.recv(65_536):
                if sink.getpeername() == self.target:
                    self.heard += data
                sink.sendall(data)


@pytest.fixture
def between(login):
    made = []

    def start(*args, **others):
        made.append(Between(login(), *args, **others))
        return made[-1]

    yield start
    for each in made:
        each.listener.close()


def plaintext_only(client, greeting):
    """Say that this server knows no TLS: take the flag off that is in the first bytes after the scramble."""
    flags = greeting.index(b"\0", 5) + 1 + 4 + 8 + 1
    without = int.from_bytes(greeting[flags : flags + 2], "little") & ~0x0800
    client.sendall(greeting[:flags] + without.to_bytes(2, "little") + greeting[flags + 2 :])
    return client


def showing(context, seen):
    """Turn to TLS as the server would, with another certificate."""

    def greet(client, greeting):
        client.sendall(greeting)
        client.recv(36)  # the wish for TLS
        encrypted = context.wrap_socket(client, server_side=True)
        if certificate := encrypted.getpeercert(binary_form=True):
            seen.append(x509.load_der_x509_certificate(certificate))
        raise OSError("that is all")

    return greet


def self_signed():
    """Return an authority's own certificate as that of a server: nobody else vouches for it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with authority.private_key_pem.tempfile() as key, authority.cert_pem.tempfile() as certificate:
        context.load_cert_chain(certificate, key)
    return context


def test_a_token_is_not_shown_to_a_server_without_tls(between):
    stripped = between(plaintext_only)
    with pytest.raises(BadSetting, match="does not support TLS, and a token is never sent unencrypted"):
        current_user(stripped.settings)
    assert PRESIGNED not in stripped.heard


def test_a_token_is_not_shown_to_a_server_that_vouches_for_itself(between):
    seen = []
    with pytest.raises(BadSetting, match=r"self.signed certificate.*tls_ca in luigi.cfg must name"):
        current_user(between(showing(self_signed(), seen)).settings)
    assert seen == []


def test_a_token_is_not_shown_to_a_server_of_another_name(between):
    elsewhere = between(host="127.0.0.9")
    with pytest.raises(BadSetting, match=r"certificate.*host a name in it"):
        current_user(elsewhere.settings)
    assert PRESIGNED not in elsewhere.heard


def test_a_certificate_of_ours_is_read_for_each_connection(between, tmp_path):
    authority, seen = trustme.CA(), []
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    pair = tmp_path / "pair.pem"
    files = {"tls_ca": tmp_path / "ca.pem", "tls_certificate": pair, "tls_key": pair}
    given = replace(between(showing(context, seen)).settings, **files)
    for name in ("first", "second"):
        authority.issue_cert("x", common_name=name).private_key_and_cert_chain_pem.write_to_path(pair)
        with pytest.raises(Unavailable):
            current_user(given)
    names = [each.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value for each in seen]
    assert list(dict.fromkeys(names)) == ["first", "second"]


@pytest.fixture
def role(ask):
    name = f"tests_{secrets.token_hex(4)}"
    ask(f"CREATE ROLE {name}")
    yield name
    ask(f"DROP ROLE {name}")


def test_a_session_takes_the_role_of_the_owner_and_says_if_it_may_not(login, section, role, ask):
    section("owner.crew", mariadb_role=role)
    given = login(owner="crew")
    with pytest.raises(Forbidden, match=rf"\[luigi_sinks.owner.crew\].*mariadb_role = {role}.*`luigi-sinks grants`"):
        current_user(given)
    ask(f"GRANT {role} TO loader@'%'")
    assert current_user(given) == [("loader@%", role)]
    assert current_user(replace(given, owner="")) == [("loader@%", None)]


def test_a_right_that_lacks_is_forbidden_and_what_prints_it_is_named(login):
    with pytest.raises(Forbidden, match=r"'loader' lacks a right.*`luigi-sinks grants`"):
        connection.run(login(), lambda cursor: cursor.execute("CREATE DATABASE elsewhere"))


def test_what_is_older_than_it_may_be_is_closed_and_not_lent(login):
    query = "SELECT CONNECTION_ID(), @@wait_timeout"
    given = login(max_connection_age=1.2)

    def seen():
        return connection.run(given, lambda cursor: connection.rows(cursor, query))[0]

    first, timeout = seen()
    assert timeout == 2
    (kept,) = connection._idle[given]
    connection._opened[kept] -= 1.2
    assert seen()[0] != first
    assert kept not in connection._idle[given]
    with pytest.raises(mariadb.Error, match="not connected"):
        kept.cursor()


def test_a_login_that_fails_in_the_middle_leaves_readers_what_they_had_and_a_rerun_works(shown, table, ask):
    shown()
    assert build(Items(table=table, number=2))
    assert not build(Items(table=table, number=4, bad=True))
    assert build(Items(table=table, number=3))
    shown(ago=901)
    assert not build(Items(table=table, number=5))
    assert ask(f"SELECT COUNT(*) FROM {table}") == [(3,)]
    shown()
    assert build(Items(table=table, number=5))
    assert ask(f"SELECT COUNT(*) FROM {table}") == [(5,)]


def test_a_token_that_is_refused_while_a_load_runs_stages_nothing_that_readers_see(shown, table, ask):
    given = replace(shown(), max_connection_age=0.05)
    table_ = MariaDBSink(given, table, parse_schema(table, COLUMNS))
    load(table_, WHOLE, ORIGIN, [(1, "x")])

    def rows():
        yield (2, "y")
        shown(ago=901)
        get_config().read_dict({f"luigi_sinks.credential.{given.credential}": {"path": broken}})
        PROVIDER.forget()
        time.sleep(0.1)

    broken = get_config()[f"luigi_sinks.credential.{given.credential}"]["path"]
    with pytest.raises(CredentialError, match="was refused by the server"):
        load(table_, WHOLE, ORIGIN, rows())
    assert ask(f"SELECT id FROM {table}") == [(1,)]
    shown()
    PROVIDER.forget()
    load(table_, WHOLE, ORIGIN, [(3, "z")])
    assert ask(f"SELECT id FROM {table}") == [(3,)]


@pytest.fixture
def general_log(ask):
    """Have the server keep each statement; return a function that gives those of connections where a text was seen."""
    ask("SET GLOBAL log_output = 'TABLE', GLOBAL general_log = ON")
    kept = (
        "SELECT {} FROM mysql.general_log WHERE command_type IN ('Query', 'Execute') AND thread_id <> CONNECTION_ID()"
    )
    threads = kept.format("thread_id") + " AND argument LIKE ?"
    yield lambda text: [said for (said,) in ask(f"{kept.format('argument')} AND thread_id IN ({threads})", f"%{text}%")]
    ask("SET GLOBAL general_log = OFF")
    ask("TRUNCATE mysql.general_log")


def test_each_statement_of_a_task_tells_the_server_what_the_audit_log_calls_it(login, lines, general_log, table):
    login()
    task = Items(table=table)
    assert build(task, workers=2)  # in a process of its own, which opens connections of its own
    actions = ("exchange", "connection", "load", "publish")
    (correlation,) = {
        line["correlation"] for action in actions for line in lines(action) if line.get("task_id") == task.task_id
    }
    assert all(task.task_id in {line.get("task_id") for line in lines(action)} for action in actions)
    told = general_log(f"correlation={correlation}")
    for statement in ("START TRANSACTION", "LOAD DATA LOCAL", "CALL", "COMMIT", "SET SESSION"):
        assert any(text.startswith(statement) for text in told)
    comment = f" /* luigi_sinks correlation={correlation} task={task.task_id} */"
    assert {text for text in told if not text.endswith(comment)} <= {"SET AUTOCOMMIT=1"}  # the driver's own


def test_the_process_list_shows_who_asks(login):
    query = "SELECT INFO FROM information_schema.PROCESSLIST WHERE ID = CONNECTION_ID()"
    ((info,),) = connection.run(login(), lambda cursor: connection.rows(cursor, query))
    assert info == f"{query} /* luigi_sinks correlation={running.current().correlation} */"
