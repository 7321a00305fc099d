"""HTTP requests to an identity provider: certificates verified, no redirects, limits on time and size."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from luigi_sinks import config
from luigi_sinks.errors import BadSetting, CredentialError, NotInstalled

try:
    import urllib3
except ImportError as missing:
    raise NotInstalled("oidc", missing) from missing

_LIMIT = 1 << 20
"""Maximum size of a response in bytes."""

_TIMEOUT = 20.0
"""Maximum time for a whole response, in seconds."""


@dataclass(frozen=True)
class Response:
    """The status of a response and its JSON object, which may contain secrets and is not in the repr."""

    status: int
    content: dict[str, Any] = field(repr=False)


def require_tls(url: str, name: str) -> str:
    """Return the URL. Raises BadSetting unless its scheme is https, or http with a loopback host."""
    parts = urlsplit(url)
    if parts.username or parts.password or not parts.hostname:
        raise BadSetting(
            f"credential {name!r}: {parts.scheme}://{parts.hostname or ''} must name a host and no user; correct it"
        )
    if parts.scheme == "https" or (parts.scheme == "http" and config.is_loopback(parts.hostname)):
        return url
    raise BadSetting(f"credential {name!r}: {url} would send secrets unencrypted; use https://")


def is_plaintext(url: str) -> bool:
    """Return whether a URL is without TLS; then the proxies of the environment must not be used."""
    return urlsplit(url).scheme == "http"


class Web:
    """An HTTP client for one identity provider. `ca` is a file of CA certificates; by default the system's are used."""

    def __init__(self, name: str, ca: Path | None) -> None:
        self._name = name
        self._pool = urllib3.PoolManager(
            cert_reqs="CERT_REQUIRED",
            ca_certs=str(ca) if ca else None,
            timeout=urllib3.Timeout(connect=5, read=10),
            retries=False,
        )

    def get(self, url: str) -> Response:
        """Send a GET request. Raises CredentialError unless the response is a JSON object."""
        return self._request("GET", url, None, {})

    def post(self, url: str, fields: Mapping[str, str], headers: Mapping[str, str]) -> Response:
        """POST a form. Raises CredentialError unless the response is a JSON object."""
        form = {"content-type": "application/x-www-form-urlencoded"}
        return self._request("POST", url, urlencode(fields), {**headers, **form})

    def _request(self, method: str, url: str, body: str | None, headers: Mapping[str, str]) -> Response:
        require_tls(url, self._name)
        accept = {"accept": "application/json", **headers}
        try:
            response = self._pool.request(method, url, body=body, headers=accept, redirect=False, preload_content=False)
            content = self._body(response, url)
        except urllib3.exceptions.HTTPError as error:
            raise self._error(
                url, f"does not answer ({type(error).__name__}); check the address, its certificate and `ca`"
            ) from None
        return Response(response.status, self._object(url, response.status, content))

    def _body(self, response: urllib3.BaseHTTPResponse, url: str) -> bytes:
        """Read the whole body. Raises CredentialError if it is too large or takes too long."""
        body, end = b"", time.monotonic() + _TIMEOUT
        try:
            while chunk := response.read1(1 << 16, decode_content=True):
                body += chunk
                if len(body) > _LIMIT or time.monotonic() > end:
                    raise self._error(url, f"sent a response of more than {_LIMIT} bytes or {_TIMEOUT:.0f} s")
        finally:
            response.close()
        return body

    def _object(self, url: str, status: int, body: bytes) -> dict[str, Any]:
        if 300 <= status < 400:  # noqa: PLR2004 - HTTP status codes
            raise self._error(url, f"redirects ({status}), which is not allowed; set the final address")
        try:
            found = json.loads(body)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise self._error(url, f"returned {status} and no JSON object; check the address")
        return found

    def _error(self, url: str, reason: str) -> CredentialError:
        return CredentialError(f"credential {self._name!r}: {url} {reason}")
