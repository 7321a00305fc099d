"""Where the cluster is, the logins to it, and proxies in between."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from luigi_sinks import config
from luigi_sinks.claim import LEASE
from luigi_sinks.retry import PATIENCE

_SECRET = re.compile(r"auth|token|secret|passw|cookie|credential|session|assertion|api-?key", re.IGNORECASE)
_HEADER = re.compile(r"[A-Za-z0-9-]+")


@dataclass(frozen=True)
class ElasticsearchSettings:
    """The section `[luigi_sinks.elasticsearch]`.

    - `host`, `port`: where the cluster answers. Default of `port`: 9200.
    - `credential`: the NAME of the section `[luigi_sinks.credential.NAME]`.
    - `user`: who logs in, for a password; other tokens name their user.
    - `product`: elasticsearch, or opensearch, Amazon's included. Default: elasticsearch.
    - `audience`, `owner`: passed to a credential's source that makes tokens for one
      service or one team; a task's owner takes precedence over this one.
    - `publish_credential`, and `publish_user` for a password: a second login, which
      creates, publishes and deletes indices, while `credential` only reads and adds
      documents: the server can then refuse a loader what would harm a published version.
      Default: one login for both.
    - `tls_ca`: a PEM file with the authorities to trust. Default: the system's. TLS is
      off only for a host on this machine's loopback, without a `tls_ca`.
    - `connect_timeout`, `request_timeout`: seconds to wait for a connection, and for the
      response to a request; to a request that only looks, a third. Defaults: 5 and 60.
    - `patience`: for how many seconds a call is retried while the cluster is unavailable.
      Default: 60.
    - `lease`: for how many seconds a load that stopped keeps other processes from its
      partition; a load that runs renews it. Default: 120.

    For a proxy in between:

    - `tls_server_name`: the name in its certificate. Default: `host`.
    - `tls_certificate`, `tls_key`: PEM files with a client certificate.
    - `headers`: sent with each request, such as `X-Team: data, X-Stage: test`.
    - `token_header`: the header for the token, which follows its scheme in an
      authorization header, and stands alone in any other. Default: authorization.

    Raises ValueError, in luigi.cfg BadSetting, for settings that contradict each other.

    Example:
        >>> ElasticsearchSettings("es.example.org", credential="es").url
        'https://es.example.org:9200'

    """

    host: str
    credential: str
    user: str = ""
    port: int = 9200
    product: Literal["elasticsearch", "opensearch"] = "elasticsearch"
    audience: str = ""
    owner: str = ""
    publish_credential: str = ""
    publish_user: str = ""
    tls_ca: Path | None = None
    tls_server_name: str = ""
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    headers: str = ""
    token_header: str = "authorization"  # noqa: S105 - a header's name
    connect_timeout: float = 5.0
    request_timeout: float = 60.0
    patience: float = PATIENCE
    lease: float = LEASE

    def __post_init__(self) -> None:
        config.refuse_no_time(self, "connect_timeout", "request_timeout", "lease")
        if self.publish_user and not self.publish_credential:
            raise ValueError("publish_user is set without publish_credential; set both, or neither")
        if self.tls_key and not self.tls_certificate:
            raise ValueError("tls_key is set without tls_certificate; set both, or neither")
        if (self.tls_server_name or self.tls_certificate) and not self.is_encrypted:
            raise ValueError(
                "tls_server_name and tls_certificate need TLS, which on loopback is off without tls_ca; set it"
            )
        if not _HEADER.fullmatch(self.token_header):
            raise ValueError(f"token_header = {self.token_header} is not the name of a header")
        for name in self.more_headers:
            if _SECRET.search(name):
                raise ValueError(
                    f"headers must hold no secret, and {name!r} may hold one; set credential and token_header instead"
                )

    @property
    def publisher(self) -> ElasticsearchSettings:
        """The publisher's settings: these, unless `publish_credential` names another login."""
        if not self.publish_credential:
            return self
        login, user = self.publish_credential, self.publish_user
        return replace(self, credential=login, user=user, publish_credential="", publish_user="")

    @property
    def is_encrypted(self) -> bool:
        """Whether TLS is on."""
        return config.uses_tls(self.host, self.tls_ca)

    @property
    def address(self) -> str:
        """Host and port, for messages."""
        return f"{self.host}:{self.port}"

    @property
    def title(self) -> str:
        """The product, for messages."""
        return "OpenSearch" if self.product == "opensearch" else "Elasticsearch"

    @property
    def where(self) -> str:
        """Product and address, for messages."""
        return f"{self.title} at {self.address}"

    @property
    def url(self) -> str:
        """The URL of the cluster."""
        scheme = "https" if self.is_encrypted else "http"
        return f"{scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def more_headers(self) -> dict[str, str]:
        """`headers`, by name."""
        return dict(_header(line) for line in self.headers.split(",") if line.strip())


def _header(line: str) -> tuple[str, str]:
    name, colon, value = (part.strip() for part in line.partition(":"))
    if not colon or not _HEADER.fullmatch(name) or not value.isascii() or not value.isprintable():
        raise ValueError(f"headers takes NAME: VALUE, separated by commas, not {line.strip()!r}")
    return name, value
