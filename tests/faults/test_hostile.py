"""Each source of tokens and each store against servers that are slow, endless, huge, garbage, redirecting, or that
quote what they were sent: an error of ours within the deadline, and no secret in any output.

Everything is attacked at once, in threads; a test looks at one result. What must not be found is what the
servers were sent, as they received it.
"""

import base64
import contextlib
import gzip
import json
import logging
import os
import random
import re
import secrets
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import parse_qs, quote, unquote

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from luigi_sinks import CredentialError, audit, config, redaction
from luigi_sinks.credentials.provider import Provider
from luigi_sinks.elasticsearch import ElasticsearchSettings
from luigi_sinks.elasticsearch.connection import ask
from luigi_sinks.errors import SinkError
from tests.secret_search import found, mentioned, shown

PATIENCE = 2.0
"""Seconds of each time-out that is set where an attack makes one run out."""

ENOUGH = 30.0
"""Seconds of each time-out that is set where an attack answers at once, on a machine with many things to do."""

LATEST = 90.0
"""Seconds after which the error must be there, on a machine with many things to do."""


@dataclass
class Peer:
    """A connection that an attack may do anything with, and the request that came by it."""

    socket: socket.socket
    head: str = ""
    body: bytes = b""

    def say(self, *texts):
        for text in texts:
            self.socket.sendall(text.encode() if isinstance(text, str) else text)

    def answer(self, status, content, *headers):
        content = content if isinstance(content, bytes) else json.dumps(content).encode()
        # Without the header of the product, Elasticsearch's client reads no answer.
        length, product = f"content-length: {len(content)}", "x-elastic-product: Elasticsearch"
        head = [f"HTTP/1.1 {status} Here", length, product, "content-type: application/json", *headers, "", ""]
        self.say("\r\n".join(head), content)

    def drip(self, start, byte):
        self.say(start)
        while True:
            time.sleep(0.1)
            self.say(byte)


def endless(peer, start, block):
    peer.say(start)
    while True:
        peer.say(block)


OK = "HTTP/1.1 200 Ok\r\n"
CHUNKED = f"{OK}transfer-encoding: chunked\r\n\r\n"


def quoted(peer):
    """Return what was sent, as error pages and messages quote it."""
    sent = f"{peer.head}{peer.body.decode('latin-1')}"
    return {
        "raw": sent,
        "URL": quote(sent, safe=""),
        "hex": sent.encode().hex(),
        "base64": [base64.b64encode(b"x" * count + sent.encode()).decode() for count in range(3)],
        "repr": repr(sent.encode()),
        "escaped": "".join(each if each.isalnum() else f"\\u{ord(each):04x}" for each in sent),
        "cut off": [value[:30] for value in re.findall(r"\S{40,}", unquote(sent))],
        "decoded": [base64.b64decode(value + "==").decode("latin-1") for value in re.findall(r"Basic (\S+)", sent)],
    }


def page(peer):
    return f"<html>{json.dumps(quoted(peer))}</html>".encode()


def aws_error(peer, code):
    """Return an error as AWS's services write it; the canonical request is part of some messages."""
    said = json.dumps(quoted(peer)).replace("&", "&amp;").replace("<", "&lt;")
    xml = f"<ErrorResponse><Error><Code>{code}</Code><Message>{said}</Message></Error></ErrorResponse>"
    return xml.encode() if b"Action=" in peer.body else json.dumps({"__type": code, "message": said}).encode()


def errors(peer):
    said = quoted(peer)
    return {"error": {"type": "security_exception", "reason": said}, "error_description": said, "errors": [str(said)]}


def challenge(peer):
    said = re.sub(r'[\r\n"]', " ", str(quoted(peer)["raw"]))
    return f'www-authenticate: Bearer error="invalid_token", error_description="{said}"'


SILENT = {
    "silent": lambda peer: peer.drip("", ""),
    "slow status": lambda peer: peer.drip("HTTP/1.1 200 ", "x"),
    "slow header": lambda peer: peer.drip(f"{OK}x: ", "x"),
    "slow headers": lambda peer: peer.drip(OK, "x: y\r\n"),
    "slow chunk size": lambda peer: peer.drip(CHUNKED, "0"),
    "slow body": lambda peer: peer.drip(f"{OK}content-length: 1000\r\n\r\n", " "),
    "for ever 100 Continue": lambda peer: peer.drip("", "HTTP/1.1 100 Continue\r\n\r\n"),
}
ENDLESS = {
    "endless 100 Continue": lambda peer: endless(peer, "", "HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "endless header": lambda peer: endless(peer, f"{OK}x: ", "x" * 10_000),
    "endless headers": lambda peer: endless(peer, OK, "x: y\r\n" * 100),
}
HUGE = {
    "endless body": lambda peer: endless(peer, f"{OK}\r\n", b" " * 100_000),
    "huge body": lambda peer: endless(peer, f"{OK}content-length: {10**15}\r\n\r\n", b" " * 100_000),
    "endless chunks": lambda peer: endless(peer, CHUNKED, b"2710\r\n" + b" " * 10_000 + b"\r\n"),
}
GARBAGE = {
    "closed": lambda peer: None,
    "garbage": lambda peer: peer.say(random.Random(7).randbytes(5000)),
    "other protocol": lambda peer: peer.say("220 mail.example ESMTP\r\n"),
    "cut off": lambda peer: peer.say(f"{OK}content-length: 1000\r\n\r\n{{"),
    "gzip bomb": lambda peer: peer.answer(200, gzip.compress(b" " * 10_000_000), "content-encoding: gzip"),
    "gzip garbage": lambda peer: peer.answer(200, b"no gzip", "content-encoding: gzip"),
    "redirect": lambda peer: peer.answer(302, b"", "location: http://127.0.0.1:9/elsewhere"),
    "redirect with the request": lambda peer: peer.answer(307, b"", "location: http://127.0.0.1:9/elsewhere"),
    "a list": lambda peer: peer.answer(200, [1, 2]),
    "deep JSON": lambda peer: peer.answer(200, b'{"a":' * 100_000),
    "empty": lambda peer: peer.answer(200, b""),
    "no content": lambda peer: peer.answer(200, {}),
}
QUOTING = {
    **{
        f"{status} with what it was sent": lambda peer, status=status: peer.answer(
            status, errors(peer), challenge(peer)
        )
        for status in (200, 400, 401, 403, 404, 500, 503)
    },
    "page with what it was sent": lambda peer: peer.answer(502, page(peer)),
    "status line with what it was sent": lambda peer: peer.say(f"HTTP/1.1 {quoted(peer)['raw'][:400]}".encode()),
    "header with what it was sent": lambda peer: peer.say(f"{OK}{quoted(peer)['URL']}\r\nno header\r\n\r\n".encode()),
    "redirect with what it was sent": lambda peer: peer.answer(302, b"", f"location: http://x/{quoted(peer)['URL']}"),
}
OF_AWS = {
    f"{code} with what it was sent": lambda peer, code=code: peer.answer(403, aws_error(peer, code))
    for code in ("SignatureDoesNotMatch", "AccessDenied", "ValidationError", "ExpiredToken")
}
SLOW = {**SILENT, **ENDLESS, **HUGE}
ATTACKS = {**SLOW, **GARBAGE, **QUOTING, **OF_AWS}


@dataclass
class Hostile:
    """A server that attacks as the first part of a path says, or as a port of its own does; it keeps all it gets."""

    attack: str = ""
    address: str = ""
    received: list = field(default_factory=list)
    """Each attack, and the request that it answered."""

    def serve(self):
        listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return self

    def _accept(self, listener):
        while True:
            threading.Thread(target=self._handle, args=(listener.accept()[0],), daemon=True).start()

    def _handle(self, connection):
        connection.settimeout(LATEST)
        with connection, contextlib.suppress(OSError):
            while self._answer(connection):
                pass

    def _answer(self, connection):
        peer = read(connection)
        if peer is None:
            return False
        path = unquote(peer.head.split()[1])
        attack, _, rest = path.lstrip("/").partition("/")
        if well := self.attack == "" and self._harmless(attack, rest):
            peer.answer(200, well)
            return True
        self.received.append((self.attack or attack, f"{peer.head}{peer.body.decode('latin-1')}"))
        ATTACKS[self.attack or attack](peer)
        return "content-length" in peer.head  # the next request, if there is one

    def _harmless(self, attack, rest):
        """Return the discovery document: what is attacked is the request with a secret."""
        if not rest.endswith("openid-configuration"):
            return None
        here = f"{self.address}/{quote(attack)}"
        return {"issuer": f"{here}/realm", "token_endpoint": f"{here}/token", "jwks_uri": f"{here}/keys"}


def read(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        if not (block := connection.recv(1 << 16)):
            return None
        data += block
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    while length and len(body) < int(length[1]):
        body += connection.recv(1 << 16)
    return Peer(connection, f"{head.decode('latin-1')}\r\n\r\n", body)


def canary():
    return secrets.token_urlsafe(60)


KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def sources(folder, address):
    """Yield the name and section of each source that makes requests; files hold what they authenticate with."""
    pem = KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(pem)
    (folder / "projected").write_text(canary())
    oidc = {"source": "oidc", "issuer": f"{address}/realm", "client_id": "loader"}
    aws = {"region": "eu-west-1", "endpoint": address}
    yield "oidc with a secret", {**oidc, "client_secret_from": "secret"}
    yield "oidc with a key", {**oidc, "private_key_file": str(folder / "key.pem")}
    yield "oidc with a projected token", {**oidc, "token_file": str(folder / "projected")}
    yield "vault", {"source": "vault", "address": address, "role": "r", "path": "p", "jwt_from": "secret"}
    yield "sts_web_identity", {**aws, "source": "sts_web_identity", "audience": "es"}
    yield "secrets_manager", {**aws, "source": "secrets_manager", "secret_id": "db"}
    yield "assume_role", {**aws, "source": "assume_role", "role": "arn:aws:iam::123456789012:role/loader"}


CLIENTS = {"elasticsearch": ("password", "bearer", "api_key"), "opensearch": ("bearer", "signature")}


def asked(settings):
    """Make the call of a store."""
    return ask(settings, lambda es: es.search(index="flights", size=1), tries=1)


@dataclass
class Result:
    seconds: float
    error: BaseException | None


def attempt(call, *arguments):
    started = time.monotonic()
    try:
        call(*arguments)
    except Exception as error:  # noqa: BLE001 - which one is what the tests look at
        return Result(time.monotonic() - started, error)
    return Result(time.monotonic() - started, None)


FOR_AWS = (
    "silent",
    "slow header",
    "slow body",
    "endless 100 Continue",
    "endless body",
    "gzip bomb",
    "redirect",
    "deep JSON",
)
"""Of the others, one of each kind: a client of AWS's takes a while to make."""

OF_SOURCES = [
    *((source, attack) for source in ("oidc with a secret", "vault") for attack in ATTACKS if attack not in OF_AWS),
    *(("sts_web_identity", attack) for attack in (*FOR_AWS, *QUOTING, *OF_AWS)),
    *((source, attack) for source in ("oidc with a key", "oidc with a projected token") for attack in QUOTING),
    *((source, attack) for source in ("secrets_manager", "assume_role") for attack in OF_AWS),
]
OF_HTTP = [*SILENT, *ENDLESS, *GARBAGE, *QUOTING]
OTHER_ANSWERS = ("a list", "no content", "200 with what it was sent")

OF_STORES = [
    *(("elasticsearch", "bearer", attack) for attack in OF_HTTP),
    *(("elasticsearch", scheme, attack) for scheme in ("password", "api_key") for attack in QUOTING),
    *(("opensearch", "signature", attack) for attack in (*OF_HTTP, *OF_AWS)),
]


def sections(folder, server):
    """Return the configuration of all that is attacked, a credential for each source and attack, by its patience."""
    (folder / "secret").write_text(canary())
    made = {"secret": {"source": "file", "path": str(folder / "secret"), "holds": "bearer"}}
    for attack in ATTACKS:
        for source, settings in sources(folder, f"{server.address}/{quote(attack)}"):
            made[f"{source}: {attack}"] = settings
    for holds in ("password", "bearer", "api_key"):
        (folder / holds).write_text(canary())
        made[holds] = {"source": "file", "path": str(folder / holds), "holds": holds}
    made["signature"] = {"source": "sigv4", "region": "eu-west-1"}
    known = {"credential": made, "audit": {"path": str(folder / "audit")}}
    times = ("connect_timeout", "request_timeout", "exchange_timeout")
    return {each: {"luigi_sinks": {**known, "exchanges": dict.fromkeys(times, each)}} for each in (PATIENCE, ENOUGH)}


def settings_of(product, scheme, attack, servers):
    port = int(servers[attack].address.rpartition(":")[2])
    return ElasticsearchSettings(
        "127.0.0.1", scheme, "loader", port, product, request_timeout=PATIENCE if attack in SLOW else ENOUGH
    )


@dataclass
class Attacked:
    """The results, by what was attacked; the secrets that were sent, by attack; and all that was logged."""

    results: dict
    sent: dict
    said: bytes

    def leaks(self, text, attacks):
        """Return the attacks of which the text contains a secret."""
        if not (secrets := set().union(*(self.sent[attack] for attack in attacks))) & mentioned(text, secrets):
            return []
        return [attack for attack in attacks if any(found(secret, text) for secret in self.sent[attack])]


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    log = logging.FileHandler(folder / "log")
    root, level = logging.getLogger(), logging.getLogger().level
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "ACCESS_KEY_ID": "AKIAEXAMPLE",
            "SECRET_ACCESS_KEY": canary(),
            "SESSION_TOKEN": canary(),
        }.items():
            patch.setenv(f"AWS_{name}", value)
        patch.setenv("AWS_CONFIG_FILE", str(folder / "none"))
        server = Hostile().serve()
        servers = {attack: Hostile(attack).serve() for attack in ATTACKS}
        made = sections(folder, server)
        root.addHandler(log)
        root.setLevel(logging.DEBUG)
        try:
            results = attack_all(servers, made)
        finally:
            root.removeHandler(log)
            root.setLevel(level)
            config.use(None)
            audit.forget_settings()
        own = {os.environ["AWS_SECRET_ACCESS_KEY"], os.environ["AWS_SESSION_TOKEN"]}
    kept = own | {(folder / name).read_text() for name in ("secret", "projected", "password", "bearer", "api_key")}
    sent = {attack: {*kept} for attack in ATTACKS}
    for attack, request in [each for one in (server, *servers.values()) for each in one.received]:
        sent[attack] |= {*secrets_in(request)} - {""}
    return Attacked(results, sent, (folder / "log").read_bytes() + (folder / "audit").read_bytes())


def attack_all(servers, sections):
    """Return the results of all attacks: those that are slow first, with little patience."""
    found = {}
    for patience, is_slow in ((PATIENCE, True), (ENOUGH, False)):
        config.use(sections[patience])
        audit.forget_settings()
        found |= attack_some(servers, lambda each, is_slow=is_slow: (each[-1] in SLOW) is is_slow)
    return found


def attack_some(servers, chosen):
    providers = {pair: Provider() for pair in OF_SOURCES}  # none waits for another's exchange
    with ThreadPoolExecutor(8) as threads:  # few, or time runs out before a secret was sent
        results = {
            (source, attack): threads.submit(attempt, providers[source, attack].use, f"{source}: {attack}", str)
            for source, attack in filter(chosen, OF_SOURCES)
        } | {each: threads.submit(attempt, asked, settings_of(*each, servers)) for each in filter(chosen, OF_STORES)}
        return {each: result.result() for each, result in results.items()}


def secrets_in(request):
    """Yield the secrets in a request: headers and fields that authenticate."""
    head, _, body = request.partition("\r\n\r\n")
    for line in head.splitlines():
        name, _, value = line.partition(": ")
        if name.casefold() in {"authorization", "x-vault-token", "x-amz-security-token"}:
            yield value.rpartition("Signature=")[2].rpartition(" ")[2]
    fields = parse_qs(body)
    yield from (fields[name][0] for name in ("client_assertion",) if name in fields)
    if '"jwt"' in body:
        yield json.loads(body)["jwt"]


def named(case):
    return " - ".join(case)


@pytest.mark.parametrize("case", [*OF_SOURCES, *OF_STORES], ids=named)
def test_an_attack_ends_in_an_error_of_ours_in_time_without_a_secret(attacked, case):
    result = attacked.results[case]
    assert isinstance(result.error, (CredentialError, SinkError)), repr(result.error)
    assert result.seconds < LATEST
    assert attacked.leaks("\n".join(shown(result.error)).encode(), [case[-1]]) == []


@pytest.mark.parametrize("case", [each for each in OF_STORES if each[-1].startswith("redirect")], ids=named)
def test_a_redirect_is_told_by_its_status_and_what_to_correct(attacked, case):
    told = r" answers with a redirect \(30[27]\), .* Correct host and port in luigi.cfg"
    assert re.search(told, str(attacked.results[case].error))


@pytest.mark.parametrize("case", [each for each in OF_STORES if each[-1] in OTHER_ANSWERS], ids=named)
def test_an_answer_that_no_search_returns_is_told(attacked, case):
    told = "what came is not the response to search, so it is not (Elasticsearch|OpenSearch)'s"
    assert re.search(told, str(attacked.results[case].error))


@pytest.mark.parametrize("case", [each for each in OF_SOURCES if each[1] in SILENT], ids=named)
def test_the_error_names_the_time_that_ran_out(attacked, case):
    assert re.search(r"took longer than (request|exchange)_timeout = 2 s", str(attacked.results[case].error))


def test_no_log_and_no_audit_line_contains_a_secret(attacked):
    assert len(set().union(*attacked.sent.values())) > len(ATTACKS)
    assert attacked.leaks(attacked.said, ATTACKS) == []
    assert attacked.said.count(redaction.MARK.encode()) > 10


@pytest.mark.parametrize("where", ["text", "cause", "note", "frame", "log"])
def test_the_search_finds_a_planted_leak(attacked, where):
    secret = min(attacked.sent["silent"])

    def leak():
        password = secret  # noqa: F841 - for its frame
        error = ValueError(secret if where == "text" else "it failed")
        if where == "note":
            error.add_note(f"sent {base64.b64encode(secret.encode()).decode()}")
        raise error from (KeyError(secret) if where == "cause" else None)

    with pytest.raises(ValueError, match=r"\w") as caught:
        leak()
    if where != "frame":
        for error in (caught.value, caught.value.__cause__):
            if error is not None:
                error.__traceback__ = None
    text = "\n".join(shown(caught.value)).encode() if where != "log" else attacked.said + secret.encode()
    assert attacked.leaks(text, ["silent"]) == ["silent"]
