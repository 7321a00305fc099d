"""The section of luigi.cfg that says how to reach a Neo4j database."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from luigi_sinks import config
from luigi_sinks.claim import LEASE
from luigi_sinks.retry import PATIENCE


@dataclass(frozen=True)
class Neo4jSettings:
    """The section `[luigi_sinks.neo4j]`, or `[luigi_sinks.neo4j.NAME]` for a second connection.

    - `host` and `port` (7687) are those of the server's Bolt connector; `database` is "neo4j".
    - `credential` names the section that selects the token source; a password needs a `user` too.
    - `audience` and `owner` are passed to sources that need them; a task's owner replaces this one.
    - `tls_ca` is a file of CAs to trust; the default is the system's. TLS is on, and verifies
      certificate and host name, except on a loopback address without `tls_ca`.
    - `tls_server_name` is the name in the server's certificate where it is not `host`.
    - `tls_certificate` and `tls_key` are files of a client certificate, read for each connection.
    - `scheme` is "bolt", or "neo4j" to find the leader of a cluster at the addresses that the
      server names; that needs TLS.
    - `rows_per_transaction` (10,000) bounds the server's memory: about 3.5 kB for a row of ten
      properties.
    - `connect_timeout` (10), `request_timeout` (60) and `step_timeout` (3,600) are in seconds. They end
      an attempt to connect and log in; one transaction, such as the write of a batch of rows; and the
      count, deletion, indexing or reading of a whole version. The server ends them too, so that a
      loader that stops holds its locks no longer than that.
    - `patience` (60, in seconds) bounds how long a call is retried while the server is unavailable.
    - `lease` (120, in seconds) is for how long a load that stopped keeps other processes from its
      partition; a load that runs renews it.

    Raises ValueError for settings that cannot work together; as a section, BadSetting.

    Example:
        >>> settings = Neo4jSettings("db.internal", credential="neo4j_token", tls_ca=Path("/etc/ssl/db-ca.pem"))
        >>> settings.address
        'bolt://db.internal:7687'

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
    connect_timeout: float = 10.0
    request_timeout: float = 60.0
    step_timeout: float = 3_600.0
    patience: float = PATIENCE
    lease: float = LEASE

    def __post_init__(self) -> None:
        config.refuse_no_time(self, "connect_timeout", "request_timeout", "step_timeout", "lease")
        if self.rows_per_transaction < 1:
            raise ValueError(f"rows_per_transaction = {self.rows_per_transaction} must be at least 1")
        if self.tls_key and not self.tls_certificate:
            raise ValueError("tls_key is given without the tls_certificate that it belongs to")
        if (self.tls_server_name or self.tls_certificate) and not self.is_encrypted:
            raise ValueError("tls_server_name and tls_certificate need a tls_ca: without it, loopback has no TLS")
        if self.scheme == "neo4j" and not self.is_encrypted:
            raise ValueError(
                "scheme = neo4j without TLS would send the credential in clear text to whatever addresses the server "
                "names; add tls_ca = FILE, or write scheme = bolt"
            )

    @property
    def address(self) -> str:
        """The server's address, for the driver and for messages."""
        return f"{self.scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def publisher(self) -> Neo4jSettings:
        """The connection that publishes: this one."""
        return self

    @property
    def is_encrypted(self) -> bool:
        """Whether TLS is on."""
        return config.uses_tls(self.host, self.tls_ca)
