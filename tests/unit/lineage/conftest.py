import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from luigi_sinks.credentials.provider import PROVIDER


class Receiver(ThreadingHTTPServer):
    """An OpenLineage endpoint: keeps what it is sent, and answers with `answers` first, then with 201.

    Of each request it keeps path, headers and event; those that it refuses are in `refused`.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.taken, self.refused = [], [], []
        self.accepts = lambda headers: True
        self.late = threading.Event()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def events(self):
        return [event for _, _, event in self.taken]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        event = json.loads(self.rfile.read(int(self.headers["content-length"])))
        answer = self.server.answers.pop(0) if self.server.answers else 201
        if not self.server.accepts(self.headers):
            answer = 401
        kept = self.server.taken if answer == 201 else self.server.refused
        kept.append((self.path, dict(self.headers), event))
        if callable(answer):
            answer(self)
            return
        self.send_response(answer)
        if 300 <= answer < 400:
            self.send_header("location", "http://127.0.0.1:9/elsewhere")
        body = b'{"message": "so it is"}' if answer >= 400 else b""
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def receiver():
    """Return an endpoint on this machine."""
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.late.set()
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def fresh_provider():
    """Start each test without tokens."""
    PROVIDER.forget()
    yield
    PROVIDER.forget()
