"""The way into Neo4j Community by tokens of Keycloak's, which it cannot verify itself: a relay before it."""

import json
import os
import sys
from collections.abc import Sequence

from luigi_sinks.testing.servers import bolt, keycloak, neo4j
from luigi_sinks.testing.servers.account import ourselves
from luigi_sinks.testing.servers.needs import Need
from luigi_sinks.testing.servers.process import Command
from luigi_sinks.testing.servers.server import HOST, Place, Server

CONFIG = "gate.json"


def missing() -> Sequence[Need]:
    """Ask for nothing: it is a program of this installation."""
    return []


def prepare(place: Place) -> None:
    """Write the configuration."""
    behind, issuer = place.beside("neo4j"), keycloak.issuer(place.beside("keycloak").port)
    configuration = {
        "host": HOST,
        "port": place.port,
        "server_port": behind.port,
        "ca": str(place.ca),
        "certificate": str(place.certificate),
        "key": str(place.key),
        "user": neo4j.USER,
        "password_file": str(behind.password_file),
        "issuer": issuer,
        "audience": neo4j.AUDIENCE,
        "keys": f"{issuer}/protocol/openid-connect/certs",
    }
    place.account.write(place.folder / CONFIG, json.dumps(configuration, indent=2))


def command(place: Place) -> Command:
    """Name the relay."""
    relay = (sys.executable, "-m", "luigi_sinks.testing.servers.bolt_relay", place.folder / CONFIG)
    return Command(relay, {"PATH": os.environ.get("PATH", os.defpath)}, ourselves())


def answers(place: Place) -> bool:
    """Whether a query, asked with a token, gets its answer: then Neo4j and Keycloak are there too."""
    try:
        who = bolt.Login("", keycloak.token(place.beside("keycloak")), "bearer")
    except OSError:
        return False
    return bolt.answers((HOST, place.port), place.ca, who, neo4j.DATABASE)


SERVER = Server(
    name=neo4j.GATE,
    user="",
    database=None,
    download=None,
    patience=300,
    missing=missing,
    prepare=prepare,
    prepare_container=prepare,
    command=command,
    answers=answers,
)
