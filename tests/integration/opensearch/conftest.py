"""OpenSearch is seen by plain HTTP behind the gate; the sink reaches it through a gate, by signed requests."""

import contextlib
import hashlib
import http.client
import json
import secrets
import ssl
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, replace

import msgspec
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from luigi.configuration import get_config

from luigi_sinks import Origin, config, load
from luigi_sinks.credentials.provider import PROVIDER
from luigi_sinks.elasticsearch import ElasticsearchSettings, ElasticsearchSink
from luigi_sinks.elasticsearch.schema import parse_schema
from luigi_sinks.testing import servers
from luigi_sinks.testing.servers import signature_gate
from luigi_sinks.testing.servers import state as states
from luigi_sinks.testing.servers.signature_relay import Relay

MAPPING = {"id": {"type": "integer"}, "name": {"type": "keyword"}, "amount": {"type": "double"}}
SECTION = "luigi_sinks.elasticsearch.opensearch"
CREDENTIAL = "luigi_sinks.credential.signing"


@dataclass(frozen=True)
class Cluster:
    """The cluster itself, asked by urllib."""

    url: str

    def __call__(self, method, path, body=None):
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)

    def ids(self, name):
        hits = self("GET", f"/{name}/_search?size=1000&sort=id")["hits"]["hits"]
        return [hit["_source"]["id"] for hit in hits]

    def count(self, name):
        return self("GET", f"/{name}/_count")["count"]

    def indices(self, start):
        return sorted(self("GET", f"/{start}*?expand_wildcards=all&filter_path=*.aliases"))

    def delete(self, start):
        found = self.indices(start)
        for at in range(0, len(found), 15):  # names of 255 bytes, in a line of 4 KB
            self("DELETE", f"/{','.join(found[at : at + 15])}")


class Caller:
    """Asks through a gate, path by path, with requests that a key of its own signs."""

    def __init__(self, settings, key):
        self._settings = settings
        self._signer = Credentials(key["AccessKeyId"], key["SecretAccessKey"], key["Token"])
        tls = ssl.create_default_context(cafile=settings.tls_ca)
        self._connection = http.client.HTTPSConnection(settings.host, settings.port, context=tls, timeout=60)

    def __call__(self, method, target, body=None):
        """Return the status, and what the answer says."""
        headers = {"content-type": "application/json", "x-amz-content-sha256": hashlib.sha256(body or b"").hexdigest()}
        request = AWSRequest(method=method, url=self._settings.url + target, data=body or b"", headers=headers)
        SigV4Auth(self._signer, "es", signature_gate.REGION).add_auth(request)
        self._connection.request(method, target, body, dict(request.headers.items()))
        answer = self._connection.getresponse()
        said = answer.read()
        with contextlib.suppress(ValueError):
            said = json.loads(said)
        return answer.status, said

    def close(self):
        self._connection.close()


@pytest.fixture(scope="session")
def place(servers_config):
    """Start OpenSearch and its gate unless they run; say where the gate lives."""
    servers.up(["opensearch", "signature_gate"])
    return states.find().place(servers.SIGNATURE_GATE)


@pytest.fixture(scope="session")
def cluster(place):
    return Cluster(f"http://127.0.0.1:{place.beside('opensearch').port}")


@pytest.fixture
def become(monkeypatch):
    """Return a function that gives this process the identity of a key."""
    names = {"AccessKeyId": "ACCESS_KEY_ID", "SecretAccessKey": "SECRET_ACCESS_KEY", "Token": "SESSION_TOKEN"}

    def change(key, patch=monkeypatch):
        for name, variable in names.items():
            patch.setenv(f"AWS_{variable}", key[name])
        PROVIDER.forget()

    return change


@pytest.fixture(autouse=True)
def known_key(place, become, monkeypatch):
    """Be who the shared gate knows, and nobody else."""
    (key,) = json.loads((place.folder / signature_gate.KEYS).read_text())
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    become(key)
    return key


@pytest.fixture(autouse=True)
def settings(place):
    """Say in luigi's configuration how OpenSearch is reached."""
    with configured(place) as found:
        yield found
    PROVIDER.forget()


@contextlib.contextmanager
def configured(place):
    """Have the sections of luigi.cfg for OpenSearch."""
    known = {"host": "127.0.0.1", "port": place.port, "tls_ca": place.ca, "credential": "signing"}
    sections = {
        SECTION: {"product": "opensearch", **known},
        CREDENTIAL: {"source": "sigv4", "region": signature_gate.REGION},
    }
    get_config().read_dict({name: {key: str(value) for key, value in each.items()} for name, each in sections.items()})
    yield config.read_connection(ElasticsearchSettings, "elasticsearch", "opensearch")
    for name in sections:
        get_config().remove_section(name)


@pytest.fixture
def gate(place, settings, tmp_path):
    """Return a function that starts a gate of the test's own; it gives the gate, and settings to go through it."""
    running = []

    def start(kind=Relay, clock=time.time, keys=None, **others):
        file = tmp_path / f"{secrets.token_hex(4)}.json"
        file.write_text(json.dumps(keys) if keys is not None else (place.folder / signature_gate.KEYS).read_text())
        configuration = msgspec.structs.replace(signature_gate.configuration(place), port=0, keys=str(file), **others)
        relay = kind(configuration, clock)
        thread = threading.Thread(target=relay.serve_forever, daemon=True)
        thread.start()
        running.append((relay, thread))
        return relay, replace(settings, port=relay.server_address[1])

    yield start
    for relay, thread in running:
        relay.shutdown()
        relay.server_close()
        thread.join()


@pytest.fixture
def dataset(cluster):
    """Name a dataset that was never loaded, and leave nothing of it."""
    name = f"os_{secrets.token_hex(4)}"
    yield name
    cluster.delete(name)


@pytest.fixture
def make_sink(settings, dataset):
    """Make sinks of the dataset, by default with the mapping of the contract suite."""

    def make(settings=settings, mapping=MAPPING, **index_settings):
        return ElasticsearchSink(settings, dataset, parse_schema(dataset, mapping, index_settings, "id"))

    return make


@pytest.fixture
def load_ids():
    """Load documents of these ids as a task would."""

    def load_them(sink, ids):
        load(sink, "_all", Origin("Load_1", family="Load"), ({"id": each, "name": "n", "amount": 1.5} for each in ids))

    return load_them
