"""Where the server is, who we are there, and what stands in between."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luigi_sinks import config
from luigi_sinks.errors import BadSetting


@dataclass(frozen=True)
class MariaDBSettings:
    """The section `[luigi_sinks.mariadb]`.

    TLS is on, verified by CA and host name, unless the host is a loopback address
    and no `tls_ca` is given; without `tls_ca` the system's CAs are trusted. With
    `tls_certificate` and `tls_key`, files that are read for each connection, the
    server or what stands before it may ask for a certificate of ours.

    The server looks at a token when a connection is opened and not again, so the
    connection outlives it. `max_connection_age` bounds by how much, in seconds: one
    that is older is let finish what it does, and neither kept nor lent again. The
    server is told to end what is idle as long.

    A session takes the MariaDB role of `owner`, as section
    `[luigi_sinks.owner.NAME]` names it; a task's owner goes before this one.

    The host may be a loopback address where a local stunnel or another proxy
    listens that passes bytes on. What a token of `rds_iam` is signed for is then
    said in the credential's section, by its own `host` and `port`. The certificate
    that is verified is the database's, and must name the host that is given here;
    where it names another only, enter that name for 127.0.0.1 in /etc/hosts.
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

    def __post_init__(self) -> None:
        if self.host.casefold() == "localhost":
            raise ValueError("host = localhost makes the driver use a socket file and ignore the port; write 127.0.0.1")
        if bool(self.tls_key) != bool(self.tls_certificate):
            raise ValueError("tls_certificate and tls_key belong together; name the same file twice if it holds both")
        if self.tls_certificate and not self.is_encrypted:
            raise ValueError("tls_certificate needs a tls_ca: on loopback there is no TLS without")
        if self.max_connection_age <= 0:
            raise ValueError("max_connection_age is in seconds, and must be more than 0")

    @property
    def publisher(self) -> MariaDBSettings:
        """The same connection for whoever publishes: here one login does all."""
        return self

    @property
    def is_encrypted(self) -> bool:
        """Whether TLS is on."""
        return self.tls_ca is not None or not config.is_loopback(self.host)

    @property
    def address(self) -> str:
        """Where the server answers, for messages."""
        return f"{self.host}:{self.port}"

    @property
    def tls(self) -> dict[str, Any]:
        """What the driver is told about TLS. Raises BadSetting for a file that is not there."""
        if not self.is_encrypted:
            return {}
        files = {"tls_ca": self.tls_ca, "tls_certificate": self.tls_certificate, "tls_key": self.tls_key}
        for name, file in files.items():
            if file is not None and not file.is_file():  # the driver would not name it
                raise BadSetting(f"{name} = {file} in the section [luigi_sinks.mariadb]: there is no such file")
        options = zip(("ssl_ca", "ssl_cert", "ssl_key"), files.values(), strict=True)
        # Verification is also what keeps the driver from falling back to clear text.
        return {"ssl_verify_cert": True} | {option: str(file) for option, file in options if file}
