"""Where the cluster is, who we are there, and what stands in between."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from luigi_sinks import config

_SECRET = re.compile(r"auth|token|secret|passw|cookie|credential|session|assertion|api-?key", re.IGNORECASE)
_HEADER = re.compile(r"[A-Za-z0-9-]+")


@dataclass(frozen=True)
class ElasticsearchSettings:
    """The section `[luigi_sinks.elasticsearch]`.

    `product` is elasticsearch, or opensearch, which may be Amazon's. TLS is on
    unless the host is this machine's loopback and no `tls_ca` is given; without
    `tls_ca` the system's authorities are trusted. `credential` names the section
    that says where the token comes from; a password needs a `user` too, other
    tokens say themselves whose they are. `audience` and `owner` are asked for where
    the token's source has to know for what and for whom it is; a task's owner goes
    before this one.

    `publish_credential` (and `publish_user`, for a password) names a second login, the
    publisher's: with it goes what makes, guards, shows, hides or deletes a version, and
    with `credential` only what reads and adds documents. So the server can refuse a
    loader all that would harm a published version. Without it one login does both.

    For a proxy in between that wants to know who asks: `tls_server_name` is the
    name in its certificate where that is not `host`, `tls_certificate` and
    `tls_key` are the files of ours, `headers` goes with each request
    (`X-Team: data, X-Stage: test`), and the token goes in `token_header`: after
    its scheme in an authorization header, alone in any other.
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

    def __post_init__(self) -> None:
        if self.publish_user and not self.publish_credential:
            raise ValueError("publish_user is given without the publish_credential that it belongs to")
        if self.tls_key and not self.tls_certificate:
            raise ValueError("tls_key is given without the tls_certificate that it belongs to")
        if (self.tls_server_name or self.tls_certificate) and not self.is_encrypted:
            raise ValueError("tls_server_name and tls_certificate need a tls_ca: on loopback there is no TLS without")
        if not _HEADER.fullmatch(self.token_header):
            raise ValueError(f"token_header = {self.token_header} is no header's name")
        for name in self.more_headers:
            if _SECRET.search(name):
                raise ValueError(f"headers must hold no secret, as {name!r} may; name a credential, and a token_header")

    @property
    def publisher(self) -> ElasticsearchSettings:
        """The same connection for whoever publishes: these settings, unless a credential is named for it."""
        if not self.publish_credential:
            return self
        login, user = self.publish_credential, self.publish_user
        return replace(self, credential=login, user=user, publish_credential="", publish_user="")

    @property
    def is_encrypted(self) -> bool:
        """Whether TLS is on."""
        return self.tls_ca is not None or not config.is_loopback(self.host)

    @property
    def address(self) -> str:
        """Where the cluster answers, for messages."""
        return f"{self.host}:{self.port}"

    @property
    def where(self) -> str:
        """What answers there, for messages."""
        return f"{'OpenSearch' if self.product == 'opensearch' else 'Elasticsearch'} at {self.address}"

    @property
    def url(self) -> str:
        """Where the cluster answers."""
        scheme = "https" if self.is_encrypted else "http"
        return f"{scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def more_headers(self) -> dict[str, str]:
        """The headers that go with each request."""
        return dict(_header(line) for line in self.headers.split(",") if line.strip())


def _header(line: str) -> tuple[str, str]:
    name, colon, value = (part.strip() for part in line.partition(":"))
    if not colon or not _HEADER.fullmatch(name) or not value.isascii() or not value.isprintable():
        raise ValueError(f"headers takes NAME: VALUE, several with commas between, not {line.strip()!r}")
    return name, value
