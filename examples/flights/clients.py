"""Plain clients of the stores, which see what any other program sees.

They use luigi_sinks only to read luigi.cfg, to get the tokens to log in with, and to find
where this machine has the plugins of MariaDB's driver.
"""

from __future__ import annotations

import base64
import json
import ssl
import urllib.request
from typing import Any

import neo4j

from luigi_sinks import config
from luigi_sinks.credentials import Token, use
from luigi_sinks.mariadb.driver import connect


def sql(query: str) -> list[tuple[Any, ...]]:
    """Return the rows of an SQL query."""
    section = config.section("luigi_sinks.mariadb")

    def ask(token: Token) -> list[tuple[Any, ...]]:
        connection = connect(
            host=section["host"],
            port=int(section["port"]),
            user=section["user"],
            password=token.reveal(),
            database=section["database"],
            ssl_ca=section["tls_ca"],
            ssl_verify_cert=True,
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    return use(section["credential"], ask, host=section["host"], port=int(section["port"]), user=section["user"])


def search(path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return the response of Elasticsearch to a request."""
    section = config.section("luigi_sinks.elasticsearch")

    def connect(token: Token) -> dict[str, Any]:
        request = urllib.request.Request(
            f"https://{section['host']}:{section['port']}/{path}",
            data=json.dumps(body).encode(),
            headers={"content-type": "application/json", "authorization": _authorization(section, token)},
        )
        with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=section["tls_ca"])) as response:  # noqa: S310
            found: dict[str, Any] = json.load(response)
        return found

    return use(section["credential"], connect, host=section["host"])


def cypher(query: str) -> list[tuple[Any, ...]]:
    """Return the rows of a Cypher query."""
    section = config.section("luigi_sinks.neo4j")

    def connect(token: Token) -> list[tuple[Any, ...]]:
        driver = neo4j.GraphDatabase.driver(
            f"bolt://{section['host']}:{section['port']}",
            auth=neo4j.bearer_auth(token.reveal()) if token.scheme == "bearer" else (section["user"], token.reveal()),
            encrypted=True,
            trusted_certificates=neo4j.TrustCustomCAs(section["tls_ca"]),
        )
        with driver:
            return [tuple(record.values()) for record in driver.execute_query(query).records]

    return use(section["credential"], connect, host=section["host"])


def _authorization(section: dict[str, str], token: Token) -> str:
    if token.scheme == "bearer":
        return f"Bearer {token.reveal()}"
    return "Basic " + base64.b64encode(f"{section['user']}:{token.reveal()}".encode()).decode()
