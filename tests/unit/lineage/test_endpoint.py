"""Events reach an OpenLineage endpoint with our tokens, or raise an error that says what to do."""

import os
import ssl
import traceback

import pytest
import trustme

from luigi_sinks.errors import BadSetting, CredentialError, Forbidden, Unavailable
from luigi_sinks.lineage import endpoint
from luigi_sinks.lineage.endpoint import Endpoint, Unacceptable
from luigi_sinks.lineage.openlineage import started
from luigi_sinks.recording.events import Job, Start, Task

EVENT = started(Start(at=1, run="nightly", task=Task(Job("luigi", "Flights"), "Flights_1")))


@pytest.fixture
def token(luigi_cfg, tmp_path):
    """Return a function that sets the token of the credential `marquez`."""
    path = tmp_path / "token"
    luigi_cfg(f"[luigi_sinks.credential.marquez]\nsource = file\nholds = bearer\npath = {path}\n")

    def set_to(text):
        new = path.with_suffix(".new")
        new.write_text(text)
        new.rename(path)

    set_to("first")
    return set_to


def send(receiver, credential="", path=""):
    with Endpoint(receiver.url + path, credential) as target:
        target.send(EVENT)


def authorizations(requests):
    return [headers.get("Authorization") for _, headers, _ in requests]


def test_an_event_is_posted_where_openlineage_takes_events(receiver):
    send(receiver)
    ((path, headers, event),) = receiver.taken
    assert (path, headers["Content-Type"]) == ("/api/v1/lineage", "application/json")
    assert event["job"]["name"] == "Flights"
    assert "Authorization" not in headers


@pytest.mark.parametrize("path", ["/in/lineage", "/in/lineage/"])
def test_a_path_of_its_own_is_kept(receiver, path):
    send(receiver, path=path)
    assert receiver.taken[0][0] == "/in/lineage"


@pytest.mark.parametrize("holds", ["bearer", "api_key", "password"])
def test_a_credentials_token_is_sent_as_bearer(receiver, luigi_cfg, tmp_path, holds):
    (tmp_path / "token").write_text("a-secret")
    luigi_cfg(f"[luigi_sinks.credential.marquez]\nsource = file\nholds = {holds}\npath = {tmp_path}/token\n")
    send(receiver, "marquez")
    assert authorizations(receiver.taken) == ["Bearer a-secret"]


def test_a_token_that_was_rotated_is_fetched_again_and_the_event_sent_once_more(receiver, token):
    with Endpoint(receiver.url, "marquez") as target:
        target.send(EVENT)
        receiver.answers.append(lambda handler: (token("second"), refuse(handler)))
        target.send(EVENT)
    assert authorizations(receiver.refused) == ["Bearer first"]
    assert authorizations(receiver.taken) == ["Bearer first", "Bearer second"]


def refuse(handler):
    handler.send_response(401)
    handler.send_header("content-length", "0")
    handler.end_headers()


def test_a_token_that_is_refused_for_good_is_an_error_without_the_token(receiver, token):
    token("a-token-that-nobody-may-see")
    receiver.accepts = lambda headers: False
    with pytest.raises(CredentialError, match=r"'marquez' was refused by the server: .* says 401") as refused:
        send(receiver, "marquez")
    assert "nobody" not in "".join(traceback.format_exception(refused.value))


def test_an_endpoint_that_asks_for_a_token_says_which_setting_is_missing(receiver):
    receiver.answers.append(401)
    with pytest.raises(Forbidden, match="set openlineage_credential"):
        send(receiver)


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (500, Unavailable, "says 500 Internal Server Error: .*so it is"),
        (503, Unavailable, "says 503"),
        (429, Unavailable, "says 429"),
        (403, Forbidden, "allow this login"),
        (400, Unacceptable, "says 400"),
        (422, Unacceptable, "says 422"),
        (404, BadSetting, "correct openlineage_url"),
        (307, BadSetting, "says 307 Temporary Redirect; correct openlineage_url"),
    ],
)
def test_an_answer_that_says_no_is_an_error_of_its_kind(receiver, answer, error, said):
    receiver.answers.append(answer)
    with pytest.raises(error, match=said):
        send(receiver)
    assert len(receiver.refused) == 1


def test_an_endpoint_that_is_not_there_is_unavailable(receiver):
    port = receiver.server_port
    receiver.socket.close()
    with pytest.raises(Unavailable, match=f"127.0.0.1:{port}/api/v1/lineage does not answer"):
        send(receiver)


def test_an_endpoint_that_is_silent_is_unavailable_after_the_timeout(receiver, monkeypatch):
    monkeypatch.setattr(endpoint, "TIMEOUT", 0.2)
    receiver.answers.append(lambda handler: receiver.late.wait(30))
    with pytest.raises(Unavailable, match=r"took longer than the timeout of an event = 0\.2 s"):
        send(receiver)


def test_an_endpoint_that_drips_is_unavailable_after_the_timeout(receiver, monkeypatch):
    monkeypatch.setattr(endpoint, "TIMEOUT", 0.3)

    def drip(handler):
        handler.wfile.write(b"HTTP/1.1 201 Created\r\nx: ")
        while not receiver.late.wait(0.05):
            handler.wfile.write(b"x")

    receiver.answers.append(drip)
    with pytest.raises(Unavailable, match="took longer"):
        send(receiver)
    receiver.late.set()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://marquez.internal", "unencrypted"),
        ("marquez.internal:5000", "must be https://HOST"),
        ("https://me:pw@marquez.internal", "name no user"),
        ("https://marquez.internal/?key=1", "without"),
        ("https://marquez.internal:port", "is not a URL"),
        ("ftp://marquez.internal", "must be https://HOST"),
    ],
)
def test_an_address_that_cannot_work_is_refused(url, said):
    with pytest.raises(BadSetting, match=said):
        Endpoint(url)


def test_the_clients_environment_and_files_are_ignored(receiver, token, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "openlineage.yml").write_text("transport:\n  type: console\n")
    (tmp_path / ".netrc").write_text("machine 127.0.0.1\nlogin somebody\npassword else\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in {
        "OPENLINEAGE_URL": "http://127.0.0.1:9",
        "OPENLINEAGE_ENDPOINT": "elsewhere",
        "OPENLINEAGE_API_KEY": "another",
        "OPENLINEAGE_CONFIG": str(tmp_path / "openlineage.yml"),
        "OPENLINEAGE_DISABLED": "true",
        "OPENLINEAGE__TRANSPORT__TYPE": "console",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    send(receiver, "marquez")
    assert receiver.taken[0][0] == "/api/v1/lineage"
    assert authorizations(receiver.taken) == ["Bearer first"]


def test_a_certificate_is_verified_by_the_systems_authorities(receiver, monkeypatch, tmp_path):
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    receiver.socket = context.wrap_socket(receiver.socket, server_side=True)
    url = receiver.url.replace("http", "https")
    with Endpoint(url) as target, pytest.raises(Unavailable, match="SSLError"):
        target.send(EVENT)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", os.fspath(tmp_path / "ca.pem"))
    with Endpoint(url) as target:
        target.send(EVENT)
    assert len(receiver.taken) == 1
