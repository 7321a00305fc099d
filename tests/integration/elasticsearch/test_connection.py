"""A store that is down, credentials that change, and processes that fork."""

import multiprocessing
import secrets
import socket
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from luigi.configuration import get_config

from luigi_sinks import CredentialError, config
from luigi_sinks.elasticsearch import ElasticsearchSettings, ElasticsearchTarget
from luigi_sinks.elasticsearch.store import STORE
from luigi_sinks.errors import BadSetting, Conflict, Unavailable


@pytest.fixture
def closed_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@dataclass(frozen=True)
class Secret:
    """A credential of its own: a file, to be changed at will."""

    credential: str
    file: Path
    right: str = field(repr=False)

    def write(self, text):
        self.file.write_text(text)

    def restore(self):
        self.write(self.right)


@pytest.fixture
def secret(tmp_path, settings):
    right = Path(config.read_credential(settings.credential)["path"]).read_text()
    found = Secret(f"changing_{secrets.token_hex(4)}", tmp_path / "secret", right)
    found.restore()
    section = f"luigi_sinks.credential.{found.credential}"
    get_config().read_dict({section: {"source": "file", "path": str(found.file)}})
    yield found
    get_config().remove_section(section)


@pytest.mark.parametrize("call", ["head", "records", "load"])
def test_a_store_that_is_down_is_an_error_of_every_call(make_sink, settings, closed_port, load_rows, call):
    sink = make_sink(settings=replace(settings, port=closed_port, patience=0))
    calls = {
        "head": lambda: sink.head("_all"),
        "records": lambda: list(sink.records()),
        "load": lambda: load_rows(sink, [{"id": 1}]),
    }
    start = time.monotonic()
    with pytest.raises(Unavailable, match=f"127.0.0.1:{closed_port} does not answer.*host and port in luigi.cfg"):
        calls[call]()
    assert time.monotonic() - start < 5


def test_a_preflight_names_what_is_wrong(settings, closed_port, secret):
    STORE.preflight(settings)
    with pytest.raises(Unavailable, match=f"127.0.0.1:{closed_port} does not answer"):
        STORE.preflight(replace(settings, port=closed_port))
    secret.write("wrong")
    with pytest.raises(CredentialError, match=f"{secret.credential!r} was refused"):
        STORE.preflight(replace(settings, credential=secret.credential))
    with pytest.raises(BadSetting, match=r"tls_ca in luigi\.cfg must name the authority"):
        STORE.preflight(replace(settings, tls_ca=Path("/etc/ssl/certs/ca-certificates.crt")))


def test_a_target_does_not_call_itself_incomplete_when_the_store_is_down(settings, closed_port):
    section = {"host": "127.0.0.1", "port": str(closed_port), "user": "x", "credential": settings.credential}
    section |= {"patience": "0"}
    get_config().read_dict({"luigi_sinks.elasticsearch.down": section})
    target = ElasticsearchTarget("x", mapping={"id": {"type": "integer"}}, update_id="1", connection="down")
    with pytest.raises(Unavailable):
        target.exists()
    get_config().remove_section("luigi_sinks.elasticsearch.down")


def test_a_certificate_of_an_unknown_authority_is_refused(make_sink, settings):
    stranger = replace(settings, tls_ca=None, host="localhost")
    assert stranger.url.startswith("http:"), "clear text is for loopback only"
    assert ElasticsearchSettings("es.example.org", credential="c").url == "https://es.example.org:9200"
    with pytest.raises((Unavailable, BadSetting)):
        make_sink(settings=replace(settings, tls_ca=Path("/etc/ssl/certs/ca-certificates.crt"))).head("_all")


def test_a_refused_credential_is_named_and_its_secret_is_not(make_sink, settings, secret):
    secret.write("hunter2hunter2")
    sink = make_sink(settings=replace(settings, credential=secret.credential))
    with pytest.raises(CredentialError, match=f"{secret.credential!r} was refused") as caught:
        sink.head("_all")
    assert "hunter2" not in str(caught.value)


def test_a_credential_that_changes_is_picked_up_by_a_client_that_is_open(make_sink, settings, secret):
    sink = make_sink(settings=replace(settings, credential=secret.credential))
    sink.head("_all")
    secret.write("wrong")
    with pytest.raises(CredentialError):
        sink.head("_all")
    secret.restore()
    sink.head("_all")


def test_a_secret_that_changed_under_a_request_is_read_again_and_the_request_replayed(make_sink, proxy, secret):
    secret.write("yesterday's")

    def rotate(_method, _path, _body):
        is_first = len(proxy.requests) == 1
        if is_first:
            secret.restore()
        return is_first

    proxy.refuse(401, rotate)
    make_sink(settings=replace(proxy.settings, credential=secret.credential)).head("_all")
    first, replay = proxy.requests
    assert first == replay


def test_a_child_process_opens_a_client_of_its_own(sink, load_rows):
    load_rows(sink, [{"id": 1}])
    fork = multiprocessing.get_context("fork")
    results = fork.Queue()
    child = fork.Process(target=lambda: results.put(sink.head("_all").version))
    child.start()
    assert results.get(timeout=20) == sink.head("_all").version
    child.join()


def test_a_second_process_that_loads_the_partition_gets_a_conflict_and_the_first_stays_whole(
    sink, dataset, cluster, load_rows
):
    fork = multiprocessing.get_context("fork")
    is_loading, may_end = fork.Event(), fork.Event()

    def slow():
        yield from ({"id": number} for number in range(3_000))
        is_loading.set()
        may_end.wait(20)
        yield {"id": 3_000}

    first = fork.Process(target=load_rows, args=(sink, slow()))
    first.start()
    try:
        assert is_loading.wait(20)
        with pytest.raises(Conflict, match=f"is being loaded by pid {first.pid}"):
            load_rows(sink, [{"id": 1}])
    finally:
        may_end.set()
        first.join(30)
    assert first.exitcode == 0
    assert cluster.count(dataset) == 3_001
