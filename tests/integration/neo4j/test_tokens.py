"""Logging in by tokens through the gate: a real Keycloak's, others signed by its key; and proxies that end sessions."""

import http.server
import json
import logging
import os
import pickle
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import traceback
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import jwt
import luigi
import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import rsa

from luigi_sinks import BadSetting, CredentialError, Unavailable, config, load, neo4j, running
from luigi_sinks.credentials.provider import PROVIDER
from luigi_sinks.credentials.sources import claims
from luigi_sinks.neo4j import Graph, Neo4jSettings, Neo4jSink, Node, connection
from luigi_sinks.retry import retry_unavailable
from luigi_sinks.testing import servers
from luigi_sinks.testing.servers import bolt_gate
from luigi_sinks.testing.servers import keycloak as realm
from luigi_sinks.testing.servers import state as states
from luigi_sinks.testing.suite import ORIGIN, WHOLE

pytestmark = pytest.mark.timeout(400)

THINGS = Graph([Node("Thing", key="id", properties={"id": int})])
SKEW = 1
IDLE = 1.5
"""Seconds after which a kept connection is asked whether it stands."""


@pytest.fixture(scope="module")
def places(servers_config):
    """Start the gate and Keycloak unless they run; say where they are."""
    servers.up(["keycloak", "bolt_gate"])
    state = states.find()
    return {name: state.place(servers.EVERY[name]) for name in ("keycloak", "bolt_gate")}


@pytest.fixture
def passwordless(places, by_tokens):
    """Return a function that gives the settings of a login by tokens, as the servers' luigi.cfg has them."""
    return partial(by_tokens, "neo4j", Neo4jSettings)


@pytest.fixture
def shown(settings, places, credential, tmp_path):
    """Return a function that gives the settings of a login by what lies in a file, which it may be given."""

    def login(token, holds="bearer", user="", path=None):
        path = path or tmp_path / secrets.token_hex(4)
        path.write_text(token)
        name = credential(source="file", path=path, holds=holds)
        return replace(settings, port=places["bolt_gate"].port, user=user, credential=name)

    return login


@pytest.fixture(scope="module")
def sign(places):
    """Return a function that signs a token as the realm would, but for what is said otherwise."""
    place = places["keycloak"]
    pem, trusted = realm.signing_key(place), ssl.create_default_context(cafile=place.ca)
    issuer = realm.issuer(place.port)
    known = jwt.PyJWKClient(f"{issuer}/protocol/openid-connect/certs", ssl_context=trusted).get_signing_keys()
    (ours,) = realm.first_keys(place)["keys"]
    kid = next(key.key_id for key in known if jwt.PyJWK(ours).key.public_numbers() == key.key.public_numbers())

    def make(*, key=pem, key_id=kid, **others):
        now = int(time.time())
        said = {"iss": issuer, "sub": "x", "aud": "neo4j", "iat": now, "exp": now + 60, **others}
        return jwt.encode(said, key, algorithm="RS256", headers={"kid": key_id})

    return make


@dataclass
class Relay:
    """A gate of the test's own, which may be stopped."""

    process: subprocess.Popen
    port: int


@pytest.fixture
def relay(places, tmp_path):
    """Return a function that starts a gate which differs from the real one in these settings."""
    known = json.loads((places["bolt_gate"].folder / bolt_gate.CONFIG).read_text())
    started = []

    def start(**others):
        (port,) = states.free_ports(1)
        file = tmp_path / f"{port}.json"
        file.write_text(json.dumps({**known, "port": port, **others}))
        argv = [sys.executable, "-m", "luigi_sinks.testing.servers.bolt_relay", str(file)]
        started.append(subprocess.Popen(argv, env={"PATH": os.defpath}))
        deadline = time.monotonic() + 30
        while not _listens(port):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return Relay(started[-1], port)

    yield start
    for process in started:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()


def _listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def events(caplog):
    """Return a function that gives the lines of the audit log for a credential, without those of others."""
    caplog.set_level(logging.INFO, "luigi_sinks.audit")

    def of(settings, action):
        lines = [json.loads(each.message) for each in caplog.records if each.name == "luigi_sinks.audit"]
        credential = settings and settings.credential
        return [line for line in lines if line["action"] == action and line.get("credential") == credential]

    return of


@pytest.fixture
def count(cypher, dataset):
    """Return a function that counts what readers see."""
    query = "MATCH (h:_SinkHead {dataset: $dataset}) MATCH (t:Thing__v {_version: h.version}) RETURN count(t)"
    return lambda: cypher(query, dataset=dataset)[0][0]


def rows_for(seconds):
    """Yield a hundred rows, a part, every tenth of a second."""
    end, number = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        yield from (("Thing", (number + each,)) for each in range(100))
        number += 100
        time.sleep(0.1)


def things(count):
    return [("Thing", (number,)) for number in range(count)]


def load_into(settings, dataset, rows):
    load(Neo4jSink(settings, dataset, THINGS), WHOLE, ORIGIN, rows)


def answer(settings):
    return connection.query(settings, "RETURN 1 AS one")


# Tokens


def test_a_task_loads_by_a_token_of_keycloak_and_no_password_at_all(passwordless, dataset, count, events):
    settings = passwordless()
    assert settings.user == ""

    class Things(neo4j.CopyToGraph):
        graph = dataset
        connection = "tokens"
        nodes = THINGS.nodes

        def rows(self):
            yield from things(1_000)

    task = Things()
    assert luigi.build([task], local_scheduler=True, no_lock=True)
    assert count() == 1_000
    (exchange, *_), (connected, *_) = events(settings, "exchange"), events(settings, "connection")
    assert connected["server"] == f"bolt://127.0.0.1:{settings.port}"
    assert connected["token"] == exchange["token"]
    assert connected["issuer"] == config.read_credential(settings.credential)["issuer"]
    told = [line["token"] for action in ("load", "publish") for line in events(None, action)]
    assert told == [exchange["token"]] * 3


@pytest.mark.usefixtures("small_parts")
def test_a_load_of_five_lifetimes_takes_as_many_tokens_as_arithmetic_says(passwordless, dataset, count, events):
    settings = passwordless(client_id=realm.BRIEF)
    load_into(settings, dataset, rows_for(5 * realm.BRIEF_LIFESPAN))
    exchanges = events(settings, "exchange")
    assert 7 <= len(exchanges) <= 10  # each is kept for 3.6 s, and replaced after 2.5 to 2.9 s of them
    assert len(events(settings, "connection")) == len(exchanges)
    assert not events(settings, "refusal")
    assert count() > 3_000


WRONG = {
    "it has expired": ("TokenExpired", lambda sign, now: sign(iat=now - 60, exp=now - SKEW - 2)),
    "it is not valid yet": ("ImmatureSignatureError", lambda sign, now: sign(iat=now + 30)),
    "it is for another audience": ("InvalidAudienceError", lambda sign, now: sign(aud="elasticsearch")),
    "it is of another issuer": ("InvalidIssuerError", lambda sign, now: sign(iss="https://127.0.0.1:1/realms/sinks")),
    "its key is unknown": ("PyJWKClientError", lambda sign, now: sign(key=another_key(), key_id="another")),
    "its key is another": ("InvalidSignatureError", lambda sign, now: sign(key=another_key())),
    "its signature is bad": ("InvalidSignatureError", lambda sign, now: broken(sign())),
    "it is no token": ("DecodeError", lambda sign, now: secrets.token_hex()),
}


def another_key():
    return rsa.generate_private_key(65537, 2048)


def broken(token):
    head, _, signature = token.rpartition(".")
    return f"{head}.{signature[:-8]}{'A' * 8}"


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_token_loads_nothing_and_a_right_one_then_does(shown, sign, dataset, count, what, monkeypatch):
    monkeypatch.setattr(claims, "LEEWAY", 3_600)  # else the client refuses an expired one first, on a busy machine
    right = shown(sign())
    load_into(right, dataset, things(1))
    reason, make = WRONG[what]
    wrong = make(sign, int(time.time()))
    with pytest.raises(CredentialError, match=f"was refused by the server: .*{reason}") as caught:
        load_into(shown(wrong), dataset, things(2))
    assert wrong not in "".join(traceback.format_exception(caught.value))
    assert count() == 1
    load_into(right, dataset, things(3))
    assert count() == 3


def test_a_password_is_not_let_in_at_the_gate(shown, settings, secret):
    with pytest.raises(CredentialError, match=r"by bearer tokens only") as caught:
        answer(shown(secret, holds="password", user=settings.user))
    assert secret not in "".join(traceback.format_exception(caught.value))


def test_a_token_that_ends_within_a_transaction_is_replaced_and_the_transaction_repeated(
    shown, sign, tmp_path, events, cypher
):
    path, label = tmp_path / "token", f"Once{secrets.token_hex(4)}"
    ends = int(time.time()) + 4  # long enough to log in on a busy machine
    settings = shown(sign(exp=ends), path=path)
    begun = []

    def work(tx):
        tx.run(f"CREATE (:{label})").consume()
        begun.append(tx)
        if len(begun) == 1:
            path.write_text(sign())
            time.sleep(max(0, ends + SKEW + 1 - time.time()))
        tx.run(f"CREATE (:{label})").consume()

    connection.transact(settings, work, version="v")
    assert len(begun) == 2
    assert cypher(f"MATCH (n:{label}) DELETE n RETURN count(n)") == [(2,)]
    assert len(events(settings, "refusal")) == 1


@pytest.mark.parametrize("kept", [False, True])
def test_a_token_that_is_refused_when_a_connection_opens_is_replaced_once(
    shown, sign, tmp_path, events, monkeypatch, kept
):
    path = tmp_path / "token"
    settings = shown(sign(), path=path)
    if kept:
        answer(settings)
    path.write_text(sign(aud="elasticsearch"))
    open_session = connection._session

    def replaced_meanwhile(*args):
        session = open_session(*args)
        path.write_text(sign())
        return session

    monkeypatch.setattr(connection, "_session", replaced_meanwhile)
    assert answer(settings) == [{"one": 1}]
    assert len(events(settings, "refusal")) == 1


@pytest.mark.usefixtures("small_parts")
def test_a_token_that_ends_in_the_middle_of_a_load_publishes_nothing_and_the_next_load_cleans_up(
    shown, sign, dataset, count, cypher
):
    right = shown(sign())
    load_into(right, dataset, things(1))
    with pytest.raises(CredentialError, match=r"was refused .*TokenExpired") as caught:
        load_into(shown(sign(exp=int(time.time()) + 2)), dataset, rows_for(SKEW + 5))
    assert "the next load removes them" in "".join(caught.value.__notes__)
    assert count() == 1
    load_into(right, dataset, things(2))
    assert count() == 2
    left = "MATCH (v:_SinkVersion {dataset: $dataset, state: 'failed'}) MATCH (t:Thing__v {_version: v.id}) RETURN t"
    assert cypher(left, dataset=dataset) == []


def test_no_token_shows_in_logs_errors_or_what_is_sent_to_other_processes(passwordless, dataset, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "neo4j")
    seen = set()
    monkeypatch.setattr(
        connection, "_auth", lambda *args, real=connection._auth: seen.add(args[1].reveal()) or real(*args)
    )
    settings = passwordless()
    sink = Neo4jSink(settings, dataset, THINGS)
    with pytest.raises(ZeroDivisionError) as caught:
        load(sink, WHOLE, ORIGIN, (("Thing", (1 // (2 - number),)) for number in range(3)))
    said = [caplog.text, "".join(traceback.format_exception(caught.value)), repr(pickle.dumps(sink)), repr(sink)]
    (token,) = seen
    assert "C: LOGON {'scheme': 'bearer'" in caplog.text
    assert [text for text in said if token in text or token.rpartition(".")[2] in text] == []


def test_what_a_transaction_says_of_itself_joins_the_server_s_list_to_our_audit(shown, sign, cypher, events):
    settings, version = shown(sign()), secrets.token_hex(8)
    running.become(running.Running("Things_1", "Things"))
    try:
        now = "SHOW TRANSACTIONS YIELD metaData WHERE metaData.correlation = $correlation RETURN metaData"
        correlation = running.current().correlation
        seen = connection.transact(settings, lambda tx: cypher(now, correlation=correlation), version=version)
        assert seen == [({"luigi_sinks": version, "correlation": correlation, "task": "Things_1"},)]
        (alone,) = connection.query(settings, now, correlation=correlation)
        assert alone["metaData"] == {"correlation": correlation, "task": "Things_1"}
    finally:
        running.become(running.Running())
    assert [line["correlation"] for line in events(settings, "connection")] == [correlation]


def test_a_provider_of_identities_that_is_down_is_unavailable_and_no_fault_of_the_token(relay, shown, sign):
    (nobody,) = states.free_ports(1)
    gate = relay(keys=f"https://127.0.0.1:{nobody}/certs")
    with pytest.raises(Unavailable, match="cannot reach its identity provider"):
        answer(replace(shown(sign()), port=gate.port))


class Keys(http.server.BaseHTTPRequestHandler):
    """Serves a set of keys, which may grow."""

    published = {"keys": []}

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(self.published).encode())

    def log_message(self, *args):
        pass


def test_a_key_that_was_rotated_in_is_known_from_its_first_use_on(relay, shown, sign):
    with http.server.HTTPServer(("127.0.0.1", 0), Keys) as provider:
        threading.Thread(target=provider.serve_forever, daemon=True).start()
        settings = replace(shown("none yet"), port=relay(keys=f"http://127.0.0.1:{provider.server_port}").port)
        for name in ("first", "second"):
            key = another_key()
            Path(config.read_credential(settings.credential)["path"]).write_text(sign(key=key, key_id=name))
            with pytest.raises(CredentialError, match="PyJWK"):
                answer(settings)
            public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
            Keys.published["keys"].append({**public, "kid": name, "use": "sig", "alg": "RS256"})
            PROVIDER.forget()  # else the refusal is repeated for a moment
            assert answer(settings) == [{"one": 1}]
        provider.shutdown()


# Passwords


def test_a_server_that_locks_a_user_out_for_a_while_is_not_asked_again_at_once(shown, settings, driver):
    user = f"user_{secrets.token_hex(4)}"
    driver.execute_query(f"CREATE USER {user} SET PASSWORD 'first password' CHANGE NOT REQUIRED")
    try:
        wrong = replace(shown("wrong password", holds="password", user=user), port=settings.port)
        for _ in range(3):
            with pytest.raises(CredentialError, match=r"was refused by the server: .*Unauthorized"):
                answer(wrong)
            PROVIDER.forget()  # else the refusal is repeated for a moment, and the server not asked
        with pytest.raises(CredentialError, match=r"refuses all logins of .* dbms.security.auth_lock_time is over"):
            answer(wrong)
    finally:
        driver.execute_query(f"DROP USER {user}")


def test_a_password_that_must_be_changed_first_is_said_so(shown, settings, driver):
    user = f"user_{secrets.token_hex(4)}"
    driver.execute_query(f"CREATE USER {user} SET PASSWORD 'first password' CHANGE REQUIRED")
    try:
        with pytest.raises(CredentialError, match=f"'{user}' changed before its first use"):
            answer(replace(shown("first password", holds="password", user=user), port=settings.port))
    finally:
        driver.execute_query(f"DROP USER {user}")


# TLS


class Plain:
    """A server that does not support TLS, and keeps what it hears."""

    def __init__(self, says):
        self.heard, self._says = [], says
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            client, _ = self._listener.accept()
            with client:
                self.heard.append(client.recv(4_096))
                client.sendall(self._says)


def test_nothing_is_said_in_clear_text_to_a_server_without_tls(shown, sign):
    plain, token = Plain(b"\x00\x00\x00\x00" * 8), sign()
    with pytest.raises(BadSetting, match=r"does not support TLS, and credentials are never sent unencrypted"):
        answer(replace(shown(token), port=plain.port))
    assert plain.heard
    assert all(heard[:1] == b"\x16" for heard in plain.heard), "a handshake of TLS begins so"


@pytest.fixture
def other(tmp_path):
    """Return an authority of another company, and the file of its certificate."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "other.pem"))
    return authority, tmp_path / "other.pem"


def pair(folder, name, issued):
    """Write a certificate and its key; name both as settings do."""
    (folder / f"{name}.pem").write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(folder / f"{name}.key"))
    return {"certificate": f"{folder / name}.pem", "key": f"{folder / name}.key"}


def test_a_server_is_known_by_the_name_in_its_certificate_which_need_not_be_its_host(
    relay, shown, sign, other, tmp_path
):
    authority, ca = other
    gate = relay(**pair(tmp_path, "gate", authority.issue_cert("proxy.internal")))
    settings = replace(shown(sign()), port=gate.port, tls_ca=ca)
    with pytest.raises(BadSetting, match=r"not valid for '127.0.0.1'.*set tls_server_name"):
        answer(settings)
    assert answer(replace(settings, tls_server_name="proxy.internal")) == [{"one": 1}]
    with pytest.raises(BadSetting, match=r"Hostname mismatch.*set tls_server_name"):
        answer(replace(settings, tls_server_name="another.internal"))


def test_a_certificate_that_nobody_issued_is_refused(relay, shown, sign, other, tmp_path):
    authority, _ = other
    gate = relay(**pair(tmp_path, "gate", authority.issue_cert("127.0.0.1")))
    with pytest.raises(BadSetting, match=r"tls_ca = \S+ is wrong"):
        answer(replace(shown(sign()), port=gate.port))


def test_a_proxy_knows_us_by_our_certificate_which_is_read_anew_when_it_was_rotated(
    relay, settings, credential, other, tmp_path, dataset, count
):
    authority, ca = other
    gate = relay(client_ca=str(ca))
    ours = pair(tmp_path, "ours", trustme.CA().issue_cert("client"))
    vouched = replace(settings, port=gate.port, user="", credential=credential(source="proxied"))
    shown = replace(vouched, tls_certificate=Path(ours["certificate"]), tls_key=Path(ours["key"]))
    for stranger in (vouched, shown):
        with pytest.raises(Unavailable, match="tls_certificate"):  # asyncio hangs up without saying why
            answer(stranger)
    pair(tmp_path, "ours", authority.issue_cert("client"))
    load_into(shown, dataset, things(5))
    assert count() == 5


# Sessions that end, and servers that stop


CONNECTION = "SHOW TRANSACTIONS YIELD connectionId, currentQuery WHERE currentQuery CONTAINS 'who am I' RETURN *"


@pytest.mark.usefixtures("small_parts")
def test_a_load_goes_on_when_the_proxy_ends_sessions(relay, shown, sign, dataset, count):
    settings = replace(shown(sign()), port=relay(session_seconds=2).port)
    connections = set()

    def rows():
        for number, row in enumerate(rows_for(5)):
            if number % 100 == 0:
                # The proxy may end this session too, and this is no step of a load, which is tried again.
                connections.add(
                    retry_unavailable(settings.patience, connection.query, settings, CONNECTION)[0]["connectionId"]
                )
            yield row

    load_into(settings, dataset, rows())
    assert len(connections) >= 2
    assert count() >= 300


def test_a_server_that_stops_is_unavailable_soon_on_a_connection_that_was_kept(relay, shown, sign):
    gate = relay()
    settings = replace(shown(sign()), port=gate.port)
    answer(settings)
    gate.process.send_signal(signal.SIGSTOP)
    time.sleep(IDLE)
    start = time.monotonic()
    with pytest.raises(Unavailable, match="check that the server runs"):
        answer(settings)
    assert time.monotonic() - start < 20
    gate.process.send_signal(signal.SIGCONT)
    assert answer(settings) == [{"one": 1}]


def test_a_server_that_stops_within_a_transaction_is_unavailable_in_bounded_time(relay, shown, sign):
    gate = relay()
    settings = replace(shown(sign()), port=gate.port)

    def work(tx):
        gate.process.send_signal(signal.SIGSTOP)
        tx.run("RETURN 1").consume()

    start = time.monotonic()
    with pytest.raises(Unavailable, match="check that the server runs"):
        connection.transact(settings, work, version="v")
    assert time.monotonic() - start < 60  # twice the keep-alive of 5 s, and one attempt to connect anew


def test_a_statement_that_takes_longer_than_a_server_may_be_silent_is_waited_for(shown, sign, driver):
    label = f"Lock{secrets.token_hex(4)}"
    driver.execute_query(f"CREATE (:{label} {{n: 0}})")
    with driver.session() as session:
        holder = session.begin_transaction()
        holder.run(f"MATCH (l:{label}) SET l.n = 1").consume()
        threading.Timer(11.5, holder.commit).start()
        start = time.monotonic()
        connection.transact(shown(sign()), lambda tx: tx.run(f"MATCH (l:{label}) DELETE l").consume(), version="v")
        assert time.monotonic() - start > 10, "twice the keep-alive of 5 s"
