"""Other ways to say who asks, and servers that are not what they should be."""

import base64
import hmac
from dataclasses import replace

import pytest
import trustme
from luigi.configuration import get_config

from luigi_sinks.credentials.provider import PROVIDER
from luigi_sinks.elasticsearch.connection import ask
from luigi_sinks.errors import BadSetting, Unavailable
from luigi_sinks.testing.servers.signature_relay import Relay
from luigi_sinks.testing.servers.signatures import Denied

CREDENTIAL = "luigi_sinks.credential.shown"
BASIC = base64.b64encode(b"loader:the-secret").decode()
SHOWN = {"password": f"Basic {BASIC}", "bearer": "Bearer the-secret", "api_key": "ApiKey the-secret", "none": ""}


class Asking(Relay):
    """Lets everybody in, and remembers what they showed."""

    def admit(self, request):
        self.shown = request.headers.get("authorization", "")


class Babbling(Relay):
    """Answers in no words of OpenSearch's."""

    def admit(self, request):
        raise Denied

    def finish_request(self, request, client_address):
        request.recv(1 << 16)
        request.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 6\r\n\r\n<html>")


@pytest.fixture
def shown(settings, tmp_path):
    """Return a function that gives settings by which a token is shown in one way."""

    def show(scheme, settings):
        (tmp_path / "secret").write_text("the-secret")
        section = {"source": "file", "path": str(tmp_path / "secret"), "holds": scheme}
        get_config().read_dict({CREDENTIAL: section if scheme != "none" else {"source": "proxied"}})
        return replace(settings, credential="shown", user="loader")

    yield show
    get_config().remove_section(CREDENTIAL)
    PROVIDER.forget()


@pytest.mark.parametrize("scheme", SHOWN)
def test_a_token_is_shown_as_its_kind_takes_it(gate, shown, scheme):
    relay, settings = gate(Asking)
    assert ask(shown(scheme, settings), lambda es: es.cluster.health())["number_of_nodes"] == 1
    assert hmac.compare_digest(relay.shown, SHOWN[scheme])


def test_a_certificate_of_another_authority_is_refused_and_the_setting_named(settings, tmp_path):
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    with pytest.raises(BadSetting, match=r"OpenSearch at .*CERTIFICATE_VERIFY_FAILED.*tls_ca"):
        ask(replace(settings, tls_ca=tmp_path / "other.pem"), lambda es: es.cluster.health())


def test_a_server_without_tls_is_shown_nothing(settings, place):
    with pytest.raises(BadSetting, match="does not support TLS, and credentials are never sent unencrypted"):
        ask(replace(settings, port=place.beside("opensearch").port), lambda es: es.cluster.health())


def test_a_server_that_is_not_there_is_unavailable(gate, settings):
    relay, gone = gate()
    relay.shutdown()
    relay.server_close()
    with pytest.raises(Unavailable, match=r"OpenSearch at .* does not answer"):
        ask(gone, lambda es: es.cluster.health())


def test_what_is_no_answer_of_opensearch_is_told(gate):
    _, settings = gate(Babbling)
    with pytest.raises(Unavailable, match="the answer is not JSON, so it is not OpenSearch's"):
        ask(settings, lambda es: es.cluster.health(), tries=1)
