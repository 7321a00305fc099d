"""Neo4j and MariaDB behind stunnel, which lets pass who shows a certificate.

Neo4j's driver shows it by itself. MariaDB's protocol turns to TLS only after it has
begun, so that it takes a stunnel on the client's machine too, and TLS runs inside TLS.
"""

import secrets
import time

import pytest
from sqlalchemy import Column, Integer

from luigi_sinks import BadSetting, CredentialError, Origin, Unavailable, config, load
from luigi_sinks.mariadb import MariaDBSettings, MariaDBSink, parse_schema
from luigi_sinks.mariadb import connection as mariadb
from luigi_sinks.neo4j import Graph, Neo4jSettings, Neo4jSink, Node
from luigi_sinks.neo4j import connection as neo4j
from luigi_sinks.testing import servers
from luigi_sinks.testing.servers import aws
from luigi_sinks.testing.servers import mariadb as server
from luigi_sinks.testing.servers.state import free_ports

IDLE = 4
"""Seconds after which the proxy ends a session, where a test wants that."""


@pytest.fixture
def gate(workshop, authority, members):
    """Return a function that starts a stunnel, which passes on who shows a certificate of a member."""
    workshop.write("members.pem", members.cert_pem.bytes().decode())
    certificate, key = workshop.write_pair("proxy", authority.issue_cert("proxy.internal"))

    def start(connect, ports, **services):
        lets_in = {"CAfile": workshop.folder / "members.pem", "verifyChain": "yes", "TIMEOUTidle": 60}
        outer = {"connect": f"127.0.0.1:{connect}", "cert": certificate, "key": key, **lets_in}
        return workshop.stunnel("gate", ports, gate=outer, **services)

    return start


@pytest.fixture
def bolt(gate, configure, proxy_ca, workshop):
    """Neo4j behind the proxy; what this yields makes sinks of a graph, with a certificate or without."""
    return Bolt(gate, configure, proxy_ca, workshop.servers_ca)


@pytest.fixture
def tabular(gate, home, configure, proxy_ca):
    """MariaDB behind the proxy and a stunnel of the client's."""
    tabular = Tabular(gate, home, configure, proxy_ca)
    yield tabular
    tabular.drop()


@pytest.fixture
def aws_identity(servers_config, monkeypatch):
    """Be somebody to whom AWS gives keys."""
    servers.up(["aws"])
    for key, value in servers.env().items():
        if key.startswith("AWS_"):
            monkeypatch.setenv(key, value)


@pytest.fixture(params=["bolt", "tabular"])
def store(request):
    return request.getfixturevalue(request.param)


class Bolt:
    refusal = (BadSetting, Unavailable), "tls_certificate"

    def __init__(self, gate, configure, proxy_ca, servers_ca):
        self.upstream = config.read_connection(Neo4jSettings, "neo4j")
        self.configure, self.proxy_ca = configure, proxy_ca
        self.dataset = f"proxied_{secrets.token_hex(4)}"
        ports = dict(zip(("gate", "onward"), free_ports(2), strict=True))
        known = {"CAfile": servers_ca, "verifyChain": "yes", "checkIP": "127.0.0.1"}
        onward = {"client": "yes", "connect": f"127.0.0.1:{self.upstream.port}", **known}
        self.proxy = gate(ports["onward"], ports, onward=onward)

    def sink(self, pair=None, **settings):
        known = {"host": "127.0.0.1", "port": self.proxy.ports["gate"], "tls_ca": self.proxy_ca}
        known |= {"tls_server_name": "proxy.internal", "user": self.upstream.user}
        known |= {"credential": self.upstream.credential}
        shown = {"tls_certificate": pair.certificate, "tls_key": pair.key} if pair else {}
        self.configure("neo4j.proxied", **{**known, **shown, **settings})
        graph = Graph([Node("Item", key="id", properties={"id": int})])
        return Neo4jSink(config.read_connection(Neo4jSettings, "neo4j", "proxied"), self.dataset, graph)

    def row(self, number):
        return "Item", {"id": number}

    def count(self):
        cypher = (
            "MATCH (h:_SinkHead {dataset: $dataset}) "
            "MATCH (i:Item__v {_version: h.version}) RETURN count(i) AS count, count(DISTINCT i.id) AS distinct"
        )
        (found,) = neo4j.query(self.upstream, cypher, dataset=self.dataset)
        assert found["count"] == found["distinct"]
        return found["count"]

    def rotated(self):
        """Do what is to be done on the client's machine when a certificate was replaced: nothing."""


class Tabular:
    refusal = Unavailable, "see its log, and the certificate that it shows"

    def __init__(self, gate, home, configure, proxy_ca):
        self.upstream = config.read_connection(MariaDBSettings, "mariadb")
        self.configure, self.proxy_ca, self.home = configure, proxy_ca, home
        self.database = f"tests_{secrets.token_hex(4)}"  # where the user of tokens may load
        self.proxy = gate(self.upstream.port, {"gate": free_ports(1)[0]})
        self.clients = []
        mariadb.run(self.upstream, lambda cursor: cursor.execute(f"CREATE DATABASE {self.database}"))

    def drop(self):
        for name in (self.database, f"{self.database}__v"):
            mariadb.run(self.upstream, lambda cursor, name=name: cursor.execute(f"DROP DATABASE IF EXISTS {name}"))

    def sink(self, pair=None, **settings):
        local = {"client": "yes", "connect": f"127.0.0.1:{self.proxy.ports['gate']}", "CAfile": self.proxy_ca}
        local |= {"verifyChain": "yes", "checkHost": "proxy.internal"}
        shown = {"cert": pair.certificate, "key": pair.key} if pair else {}
        ports = {"local": free_ports(1)[0]}
        self.clients.append(self.home.stunnel(f"client{len(self.clients)}", ports, local={**local, **shown}))
        known = {"host": "127.0.0.1", "port": ports["local"], "database": self.database, "user": self.upstream.user}
        known |= {"tls_ca": self.upstream.tls_ca, "credential": self.upstream.credential}
        self.configure("mariadb.proxied", **{**known, **settings})
        found = config.read_connection(MariaDBSettings, "mariadb", "proxied")
        return MariaDBSink(found, "items", parse_schema("items", [Column("id", Integer, primary_key=True)]))

    def row(self, number):
        return (number,)

    def count(self):
        query = f"SELECT COUNT(*) FROM {self.database}.items"
        return mariadb.run(self.upstream, lambda cursor: mariadb.rows(cursor, query))[0][0]

    def rotated(self):
        """Tell the client's stunnel; the program that loads is left alone."""
        for client in self.clients:
            client.reload()


def load_rows(store, sink, count, meanwhile=None):
    def rows():
        for number in range(count):
            if meanwhile and number == count // 2:
                meanwhile()
            yield store.row(number)

    load(sink, "_all", Origin("Load_1", family="Load"), rows())


def test_who_shows_a_certificate_of_the_proxys_authority_loads(store, member):
    load_rows(store, store.sink(member), 25_000)
    assert store.count() == 25_000


def test_who_shows_none_or_one_of_another_authority_is_refused(store, stranger):
    kind, said = store.refusal
    with pytest.raises(kind, match=said):
        load_rows(store, store.sink(patience=0), 1)  # the first answer, as a busy machine may give none to the next
    with pytest.raises(kind, match=said):
        load_rows(store, store.sink(stranger, patience=0), 1)


def test_a_rotated_certificate_is_used_without_a_restart_of_ours(store, rotate, member):
    sink = store.sink(member)
    load_rows(store, sink, 10)
    old = rotate(member)
    store.proxy.restart()
    store.rotated()
    load_rows(store, sink, 20)
    assert store.count() == 20
    kind, said = store.refusal
    with pytest.raises(kind, match=said):
        load_rows(store, store.sink(old, patience=1), 1)


def test_a_proxy_that_ends_idle_sessions_between_and_during_loads_is_connected_to_again(store, member):
    sink = store.sink(member)
    load_rows(store, sink, 10)
    store.proxy.change("TIMEOUTidle = 60", f"TIMEOUTidle = {IDLE}")
    load_rows(store, sink, 30, meanwhile=lambda: time.sleep(IDLE + 1))
    assert store.count() == 30
    ended = store.proxy.said().count("TIMEOUTidle exceeded")
    assert ended >= 1
    time.sleep(IDLE + 1)
    load_rows(store, sink, 20)
    assert store.count() == 20
    assert store.proxy.said().count("TIMEOUTidle exceeded") > ended


def test_a_proxy_that_ends_all_sessions_between_and_during_loads_doubles_nothing(store, member):
    sink = store.sink(member)
    for _ in range(2):
        load_rows(store, sink, 25_000, meanwhile=store.proxy.restart)
        assert store.count() == 25_000
        store.proxy.restart()


def test_a_load_whose_proxy_went_away_changes_nothing_and_a_rerun_works(store, member):
    sink = store.sink(member, patience=1)
    load_rows(store, sink, 10)
    with pytest.raises(Unavailable):
        load_rows(store, sink, 25_000, meanwhile=store.proxy.stop)
    assert store.count() == 10
    store.proxy.start()
    load_rows(store, sink, 25_000)
    assert store.count() == 25_000


def test_without_routing_the_driver_goes_nowhere_but_to_the_proxy(bolt, member, caplog):
    with caplog.at_level("DEBUG", "neo4j"):
        load_rows(bolt, bolt.sink(member), 10)
        assert " ROUTE " not in caplog.text
        load_rows(bolt, bolt.sink(member, scheme="neo4j"), 10)
        assert " ROUTE " in caplog.text


@pytest.mark.usefixtures("aws_identity")
def test_a_token_is_signed_for_the_server_behind_the_proxy(tabular, configure, member):
    rds = {"source": "rds_iam", "region": aws.REGION}
    configure("credential.rds", **rds, host=tabular.upstream.host, port=tabular.upstream.port)
    load_rows(tabular, tabular.sink(member, user=server.LOADER, credential="rds"), 10)
    assert tabular.count() == 10
    configure("credential.rds_of_proxy", **rds)
    with pytest.raises(CredentialError, match="'rds_of_proxy' was refused by the server"):
        load_rows(tabular, tabular.sink(member, user=server.LOADER, credential="rds_of_proxy"), 1)
