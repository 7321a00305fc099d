"""Emulates of Vault what a lease of a database's user takes; it notes which leases were taken and revoked."""

import json
import secrets
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Vault(ThreadingHTTPServer):
    """Gives out one login of a database, each time under a lease of its own."""

    def __init__(self, user, password):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.login = {"username": user, "password": password}
        self.taken, self.revoked = [], []

    @property
    def address(self):
        """The URL."""
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, path, body):
        """Return what Vault answers."""
        if path == "auth/jwt/login":
            return {"auth": {"client_token": f"hvs.{secrets.token_hex(8)}", "lease_duration": 600, "renewable": True}}
        if path == "database/creds/loader":
            self.taken.append(f"database/creds/loader/{secrets.token_hex(8)}")
            return {"lease_id": self.taken[-1], "lease_duration": 600, "renewable": True, "data": self.login}
        if path == "sys/leases/revoke":
            self.revoked.append(body["lease_id"])
        return {}


class _Handler(BaseHTTPRequestHandler):
    def answer(self):
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or "{}")
        text = json.dumps(self.server.answer(self.path.removeprefix("/v1/"), body)).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = answer  # noqa: N815 - the server's names

    def log_message(self, *args):
        """Do not log requests."""


@contextmanager
def serving(user, password):
    """Serve within the block."""
    vault = Vault(user, password)
    threading.Thread(target=vault.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield vault
    finally:
        vault.shutdown()
        vault.server_close()
