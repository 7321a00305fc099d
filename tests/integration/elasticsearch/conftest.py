"""What these tests see of the server is seen by plain HTTP, not by the client under test."""

import base64
import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

from luigi_sinks import config
from luigi_sinks.elasticsearch import Settings


@dataclass(frozen=True)
class Cluster:
    """The cluster of the configuration, asked by urllib."""

    url: str
    login: str
    tls: ssl.SSLContext

    def __call__(self, method, path, body=None):
        request = urllib.request.Request(self.url + path, method=method, headers=self._headers)
        if body is not None:
            request.data = json.dumps(body).encode()
        try:
            with urllib.request.urlopen(request, context=self.tls, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)

    def count(self, name):
        return self("GET", f"/{name}/_count")["count"]

    def indices(self, start):
        return sorted(self("GET", f"/{start}*?expand_wildcards=all&filter_path=*.aliases"))

    def delete(self, start):
        for index in self.indices(start):
            self("DELETE", f"/{index}")

    @property
    def _headers(self):
        return {"Authorization": f"Basic {self.login}", "Content-Type": "application/json"}


@pytest.fixture(scope="session")
def settings(servers_config):
    return config.read_connection(Settings, "elasticsearch")


@pytest.fixture(scope="session")
def cluster(settings):
    secret = Path(config.read_credential(settings.credential)["path"]).read_text().strip()
    login = base64.b64encode(f"{settings.user}:{secret}".encode()).decode()
    return Cluster(settings.url, login, ssl.create_default_context(cafile=settings.tls_ca))
