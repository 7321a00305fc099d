"""Plain clients of the stores themselves: what any other program sees.

Of luigi_sinks they use only what luigi.cfg says: where the stores are, and which
files hold the passwords.
"""

from __future__ import annotations

import base64
import json
import ssl
import urllib.request
from pathlib import Path
from typing import Any

import mariadb
import neo4j

from luigi_sinks import config


def sql(query: str) -> list[tuple[Any, ...]]:
    """Return the rows of an SQL query."""
    at = config.section("luigi_sinks.mariadb")
    connection = mariadb.connect(
        host=at["host"],
        port=int(at["port"]),
        user=at["user"],
        password=_password(at),
        database=at["database"],
        ssl_ca=at["tls_ca"],
        ssl_verify_cert=True,
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def search(path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return the answer of Elasticsearch to a request."""
    at = config.section("luigi_sinks.elasticsearch")
    login = base64.b64encode(f"{at['user']}:{_password(at)}".encode()).decode()
    request = urllib.request.Request(
        f"https://{at['host']}:{at['port']}/{path}",
        data=json.dumps(body).encode(),
        headers={"content-type": "application/json", "authorization": f"Basic {login}"},
    )
    with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=at["tls_ca"])) as answer:  # noqa: S310
        found: dict[str, Any] = json.load(answer)
    return found


def cypher(query: str) -> list[tuple[Any, ...]]:
    """Return the rows of a Cypher query."""
    at = config.section("luigi_sinks.neo4j")
    driver = neo4j.GraphDatabase.driver(
        f"bolt://{at['host']}:{at['port']}",
        auth=(at["user"], _password(at)),
        encrypted=True,
        trusted_certificates=neo4j.TrustCustomCAs(at["tls_ca"]),
    )
    with driver:
        return [tuple(record.values()) for record in driver.execute_query(query).records]


def _password(at: dict[str, str]) -> str:
    return Path(config.read_credential(at["credential"])["path"]).read_text(encoding="utf-8").strip()
