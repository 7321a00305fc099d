"""Where the server is, the login to it, and proxies in between."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luigi_sinks import config
from luigi_sinks.claim import LEASE
from luigi_sinks.errors import BadSetting
from luigi_sinks.retry import PATIENCE


@dataclass(frozen=True)
class MariaDBSettings:
    """The section `[luigi_sinks.mariadb]`.

    `host` and `port` (3306) locate the server. `database` is the one that readers use;
    versions are kept in a second one, `DATABASE__v`. `user` logs in with the token of
    `credential`, the section `[luigi_sinks.credential.NAME]`. The session takes the
    MariaDB role of `owner`, as section `[luigi_sinks.owner.NAME]` names it; a task's
    owner takes precedence over this one.

    TLS is on and verified, except for a host on this machine's loopback without a
    `tls_ca`. `tls_ca` is a PEM file with the authorities to trust, by default the
    system's; `tls_certificate` and `tls_key` are PEM files with a client certificate.
    They are read for each connection.

    `max_connection_age` (600, in seconds) limits how long a connection outlives its
    token, which the server checks only at login: an older one ends what it does, and is
    then closed. The server closes one that is idle for as long.

    `connect_timeout` (5, in seconds) bounds each wait for the server within a login,
    `statement_timeout` (300) within a statement; as a whole each takes at most twice as
    long. `patience` (60) bounds how long a call is retried while the server is unavailable.
    `lease` (120) is for how long a load that stopped keeps other processes from its
    partition; a load that runs renews it.

    `transaction_timeout` (30, in seconds) limits how long the locks of a process that has
    stopped, or lost its network, delay others: the server waits so long for it within a
    transaction, then ends its session. A transaction holds one part, one publication, or
    one change of a record.

    The host may be the loopback address of a local stunnel, or of another proxy that
    passes bytes on. The credential's section then names, by its own `host` and `port`,
    what a token of `rds_iam` is signed for. The certificate is the database's, and must
    name `host`: if it names another host, enter that for 127.0.0.1 in /etc/hosts.

    Raises ValueError, in luigi.cfg BadSetting, for settings that cannot work.

    Example:
        >>> MariaDBSettings("db.example.org", database="flights", user="loader", credential="rds").address
        'db.example.org:3306'

    """

    host: str
    database: str
    user: str
    credential: str
    port: int = 3306
    owner: str = ""
    tls_ca: Path | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    max_connection_age: float = 600.0
    connect_timeout: float = 5.0
    statement_timeout: float = 300.0
    patience: float = PATIENCE
    lease: float = LEASE
    transaction_timeout: float = 30.0

    def __post_init__(self) -> None:
        if self.host.casefold() == "localhost":
            raise ValueError("host = localhost makes the driver use a socket file and ignore the port; write 127.0.0.1")
        if bool(self.tls_key) != bool(self.tls_certificate):
            raise ValueError("tls_certificate and tls_key belong together; set both, to the same file if it holds both")
        if self.tls_certificate and not self.is_encrypted:
            raise ValueError("tls_certificate needs TLS, which on loopback is off without tls_ca; set it")
        config.refuse_no_time(
            self, "max_connection_age", "connect_timeout", "statement_timeout", "lease", "transaction_timeout"
        )

    @property
    def is_encrypted(self) -> bool:
        """Tell whether TLS is on."""
        return config.uses_tls(self.host, self.tls_ca)

    @property
    def address(self) -> str:
        """The server's host and port, for messages."""
        return f"{self.host}:{self.port}"

    @property
    def tls(self) -> dict[str, Any]:
        """The driver's options for TLS. Raises BadSetting for a missing file."""
        if not self.is_encrypted:
            return {}
        files = {"tls_ca": self.tls_ca, "tls_certificate": self.tls_certificate, "tls_key": self.tls_key}
        for name, file in files.items():
            if file is not None and not file.is_file():  # the driver would not name it
                raise BadSetting(
                    f"{name} = {file} in the section [luigi_sinks.mariadb]: there is no such file; correct the path"
                )
        options = zip(("ssl_ca", "ssl_cert", "ssl_key"), files.values(), strict=True)
        # Verification is also what keeps the driver from falling back to clear text.
        return {"ssl_verify_cert": True} | {option: str(file) for option, file in options if file}
