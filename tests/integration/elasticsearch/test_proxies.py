"""Who stands in between: servers that are not who they should be, proxies that want to know who asks, and logs."""

import logging
import re
import secrets
import ssl
import traceback
from dataclasses import replace

import pytest
import trustme
from luigi.configuration import get_config

from luigi_sinks import CredentialError, running
from luigi_sinks.credentials.provider import PROVIDER
from luigi_sinks.elasticsearch.connection import ask
from luigi_sinks.errors import BadSetting, Unavailable

pytestmark = pytest.mark.timeout(60)

CANARY = "canary-6b1f0d"
WELL = {"green", "yellow"}


@pytest.fixture
def shown(settings, tmp_path):
    """Return a function that gives the settings of a login by a token that is not the cluster's, or by none."""
    made = []

    def login(token="", **others):
        name = f"made_{secrets.token_hex(4)}"
        (tmp_path / name).write_text(token)
        section = (
            {"source": "file", "path": str(tmp_path / name), "holds": "bearer"} if token else {"source": "proxied"}
        )
        made.append(f"luigi_sinks.credential.{name}")
        get_config().read_dict({made[-1]: section})
        return replace(settings, user="", credential=name, **others)

    yield login
    for section in made:
        get_config().remove_section(section)


@pytest.fixture
def authority(tmp_path):
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    return made


@pytest.fixture
def by_tls(start_proxy, authority, cluster):
    """Return a function that starts a proxy which shows a certificate for these names, and logs in for everybody."""

    def start(*names, clients=None):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(*names).configure_cert(context)
        if clients:
            clients.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return start_proxy(tls=context, login=cluster.login)

    return start


def health(settings):
    return ask(settings, lambda es: es.cluster.health())["status"]


def test_a_server_of_an_authority_that_is_not_trusted_sees_no_token(by_tls, shown):
    stranger = by_tls("127.0.0.1")
    with pytest.raises(BadSetting, match=r"CERTIFICATE_VERIFY_FAILED.*tls_ca in luigi.cfg must name the authority"):
        health(shown(CANARY, port=stranger.server_port))
    assert stranger.headers == []


def test_a_server_of_another_name_sees_no_token_unless_the_name_is_expected(by_tls, shown, tmp_path):
    other = by_tls("db.internal")
    settings = shown(CANARY, port=other.server_port, tls_ca=tmp_path / "ca.pem")
    with pytest.raises(BadSetting, match=r"CERTIFICATE_VERIFY_FAILED.*tls_server_name"):
        health(settings)
    assert other.headers == []
    assert health(replace(settings, tls_server_name="db.internal")) in WELL


def test_a_server_without_tls_sees_no_token(start_proxy, shown):
    plain = start_proxy()
    with pytest.raises(
        (BadSetting, Unavailable), match="does not support TLS, and credentials are never sent unencrypted"
    ):
        health(shown(CANARY, port=plain.server_port))
    assert plain.headers == []


def test_a_certificate_that_is_renewed_is_shown_by_the_next_connection(by_tls, shown, tmp_path):
    issuer = trustme.CA()
    server = by_tls("127.0.0.1", clients=issuer)
    files = {"tls_certificate": tmp_path / "client.pem", "tls_key": tmp_path / "client.key"}

    def renew(name):
        mine = issuer.issue_cert(f"{name}@example.org")
        mine.cert_chain_pems[0].write_to_path(files["tls_certificate"])
        mine.private_key_pem.write_to_path(files["tls_key"])

    settings = shown(port=server.server_port, tls_ca=tmp_path / "ca.pem")
    with pytest.raises((BadSetting, Unavailable)):  # by when the server says why: TLS 1.3 lets us send before
        health(settings)
    renew("first")
    settings = replace(settings, **files)
    assert {health(settings), health(settings)} <= WELL
    renew("second")
    server.lose_requests("GET", "/_cluster/health")  # the connection that stands breaks
    assert health(settings) in WELL
    shown_names = [str(each["subjectAltName"][0][1]) for each in server.certificates]
    assert (shown_names[0], shown_names[-1]) == ("first@example.org", "second@example.org")


def test_a_certificate_that_cannot_be_read_is_named(shown, tmp_path):
    settings = shown(tls_certificate=tmp_path / "none.pem")
    with pytest.raises(BadSetting, match=r"tls_certificate = .*none.pem"):
        health(settings)


def test_a_proxy_that_says_who_asks_gets_no_token_but_the_headers_it_wants(start_proxy, shown, cluster):
    server = start_proxy(login=cluster.login)
    settings = shown(port=server.server_port, tls_ca=None, headers="X-Team: data, X-Stage: test")
    assert health(settings) in WELL
    (headers,) = server.headers
    assert "authorization" not in headers
    assert (headers["x-team"], headers["x-stage"]) == ("data", "test")


@pytest.mark.parametrize(("header", "value"), [("proxy-authorization", f"Bearer {CANARY}"), ("X-Assertion", CANARY)])
def test_a_proxy_gets_the_token_where_it_wants_it(start_proxy, shown, cluster, header, value):
    server = start_proxy(login=cluster.login)
    health(shown(CANARY, port=server.server_port, tls_ca=None, token_header=header))
    (headers,) = server.headers
    assert headers[header.lower()] == value
    assert "authorization" not in headers


def test_every_request_carries_what_joins_the_clusters_log_to_ours(proxy, make_sink, load_rows):
    load_rows(make_sink(settings=proxy.settings), [{"id": 1}])
    assert {headers["x-opaque-id"] for headers in proxy.headers} == {running.current().correlation}


def test_a_proxy_that_sends_to_its_login_page_is_not_followed(proxy, shown):
    proxy.refuse(302, lambda *_: True)
    with pytest.raises(BadSetting, match=r"a redirect \(302\), which Elasticsearch does not do"):
        health(shown(CANARY, port=proxy.server_port, tls_ca=None))
    assert len(proxy.headers) == 1


@pytest.fixture
def everything_logged(caplog):
    """Log whatever the libraries below can say, the one too that keeps it to itself."""
    node = logging.getLogger("elastic_transport.node")
    caplog.set_level(logging.DEBUG)
    for name in ("elastic_transport.node", "elastic_transport.transport", "urllib3", "luigi_sinks"):
        caplog.set_level(logging.DEBUG, name)
    node.addHandler(caplog.handler)
    yield caplog
    node.removeHandler(caplog.handler)


@pytest.mark.parametrize("header", ["authorization", "X-Assertion"])
def test_no_token_is_in_a_log_or_an_error(everything_logged, start_proxy, shown, cluster, header):
    server = start_proxy(login=cluster.login)
    settings = shown(CANARY, port=server.server_port, tls_ca=None, token_header=header, headers="X-Seen: control-4711")
    health(settings)
    assert any(CANARY in value for value in server.headers[0].values())
    said = [everything_logged.text]
    for status, kind in ((401, CredentialError), (403, Exception), (500, Exception), (0, Unavailable)):
        server.faults.clear()
        PROVIDER.forget()  # the refusal before
        server.refuse(status, lambda *_: True)
        with pytest.raises(kind) as caught:
            health(settings)
        said += list(_said(caught.value))
    said.append(everything_logged.text)
    assert "_cluster/health" in said[-1]
    assert re.search(r"> X-Elastic-Client-Meta", said[-1]), "the client logs its headers"
    assert [text for text in said if CANARY in text or "control-4711" in text] == []


def _said(error):
    """Yield what can be seen of an error and of all that it keeps."""
    seen = []
    while error is not None:
        assert error not in seen, "errors must not be each other's cause: whoever walks them would not end"
        seen.append(error)
        yield "".join(traceback.format_exception(error))
        yield f"{error!r} {vars(error)!r}"
        for inner in getattr(error, "errors", ()):
            yield f"{inner!r} {vars(inner)!r}"
        error = error.__cause__ or error.__context__
