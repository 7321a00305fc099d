"""Plain clients of the stores themselves: what any other program sees.

Of luigi_sinks they use only what luigi.cfg says, the provider of the tokens by which
they log in, and what tells MariaDB's driver where this machine has its plugins.
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
    at = config.section("luigi_sinks.mariadb")

    def ask(token: Token) -> list[tuple[Any, ...]]:
        connection = connect(
            host=at["host"],
            port=int(at["port"]),
            user=at["user"],
            password=token.reveal(),
            database=at["database"],
            ssl_ca=at["tls_ca"],
            ssl_verify_cert=True,
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    return use(at["credential"], ask, host=at["host"], port=int(at["port"]), user=at["user"])


def search(path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return the answer of Elasticsearch to a request."""
    at = config.section("luigi_sinks.elasticsearch")

    def ask(token: Token) -> dict[str, Any]:
        request = urllib.request.Request(
            f"https://{at['host']}:{at['port']}/{path}",
            data=json.dumps(body).encode(),
            headers={"content-type": "application/json", "authorization": _authorization(at, token)},
        )
        with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=at["tls_ca"])) as answer:  # noqa: S310
            found: dict[str, Any] = json.load(answer)
        return found

    return use(at["credential"], ask, host=at["host"])


def cypher(query: str) -> list[tuple[Any, ...]]:
    """Return the rows of a Cypher query."""
    at = config.section("luigi_sinks.neo4j")

    def ask(token: Token) -> list[tuple[Any, ...]]:
        driver = neo4j.GraphDatabase.driver(
            f"bolt://{at['host']}:{at['port']}",
            auth=neo4j.bearer_auth(token.reveal()) if token.scheme == "bearer" else (at["user"], token.reveal()),
            encrypted=True,
            trusted_certificates=neo4j.TrustCustomCAs(at["tls_ca"]),
        )
        with driver:
            return [tuple(record.values()) for record in driver.execute_query(query).records]

    return use(at["credential"], ask, host=at["host"])


def _authorization(at: dict[str, str], token: Token) -> str:
    if token.scheme == "bearer":
        return f"Bearer {token.reveal()}"
    return "Basic " + base64.b64encode(f"{at['user']}:{token.reveal()}".encode()).decode()
