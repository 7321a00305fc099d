"""Asks an identity provider over HTTP: verified, without redirects, and with an end."""

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
"""No answer of an identity provider is near a megabyte."""

_PATIENCE = 20.0
"""Seconds for the whole of an answer."""


@dataclass(frozen=True)
class Answer:
    """The status of an answer and the JSON object in it, which is never shown."""

    status: int
    content: dict[str, Any] = field(repr=False)


def refuse_clear_text(url: str, name: str) -> str:
    """Return the URL. Raises BadSetting unless it is https, or http to this machine."""
    parts = urlsplit(url)
    if parts.username or parts.password or not parts.hostname:
        raise BadSetting(f"credential {name!r}: {parts.scheme}://{parts.hostname or ''} must name a host and no user")
    if parts.scheme == "https" or (parts.scheme == "http" and config.is_loopback(parts.hostname)):
        return url
    raise BadSetting(f"credential {name!r}: {url} would show secrets on the network; write https://")


def is_clear_text(url: str) -> bool:
    """Tell whether a URL goes without TLS, and so must go past every proxy that the environment names."""
    return urlsplit(url).scheme == "http"


class Web:
    """One identity provider, whose certificate is checked against `ca` or the system's authorities."""

    def __init__(self, name: str, ca: Path | None) -> None:
        self._name = name
        self._pool = urllib3.PoolManager(
            cert_reqs="CERT_REQUIRED",
            ca_certs=str(ca) if ca else None,
            timeout=urllib3.Timeout(connect=5, read=10),
            retries=False,
        )

    def get(self, url: str) -> Answer:
        """Ask for a JSON object. Raises CredentialError if none comes."""
        return self._request("GET", url, None, {})

    def post(self, url: str, fields: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        """Send a form. Raises CredentialError if no JSON object comes back."""
        form = {"content-type": "application/x-www-form-urlencoded"}
        return self._request("POST", url, urlencode(fields), {**headers, **form})

    def _request(self, method: str, url: str, body: str | None, headers: Mapping[str, str]) -> Answer:
        refuse_clear_text(url, self._name)
        accept = {"accept": "application/json", **headers}
        try:
            response = self._pool.request(method, url, body=body, headers=accept, redirect=False, preload_content=False)
            text = self._all(response, url)
        except urllib3.exceptions.HTTPError as error:
            raise self._failed(url, f"does not answer ({type(error).__name__})") from None
        return Answer(response.status, self._object(url, response.status, text))

    def _all(self, response: urllib3.BaseHTTPResponse, url: str) -> bytes:
        """Read a body that ends in time and is not too large."""
        text, end = b"", time.monotonic() + _PATIENCE
        try:
            while part := response.read1(1 << 16, decode_content=True):
                text += part
                if len(text) > _LIMIT or time.monotonic() > end:
                    raise self._failed(url, "does not come to an end of its answer")
        finally:
            response.close()
        return text

    def _object(self, url: str, status: int, text: bytes) -> dict[str, Any]:
        if 300 <= status < 400:  # noqa: PLR2004 - HTTP's own
            raise self._failed(url, f"answers with a redirect ({status}), which is not followed")
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise self._failed(url, f"answers {status} with something that is no JSON object")
        return found

    def _failed(self, url: str, reason: str) -> CredentialError:
        return CredentialError(f"credential {self._name!r}: {url} {reason}")
