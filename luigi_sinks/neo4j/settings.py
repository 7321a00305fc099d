"""Where the server is, who we are there, and what stands in between."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from luigi_sinks import config


@dataclass(frozen=True)
class Neo4jSettings:
    """The section `[luigi_sinks.neo4j]`.

    TLS is on, verified by CA and host name, unless the host is a loopback address
    and no `tls_ca` is given; without `tls_ca` the system's CAs are trusted.
    `credential` names the section that says where the token comes from; a password
    needs a `user` too, other tokens say themselves whose they are. `audience` and
    `owner` are asked for where the token's source has to know for what and for
    whom it is; a task's owner goes before this one.

    For a proxy in between that wants to know who asks: `tls_server_name` is the
    name in its certificate where that is not `host`, `tls_certificate` and
    `tls_key` are the files of ours, read anew for each connection.

    `scheme = neo4j` finds the leader of a cluster, at addresses that the server
    names, and so needs TLS. `rows_per_transaction` bounds the server's memory:
    about 3.5 kB for each row of ten properties.
    """

    host: str
    credential: str
    user: str = ""
    port: int = 7687
    database: str = "neo4j"
    audience: str = ""
    owner: str = ""
    tls_ca: Path | None = None
    tls_server_name: str = ""
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    scheme: Literal["bolt", "neo4j"] = "bolt"
    rows_per_transaction: int = 10_000

    def __post_init__(self) -> None:
        if self.rows_per_transaction < 1:
            raise ValueError(f"rows_per_transaction = {self.rows_per_transaction} must be at least 1")
        if self.tls_key and not self.tls_certificate:
            raise ValueError("tls_key is given without the tls_certificate that it belongs to")
        if (self.tls_server_name or self.tls_certificate) and not self.is_encrypted:
            raise ValueError("tls_server_name and tls_certificate need a tls_ca: on loopback there is no TLS without")
        if self.scheme == "neo4j" and not self.is_encrypted:
            raise ValueError(
                "scheme = neo4j without TLS would send the credential in clear text to whatever addresses the server "
                "names; add tls_ca = FILE, or write scheme = bolt"
            )

    @property
    def address(self) -> str:
        """Where the server is, for the driver and for messages."""
        return f"{self.scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def publisher(self) -> Neo4jSettings:
        """The same connection for whoever publishes: here one login does all."""
        return self

    @property
    def is_encrypted(self) -> bool:
        """Whether TLS is on."""
        return self.tls_ca is not None or not config.is_loopback(self.host)
