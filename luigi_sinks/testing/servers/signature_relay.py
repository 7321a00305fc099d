"""`python -m luigi_sinks.testing.servers.signature_relay CONFIG`: passes on what is signed, as AWS does.

It ends TLS before an OpenSearch in clear text. A request that is not signed by a key
of the file, for the service and region, is refused as Amazon OpenSearch Service
refuses it, and the server behind does not hear of it. So is one that the policies of
the signer's role do not allow; a role without policies may do everything.
"""

import http.client
import json
import logging
import ssl
import sys
import time
import urllib.request
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from luigi_sinks.testing.servers import policies, signatures
from luigi_sinks.testing.servers.aws_service import KEYS
from luigi_sinks.testing.servers.signatures import Denied, Key, Request, Scope

log = logging.getLogger(__name__)

# No proxy of the environment has a part in reaching this machine.
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

PASSED_ON = ("accept", "content-type", "x-opaque-id")
PATIENCE = 90


class Config(msgspec.Struct, frozen=True):
    """Where it listens, what is behind it, and what requests must be signed with and for.

    `keys` is a file that is read anew when it changes: a list as AWS hands keys out,
    each with AccessKeyId, SecretAccessKey, Token and Expiration, and RoleArn if it is
    a role's. `aws` is where to ask for other keys, and `authorization` the file of what
    must be shown there. `skew` is in seconds. `policies` is a folder: ROLE.json there is
    a list of the policies of a role. `domain` is the ARN of this one.
    """

    host: str
    port: int
    server_port: int
    certificate: str
    key: str
    keys: str
    aws: str
    authorization: str
    region: str
    policies: str
    domain: str
    service: str = "es"
    skew: float = 300.0


class Relay(ThreadingHTTPServer):
    """Listens, with a thread for each connection."""

    daemon_threads = True
    request_queue_size = 64

    must_allow = staticmethod(all)
    """Which of the readings of a path must be allowed: AWS does not say whether it decodes what `%` encodes."""

    def __init__(self, config: Config, clock: Callable[[], float] = time.time) -> None:
        super().__init__((config.host, config.port), _Handler)
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(config.certificate, config.key)
        # The handshake is left to the connection's own thread.
        self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.config = config
        self._clock = clock
        self._scope = Scope(config.region, config.service, config.skew)
        self._known: tuple[int, dict[str, Key]] = (0, {})
        self._asked: dict[str, Key] = {}

    def admit(self, request: Request) -> None:
        """Return if the request may pass. Raises Denied."""
        key_id = signatures.key_id(request)
        known = self._keys()
        keys = known if key_id in known else self._keys_of_aws(key_id)
        key = signatures.check(request, keys, self._scope, self._clock())
        self._refuse_what_no_policy_allows(request, key.role)

    def _refuse_what_no_policy_allows(self, request: Request, role: str) -> None:
        """Return if the policies of a role allow the request, or there are none. Raises Denied."""
        name = role.rpartition("/")[2]
        file = Path(self.config.policies) / f"{name}.json"
        if not name or not file.exists():
            return
        path, action = request.target.partition("?")[0], policies.action(request.method)
        known = json.loads(file.read_bytes())
        answers = [policies.answer(known, action, self.config.domain + reading) for reading in {path, unquote(path)}]
        if not self.must_allow(found is policies.Answer.ALLOWED for found in answers):
            reason = max(answers).format(action)  # a denial comes before all others, in the alphabet too
            raise Denied(f"User: {role} is not authorized to perform: {action} {reason}")

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - socketserver gives it
        """Say in a line what came of a connection; a client that goes, or that does not trust us, is no error."""
        log.info("%s: %s: %s", client_address, type(error := sys.exception()).__name__, error)

    def _keys(self) -> dict[str, Key]:
        file = Path(self.config.keys)
        changed = file.stat().st_mtime_ns
        if changed != self._known[0]:
            self._known = changed, {each["AccessKeyId"]: _key(each) for each in json.loads(file.read_bytes())}
        return self._known[1]

    def _keys_of_aws(self, key_id: str) -> dict[str, Key]:
        """Return the key if AWS has given it out."""
        if key_id not in self._asked:
            shown = {"Authorization": Path(self.config.authorization).read_text(encoding="utf-8").strip()}
            address = f"{self.config.aws}{KEYS}{quote(key_id, safe='')}"
            request = urllib.request.Request(address, headers=shown)  # noqa: S310 - it is http, by the configuration
            try:
                with _open(request, timeout=5) as answer:
                    self._asked[key_id] = _key(json.load(answer))
            except OSError:  # there is no such key, or nobody who knows
                return {}
        return {key_id: self._asked[key_id]}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Relay

    def setup(self) -> None:
        super().setup()
        config = self.server.config
        self._behind = http.client.HTTPConnection(config.host, config.server_port, timeout=PATIENCE)

    def finish(self) -> None:
        self._behind.close()
        super().finish()

    def _relay(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, body)
        try:
            self.server.admit(request)
        except Denied as denied:
            log.info("refused: %s %s: %s", request.method, request.target, denied)
            name = "Message" if str(denied).startswith("User: ") else "message"  # as AWS writes them
            self._answer(HTTPStatus.FORBIDDEN, "application/json", json.dumps({name: str(denied)}).encode())
        else:
            self._answer(*self._ask(request))

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _relay  # noqa: N815 - http.server asks for these names

    def _ask(self, request: Request) -> tuple[int, str, bytes]:
        headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
        try:
            self._behind.request(request.method, request.target, request.body, headers)
            answer = self._behind.getresponse()
            return answer.status, answer.headers.get("Content-Type", "text/plain"), answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._behind.close()
            log.info("no answer: %s %s: %s", request.method, request.target, error)
            return HTTPStatus.BAD_GATEWAY, "application/json", b'{"message": "Bad Gateway"}'

    def _answer(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *args: Any) -> None:
        """Say nothing of what passes."""


def _key(found: dict[str, str]) -> Key:
    expires = datetime.fromisoformat(found["Expiration"]).timestamp()
    return Key(found["SecretAccessKey"], found["Token"], expires, found.get("RoleArn", ""))


def main(path: str) -> None:
    """Relay until the process is ended."""
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    Relay(msgspec.json.decode(Path(path).read_bytes(), type=Config)).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
