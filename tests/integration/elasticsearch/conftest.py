"""What these tests see of the server is seen by plain HTTP, not by the client under test."""

import base64
import contextlib
import http.client
import json
import secrets
import ssl
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from luigi_sinks import Origin, config, load
from luigi_sinks.elasticsearch import ElasticsearchSettings, ElasticsearchSink
from luigi_sinks.elasticsearch.schema import parse_schema

KEPT = Path(__file__).with_name("registry_format_1.json")
MAPPING = {"id": {"type": "integer"}, "name": {"type": "keyword"}, "amount": {"type": "double"}}


@dataclass(frozen=True)
class Cluster:
    """The cluster of the configuration, asked by urllib."""

    url: str
    login: str = field(repr=False)
    tls: ssl.SSLContext

    def __call__(self, method, path, body=None):
        request = urllib.request.Request(self.url + path, method=method, headers=self._headers)
        if body is not None:
            request.data = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(request, context=self.tls, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)

    def count(self, name):
        return self("GET", f"/{name}/_count")["count"]

    def documents(self, name):
        hits = self("GET", f"/{name}/_search?size=1000&sort=id")["hits"]["hits"]
        return {hit["_id"]: hit["_source"] for hit in hits}

    def indices(self, start):
        return sorted(self("GET", f"/{start}*?expand_wildcards=all&filter_path=*.aliases"))

    def delete(self, start):
        found = self.indices(start)
        for at in range(0, len(found), 15):  # names of 255 bytes, in a line of 4 KB
            self("DELETE", f"/{','.join(found[at : at + 15])}")

    @property
    def _headers(self):
        return {"Authorization": f"Basic {self.login}", "Content-Type": "application/json"}


@pytest.fixture(scope="session")
def settings(servers_config):
    return config.read_connection(ElasticsearchSettings, "elasticsearch")


@pytest.fixture(scope="session")
def cluster(settings):
    secret = Path(config.read_credential(settings.credential)["path"]).read_text().strip()
    login = base64.b64encode(f"{settings.user}:{secret}".encode()).decode()
    return Cluster(settings.url, login, ssl.create_default_context(cafile=settings.tls_ca))


@pytest.fixture
def dataset(cluster):
    """Name a dataset that was never loaded, and leave nothing of it."""
    name = f"es_{secrets.token_hex(4)}"
    yield name
    cluster.delete(name)


@pytest.fixture
def make_sink(settings, dataset):
    """Make sinks of the dataset, by default with the mapping of the contract suite."""

    def make(*, settings=settings, mapping=MAPPING, id_field="id", allow_change=(), **index_settings):
        schema = parse_schema(dataset, mapping, index_settings, id_field)
        return ElasticsearchSink(settings, dataset, schema, allow_change)

    return make


@pytest.fixture
def sink(make_sink):
    return make_sink()


@pytest.fixture
def load_rows():
    """Load rows as a task would, and return the version that they became."""

    def load_them(sink, rows, partition="_all", **options):
        load(sink, partition, Origin("Load_1", family="Load"), rows, **options)
        return sink.head(partition).version

    return load_them


@pytest.fixture
def restore(cluster, dataset):
    """Return a function that brings a kept dataset back under the name of the test's."""

    def restore(kept):
        text = KEPT.read_text().replace(kept, dataset)
        for index, found in json.loads(text)["indices"].items():
            if not index.startswith(f"{dataset}~"):
                continue
            settings = {name: value for name, value in found["settings"].items() if name != "blocks"}
            made = {"settings": settings, "mappings": found["mappings"]}
            assert cluster("PUT", f"/{index}", made)["acknowledged"]
            lines = [line for key, body in found["documents"].items() for line in ({"create": {"_id": key}}, body)]
            sent = cluster("POST", f"/{index}/_bulk?refresh=true", b"".join(map(_line, lines)))
            assert not sent["errors"]
            cluster("PUT", f"/{index}/_settings", {"blocks": found["settings"].get("blocks", {})})
            for alias, options in found["aliases"].items():
                action = {"add": {"index": index, "alias": alias, **options}}
                assert cluster("POST", "/_aliases", {"actions": [action]})["acknowledged"]

    return restore


def _line(value):
    return json.dumps(value).encode() + b"\n"


@dataclass
class Fault:
    """What befalls the requests that it matches: no answer comes, or another one."""

    matches: Callable[[str, str, bytes], bool]
    times: int
    status: int = 0
    is_sent: bool = True
    body: dict | None = None


class Proxy(ThreadingHTTPServer):
    """Stands before the cluster on loopback, in clear text or by TLS, and does what a bad network does.

    With a login it says to the cluster who asks, as an identity-aware proxy does.
    """

    daemon_threads = True

    def __init__(self, settings, tls=None, login=""):
        super().__init__(("127.0.0.1", 0), _Handler)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.upstream = settings
        self.login = login
        self.tls = ssl.create_default_context(cafile=settings.tls_ca)
        self.settings = replace(settings, port=self.server_port, tls_ca=None)
        self.faults = []
        self.requests = []
        self.headers = []
        self.certificates = []
        self.lock = threading.Lock()

    def handle_error(self, request, client_address):
        """Say nothing of a client that hangs up, as many tests have it do."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def lose_answers(self, method, path, times=1):
        """Let requests through, and cut the connection where the answer should come."""
        self.faults.append(Fault(lambda m, p, _: m == method and path in p, times))

    def lose_requests(self, method, path, times=1):
        """Cut the connection before the request goes on."""
        self.faults.append(Fault(lambda m, p, _: m == method and path in p, times, is_sent=False))

    def refuse(self, status, matches, times=10**9, body=None):
        """Answer by ourselves."""
        self.faults.append(Fault(matches, times, status, is_sent=False, body=body))

    def before(self, method, path, act):
        """Have something else happen once, before the first such request goes on."""
        acts = [act]

        def happen(m, p, _):
            if acts and m == method and path in p:
                acts.pop()()
            return False

        self.faults.append(Fault(happen, 1))

    def fault_of(self, method, path, body):
        with self.lock:
            self.requests.append((method, path, len(body)))
            for fault in self.faults:
                if fault.times and fault.matches(method, path, body):
                    fault.times -= 1
                    return fault
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _pass_on(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        if isinstance(self.request, ssl.SSLSocket):
            self.server.certificates.append(self.request.getpeercert())
        fault = self.server.fault_of(self.command, self.path, body)
        answer = self._ask(body) if fault is None or fault.is_sent else None
        if fault is None:
            self._reply(*answer)
        elif fault.status:
            body = json.dumps(fault.body).encode() if fault.body else b""
            headers = {"X-Elastic-Product": "Elasticsearch", **({"Content-Type": "application/json"} if body else {})}
            self._reply(fault.status, headers, body)
        else:
            self.close_connection = True

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on  # noqa: N815 - http.server asks for these names

    def setup(self):
        super().setup()
        upstream = self.server.upstream
        self.connection = http.client.HTTPSConnection(upstream.host, upstream.port, context=self.server.tls, timeout=60)

    def finish(self):
        self.connection.close()
        super().finish()

    def _ask(self, body):
        headers = dict(self.headers)
        if self.server.login:
            headers = {name: value for name, value in headers.items() if name.lower() != "authorization"}
            headers["Authorization"] = f"Basic {self.server.login}"
        self.connection.request(self.command, self.path, body, headers)
        answer = self.connection.getresponse()
        content = answer.read()
        kept = {name: answer.headers[name] for name in ("Content-Type", "X-Elastic-Product") if name in answer.headers}
        return answer.status, kept, content

    def _reply(self, status, headers, content):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture
def start_proxy(settings):
    """Return a function that starts a proxy."""
    with contextlib.ExitStack() as running:

        def start(**options):
            server = Proxy(settings, **options)
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            running.callback(thread.join)
            running.callback(server.server_close)
            running.callback(server.shutdown)
            return server

        yield start


@pytest.fixture
def proxy(start_proxy):
    return start_proxy()
