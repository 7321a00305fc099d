"""HTTP requests to an identity provider: certificates verified, no redirects, limits on time and size."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlencode, urlsplit

from luigi_sinks import config
from luigi_sinks.credentials.exchanges import LARGEST, Exchanges, exchanges
from luigi_sinks.errors import BadSetting, CredentialError, NotInstalled
from luigi_sinks.limit import within

try:
    import urllib3

    from luigi_sinks.limited_http import POOLS
except ImportError as missing:
    raise NotInstalled("oidc", missing) from missing

_LONGEST = 1e9
"""Maximum lifetime of a token in seconds: 30 years."""


@dataclass(frozen=True)
class Response:
    """The status of a response and its JSON object, which may contain secrets and is not in the repr."""

    status: int
    content: dict[str, Any] = field(repr=False)


def require_tls(url: str, name: str) -> str:
    """Return the URL. Raises BadSetting unless its scheme is https, or http with a loopback host."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise BadSetting(f"credential {name!r}: {url!r} is not a URL ({error}); correct it") from None
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


def seconds(value: object) -> float | None:
    """Return how long another program says that a token lives; None if it says nothing. Raises ValueError."""
    if isinstance(value, str) and value.isascii() and value.isdigit():  # some providers write the number as text
        value = int(value[:12])
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _LONGEST:
        raise ValueError("no number of seconds")
    return float(value)


class Web:
    """An HTTP client for one identity provider. `ca` is a file of CA certificates; by default the system's are used."""

    def __init__(self, name: str, ca: Path | None) -> None:
        self._name = name
        self._pool = urllib3.PoolManager(cert_reqs="CERT_REQUIRED", ca_certs=str(ca) if ca else None, retries=False)
        self._pool.pool_classes_by_scheme = POOLS

    def get(self, url: str) -> Response:
        """Send a GET request. Raises CredentialError unless the response is a JSON object."""
        return self._request("GET", url, None, {})

    def post(self, url: str, fields: Mapping[str, str], headers: Mapping[str, str]) -> Response:
        """POST a form. Raises CredentialError unless the response is a JSON object."""
        form = {"content-type": "application/x-www-form-urlencoded"}
        return self._request("POST", url, urlencode(fields), {**headers, **form})

    def _request(self, method: str, url: str, body: str | None, headers: Mapping[str, str]) -> Response:
        require_tls(url, self._name)
        limits = exchanges()
        sent = {"accept": "application/json", **headers}
        with within("request_timeout", limits.request_timeout, LARGEST) as limit:
            try:
                response = self._pool.request(
                    method, url, body=body, headers=sent, redirect=False, timeout=limits.connect_timeout
                )
            except urllib3.exceptions.HTTPError as error:
                raise self._error(url, limit.exceeded or _no_response(error, limits)) from None
        return Response(response.status, self._object(url, response.status, response.data))

    def _object(self, url: str, status: int, body: bytes) -> dict[str, Any]:
        if 300 <= status < 400:  # noqa: PLR2004 - HTTP status codes
            raise self._error(url, f"redirects ({status}), which is not allowed; set the final address")
        try:
            found = json.loads(body, parse_constant=_refuse, object_pairs_hook=_without_duplicates)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise self._error(url, f"returned {status} and no JSON object; check the address")
        return found

    def _error(self, url: str, reason: str) -> CredentialError:
        return CredentialError(f"credential {self._name!r}: {url} {reason}")


def _no_response(error: Exception, limits: Exchanges) -> str:
    refused = urllib3.exceptions.NewConnectionError  # which is a subclass of the other
    if isinstance(error, urllib3.exceptions.ConnectTimeoutError) and not isinstance(error, refused):
        return f"accepts no connection within connect_timeout = {limits.connect_timeout:g} s; check the address"
    return f"does not answer ({type(error).__name__}); check the address, its certificate and `ca`"


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object; which of two values counts would depend on the reader."""
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("a name stands twice")
    return found
