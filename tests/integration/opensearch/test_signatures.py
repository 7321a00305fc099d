"""What becomes of a load whose requests are not signed as they must be, and of one that outlives its keys."""

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from luigi.configuration import get_config

from luigi_sinks import CredentialError
from luigi_sinks.credentials.provider import PROVIDER
from luigi_sinks.elasticsearch import ElasticsearchSettings
from luigi_sinks.elasticsearch.connection import ask
from luigi_sinks.errors import BadSetting, Forbidden
from luigi_sinks.testing.servers.signature_gate import KEYS, REGION, new_key
from luigi_sinks.testing.servers.signature_relay import Relay
from luigi_sinks.testing.servers.signatures import Denied

CREDENTIAL = "luigi_sinks.credential.signing"
LIFE = 4.0


class Tampering(Relay):
    """Changes what is written, as if somebody on the way had."""

    def admit(self, request):
        changed = request.body.replace(b'"amount":1.5', b'"amount":2.5') if "_bulk" in request.target else request.body
        super().admit(replace(request, body=changed))


class Forgetting(Relay):
    """Knows no key any more once documents are written."""

    def admit(self, request):
        if "_bulk" in request.target:
            Path(self.config.keys).write_text("[]")
        super().admit(request)


class Refusing(Relay):
    """Knows who asks, and does not allow it."""

    def admit(self, request):
        super().admit(request)
        if "_bulk" in request.target:
            raise Denied("User: arn:aws:iam::123456789012:role/loader is not authorized to perform: es:ESHttpPost")


@dataclass(frozen=True)
class Spoiling:
    """The ways to have what is signed refused; each gives settings that go through a gate of the test's own."""

    gate: Callable[..., tuple[Relay, ElasticsearchSettings]]
    key: dict[str, str]
    become: Callable[..., None]
    patch: pytest.MonkeyPatch

    def key_that_is(self, **changes):
        self.become({**self.key, **changes}, self.patch)
        return self.through()

    def credential_that_says(self, **changes):
        for name, value in changes.items():
            self.patch.setitem(get_config()[CREDENTIAL], name, value)
        PROVIDER.forget()
        return self.through()

    def through(self, kind=Relay, **others):
        return self.gate(kind, **others)[1]

    def gate_whose_clock_is(self, seconds):
        return self.through(clock=lambda: time.time() + seconds)


MISMATCH = "signature we calculated does not match"
INVALID = "security token included in the request is invalid"
WRONG = {
    "the secret is another": (MISMATCH, lambda spoil: spoil.key_that_is(SecretAccessKey="another")),
    "the key is unknown": (INVALID, lambda spoil: spoil.key_that_is(**new_key())),
    "the session is another": (INVALID, lambda spoil: spoil.key_that_is(Token="another")),
    "the key has expired": (
        "security token included in the request is expired",
        lambda spoil: spoil.through(keys=[{**spoil.key, "Expiration": "2026-01-01T00:00:00+00:00"}]),
    ),
    "it is for another service": (
        "scoped to correct service: 'es'",
        lambda spoil: spoil.credential_that_says(service="aoss"),
    ),
    "it is for another region": (
        "scoped to a valid region, not 'us-east-1'",
        lambda spoil: spoil.credential_that_says(region="us-east-1"),
    ),
    "our clock is slow": ("Signature expired", lambda spoil: spoil.gate_whose_clock_is(+600)),
    "our clock is fast": ("Signature not yet current", lambda spoil: spoil.gate_whose_clock_is(-600)),
    "a body was changed on the way": (MISMATCH, lambda spoil: spoil.through(Tampering)),
    "the key was taken back meanwhile": (INVALID, lambda spoil: spoil.through(Forgetting)),
}


@pytest.fixture
def spoiling(gate, known_key, become):
    """Return a function that loads by signatures which are spoiled in one way."""

    def load_with(spoil, load):
        with pytest.MonkeyPatch.context() as patch:
            load(spoil(Spoiling(gate, known_key, become, patch)))

    return load_with


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_signature_loads_nothing_and_a_right_one_then_does(
    spoiling, known_key, make_sink, load_ids, cluster, dataset, what
):
    load_ids(make_sink(), [1])
    said, spoil = WRONG[what]
    with pytest.raises(CredentialError, match=said) as caught:
        spoiling(spoil, lambda settings: load_ids(make_sink(settings), [2]))
    assert "credential 'signing' was refused by the server: OpenSearch at 127.0.0.1:" in str(caught.value)
    assert known_key["SecretAccessKey"] not in str(caught.value)
    assert known_key["Token"] not in str(caught.value)
    assert cluster.ids(dataset) == [1]
    PROVIDER.forget()
    load_ids(make_sink(), [3])
    assert cluster.ids(dataset) == [3]


def test_who_may_not_write_is_told_so_and_not_asked_to_sign_again(gate, make_sink, load_ids, cluster, dataset):
    load_ids(make_sink(), [1])
    _, settings = gate(Refusing)
    with pytest.raises(Forbidden, match="not authorized to perform: es:ESHttpPost; see its access policy"):
        load_ids(make_sink(settings), [2])
    assert cluster.ids(dataset) == [1]


def test_a_publishers_signature_is_its_own(settings, make_sink, load_ids, credential, cluster, dataset):
    wrong, right = (credential(source="sigv4", region=region) for region in ("us-east-1", REGION))
    load_ids(make_sink(), [1])
    with pytest.raises(CredentialError, match=f"credential '{wrong}' was refused by the server"):
        load_ids(make_sink(replace(settings, publish_credential=wrong)), [2])
    assert cluster.ids(dataset) == [1]
    load_ids(make_sink(replace(settings, publish_credential=right)), [3])
    assert cluster.ids(dataset) == [3]


def test_a_space_in_a_parameter_is_signed_as_the_server_reads_it(settings, make_sink, load_ids, dataset):
    load_ids(make_sink(), [1])
    found = ask(settings, lambda es: es.search(index=dataset, q="name:(n OR other) + 1", filter_path="hits.hits._id"))
    assert found == {"hits": {"hits": [{"_id": "1"}]}}


def test_elasticsearch_is_not_sent_signatures(settings, make_sink):
    with pytest.raises(BadSetting, match="product = opensearch"):
        make_sink(replace(settings, product="elasticsearch")).head("_all")


def test_a_head_that_is_refused_is_told_like_any_other(gate, make_sink, load_ids, dataset, place):
    relay, settings = gate(keys=[])
    with pytest.raises(CredentialError, match="403 Forbidden"):
        ask(settings, lambda es: es.indices.exists(index=dataset))
    Path(relay.config.keys).write_text((place.folder / KEYS).read_text())
    PROVIDER.forget()  # else the refusal is repeated for a moment
    assert not ask(settings, lambda es: es.indices.exists(index=dataset))
    load_ids(make_sink(settings), [1])
    assert ask(settings, lambda es: es.indices.exists(index=dataset))


def test_at_debug_no_log_holds_a_key_or_a_session(known_key, make_sink, load_ids, caplog):
    caplog.set_level(logging.DEBUG)
    load_ids(make_sink(), [1])
    assert "opensearch" in {record.name for record in caplog.records}
    assert known_key["SecretAccessKey"] not in caplog.text
    assert known_key["Token"] not in caplog.text


class Identity(ThreadingHTTPServer):
    """Hands out keys that live for a few seconds, as a container's endpoint does; the gate knows them."""

    daemon_threads = True

    def __init__(self, file):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.file = Path(file)
        self.given = []

    def give(self):
        self.given.append(new_key(timedelta(seconds=LIFE)))
        beside = self.file.with_suffix(".new")
        beside.write_text(json.dumps(self.given))
        beside.rename(self.file)
        return json.dumps(self.given[-1]).encode()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        content = self.server.give()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture
def short_lived(gate, monkeypatch):
    """Go by keys that live for a few seconds, through a gate that knows them."""
    relay, settings = gate(keys=[])
    with Identity(relay.config.keys) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{server.server_port}/")
        PROVIDER.forget()
        yield settings
        server.shutdown()
        thread.join()


@pytest.mark.usefixtures("small_parts")
def test_a_load_of_five_lifetimes_takes_as_many_keys_as_arithmetic_says(
    short_lived, make_sink, load_ids, cluster, dataset, caplog
):
    caplog.set_level(logging.INFO, "luigi_sinks.audit")
    began = time.monotonic()
    load_ids(make_sink(short_lived), ids_for(5 * LIFE))
    took = time.monotonic() - began
    actions = [json.loads(each.message)["action"] for each in caplog.records if each.name == "luigi_sinks.audit"]
    # Keys are kept for 90 % of their life at most, and replaced after 70 to 80 % of that.
    fewest, most = took / (0.9 * 0.8 * LIFE), took / (0.9 * 0.7 * LIFE)
    assert fewest - 1 <= actions.count("exchange") - actions.count("refusal") <= most + 1
    assert actions.count("exchange") >= 5
    assert cluster.count(dataset) > 1_000


def ids_for(seconds):
    """Yield a hundred ids, a part, every fifth of a second."""
    end, number = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        yield from range(number, number + 100)
        number += 100
        time.sleep(0.2)
