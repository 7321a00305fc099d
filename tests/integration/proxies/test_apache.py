"""Elasticsearch behind Apache with mod_auth_openidc, which checks Keycloak's tokens and logs in by itself."""

import base64
import secrets
from pathlib import Path

import pytest

from luigi_sinks import BadSetting, CredentialError, Origin, Unavailable, config, load
from luigi_sinks.elasticsearch import ElasticsearchSettings, ElasticsearchSink
from luigi_sinks.elasticsearch.connection import ask
from luigi_sinks.elasticsearch.pool import open_pool
from luigi_sinks.elasticsearch.schema import parse_schema
from luigi_sinks.testing import servers
from luigi_sinks.testing.servers import keycloak as realm
from luigi_sinks.testing.servers.state import free_ports

MAPPING = {"id": {"type": "integer"}, "note": {"type": "keyword", "index": False, "doc_values": False}}

MODULES = (
    *("mpm_event", "authn_core", "authz_core", "authz_user", "socache_shmcb", "ssl"),
    *("headers", "proxy", "proxy_http", "auth_openidc"),
)
PLACE = "/usr/lib/apache2/modules/mod_{}.so"

APACHE = """\
ServerRoot {folder}
ServerName {name}
DefaultRuntimeDir {folder}
PidFile {folder}/apache.pid
ErrorLog {folder}/apache.log
{modules}
StartServers 1
ThreadsPerChild 32
ServerLimit 1
MaxRequestWorkers 32
KeepAliveTimeout 60
MaxKeepAliveRequests 0
GracefulShutdownTimeout 1

SSLCertificateFile {certificate}
SSLCertificateKeyFile {key}
SSLProxyEngine on
SSLProxyCACertificateFile {servers_ca}
ProxyPreserveHost off
RequestHeader unset X-Forwarded-For

OIDCOAuthVerifyJwksUri {issuer}/protocol/openid-connect/certs
OIDCCABundlePath {servers_ca}
OIDCOAuthRemoteUserClaim azp
CustomLog {folder}/apache.log "%u asked %U: %>s"

{ports}
"""

PORT = """\
Listen 127.0.0.1:{port} https
<VirtualHost 127.0.0.1:{port}>
  SSLEngine on
  ProxyPass / https://localhost:{elasticsearch}/
  {allowed}
  Include {folder}/login.conf
</VirtualHost>
"""

BY_TOKEN = """\
  <Location />
    AuthType oauth20
    <RequireAll>
      Require claim iss:{issuer}
      Require claim aud:{audience}
    </RequireAll>
  </Location>"""

BY_CERTIFICATE = """\
  SSLVerifyClient require
  SSLCACertificateFile {members_ca}"""

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def keycloak(servers_config):
    """Start Keycloak unless it runs; return its variables, without their common prefix."""
    servers.up(["keycloak"])
    prefix = "LUIGI_SINKS_KEYCLOAK_"
    return {key.removeprefix(prefix): value for key, value in servers.env().items() if key.startswith(prefix)}


@pytest.fixture
def upstream():
    """How the tests' own client reaches Elasticsearch, past all proxies."""
    return config.read_connection(ElasticsearchSettings, "elasticsearch")


@pytest.fixture
def apache(workshop, authority, members, keycloak, upstream):
    """Start an Apache with a port for each way to say who asks."""
    issuer = realm.issuer(int(keycloak["PORT"]))
    members_ca = workshop.write("members.pem", members.cert_pem.bytes().decode())
    certificate, key = workshop.write_pair("proxy", authority.issue_cert("proxy.internal"))
    secret = config.read_credential(upstream.credential)["path"]
    login = base64.b64encode(f"{upstream.user}:{Path(secret).read_text().strip()}".encode()).decode()
    workshop.write("login.conf", f'RequestHeader set Authorization "Basic {login}"\n')
    by_token = BY_TOKEN.format(issuer=issuer, audience="elasticsearch")
    allowed = {
        "token": by_token,
        "reports": BY_TOKEN.format(issuer=issuer, audience="reports"),
        "header": f'RequestHeader set Authorization "expr=Bearer %{{HTTP:X-Proxy-Token}}" early\n{by_token}',
        "certificate": BY_CERTIFICATE.format(members_ca=members_ca),
    }
    ports = dict(zip(allowed, free_ports(len(allowed)), strict=True))
    text = APACHE.format(
        folder=workshop.folder,
        name="proxy.internal",
        modules="\n".join(f"LoadModule {name}_module {PLACE.format(name)}" for name in MODULES),
        certificate=certificate,
        key=key,
        servers_ca=workshop.servers_ca,
        issuer=issuer,
        ports="\n".join(
            PORT.format(folder=workshop.folder, port=ports[way], allowed=allowed[way], elasticsearch=upstream.port)
            for way in allowed
        ),
    )
    file = workshop.write("apache.conf", text)
    program = workshop.need("/usr/sbin/apache2", "apache2-bin")
    workshop.need(PLACE.format("auth_openidc"), "libapache2-mod-auth-openidc")
    return workshop.run(program, "-f", file, "-DFOREGROUND", settings=file, ports=ports)


@pytest.fixture
def dataset(upstream):
    """Name a dataset that was never loaded, and leave nothing of it."""
    name = f"es_{secrets.token_hex(4)}"
    yield name
    found = ask(upstream, lambda es: es.indices.get(index=f"{name}*", expand_wildcards="all"))
    for index in found:
        ask(upstream, lambda es, index=index: es.indices.delete(index=index))


@pytest.fixture
def sink(apache, configure, keycloak, dataset, proxy_ca):
    """Return a function that makes the sink of one of Apache's ports, as a section of luigi.cfg says."""
    issuer, secret = realm.issuer(int(keycloak["PORT"])), keycloak["PASSWORD_FILE"]
    configure("credential.idp_secret", source="file", path=secret)
    configure(
        "credential.idp",
        source="oidc",
        issuer=issuer,
        client_id=realm.USER,
        client_secret_from="idp_secret",
        audience="elasticsearch",
        ca=keycloak["CA"],
    )
    configure("credential.proxy", source="proxied")

    def make(way="token", **settings):
        known = {"host": "127.0.0.1", "port": apache.ports[way], "tls_ca": proxy_ca, "credential": "idp"}
        known |= {"tls_server_name": "proxy.internal"}
        configure("elasticsearch.proxied", **{key: value for key, value in {**known, **settings}.items() if value})
        found = config.read_connection(ElasticsearchSettings, "elasticsearch", "proxied")
        return ElasticsearchSink(found, dataset, parse_schema(dataset, MAPPING, {"number_of_replicas": 0}, "id"))

    return make


def load_rows(sink, rows):
    load(sink, "_all", Origin("Load_1", family="Load"), rows)


def some(count):
    return ({"id": number, "note": "x" * 1000} for number in range(count))


def count(upstream, dataset):
    return ask(upstream, lambda es: es.count(index=dataset))["count"]


def as_member(pair):
    """What a section says of a client whom a certificate identifies, and nothing else."""
    return {"credential": "proxy", "tls_certificate": pair.certificate, "tls_key": pair.key}


def test_a_load_passes_with_a_token_that_the_proxy_checks(sink, apache, upstream, dataset):
    load_rows(sink(), some(1000))
    assert count(upstream, dataset) == 1000
    assert "loader asked /_aliases: 200" in apache.said()


def test_a_token_for_another_audience_is_refused_by_the_proxy(sink):
    with pytest.raises(CredentialError, match=r"'idp' was refused .* tokens of 'https.*' for '.*elasticsearch"):
        load_rows(sink("reports"), some(1))


def test_what_is_no_token_of_the_issuer_is_refused(sink, configure, tmp_path):
    (tmp_path / "made up").write_text("made.up.token")
    configure("credential.made_up", source="file", path=tmp_path / "made up", holds="bearer")
    with pytest.raises(CredentialError, match=r"'made_up' was refused .*JWT token could not be validated"):
        load_rows(sink(credential="made_up"), some(1))


def test_a_proxy_that_wants_a_token_is_not_passed_without(sink):
    with pytest.raises(CredentialError, match="'proxy' was refused by the server"):
        load_rows(sink(credential="proxy"), some(1))


def test_the_certificates_name_is_the_one_that_the_section_says(sink):
    with pytest.raises(BadSetting, match=r"not valid for '127.0.0.1'.* tls_server_name, the name in it"):
        load_rows(sink(tls_server_name=""), some(1))
    with pytest.raises(BadSetting, match="Hostname mismatch"):
        load_rows(sink(tls_server_name="other.internal"), some(1))


def test_a_proxy_of_another_authority_is_not_talked_to(sink, upstream):
    with pytest.raises(BadSetting, match="must name the authority of its certificate"):
        load_rows(sink(tls_ca=upstream.tls_ca), some(1))


def test_headers_of_the_section_reach_elasticsearch(sink):
    trace = "0af7651916cd43dd8448eb211c80319c"
    settings = sink(headers=f"traceparent: 00-{trace}-b7ad6b7169203331-01, X-Elastic-Product-Origin: flights").settings
    path, plain = "/_tasks?actions=cluster:monitor/tasks/lists", {"accept": "application/json"}
    answer = open_pool(settings).urlopen("GET", path, headers=plain)
    (node,) = answer.json()["nodes"].values()
    (task,) = node["tasks"].values()
    assert (task["headers"]["trace.id"], task["headers"]["X-elastic-product-origin"]) == (trace, "flights")


def test_the_token_goes_in_the_header_that_the_proxy_reads(sink, upstream, dataset):
    load_rows(sink("header", token_header="x-proxy-token"), some(10))
    assert count(upstream, dataset) == 10
    with pytest.raises(CredentialError, match="'idp' was refused"):
        load_rows(sink("header"), some(1))


def test_a_certificate_identifies_a_client_that_has_no_token(sink, upstream, dataset, member):
    load_rows(sink("certificate", **as_member(member)), some(10))
    assert count(upstream, dataset) == 10


def test_without_a_certificate_that_the_proxy_trusts_a_client_is_refused(sink, stranger):
    with pytest.raises(BadSetting, match=r"certificate required.*tls_certificate and tls_key"):
        load_rows(sink("certificate", credential="proxy"), some(1))
    with pytest.raises(BadSetting, match=r"unknown ca.*tls_certificate and tls_key"):
        load_rows(sink("certificate", **as_member(stranger)), some(1))


def test_a_rotated_certificate_is_used_without_a_restart_of_ours(sink, apache, rotate, upstream, dataset, member):
    through = sink("certificate", **as_member(member))
    load_rows(through, some(10))
    old = rotate(member)
    apache.restart()
    load_rows(through, some(20))
    assert count(upstream, dataset) == 20
    with pytest.raises(BadSetting, match="unknown ca"):
        load_rows(sink("certificate", **as_member(old)), some(1))


def test_a_proxy_that_ends_all_connections_between_and_during_loads_doubles_nothing(sink, apache, upstream, dataset):
    def rows():
        for row in some(20_000):
            if row["id"] % 7000 == 6999:
                apache.restart()
            yield row

    for _ in range(2):
        load_rows(sink(), rows())
        assert count(upstream, dataset) == 20_000
        apache.restart()


def test_a_load_whose_proxy_went_away_changes_nothing_and_a_rerun_works(sink, apache, upstream, dataset):
    def rows():
        yield from some(10_000)
        apache.stop()
        yield {"id": 10_000, "note": ""}

    load_rows(sink(), some(10))
    with pytest.raises(Unavailable, match="does not answer"):
        load_rows(sink(patience=1), rows())
    assert count(upstream, dataset) == 10
    apache.start()
    load_rows(sink(), some(10_001))
    assert count(upstream, dataset) == 10_001


def test_what_the_proxy_says_of_a_server_that_is_down_is_told_in_few_words(sink, apache, upstream):
    apache.change(f"localhost:{upstream.port}/", "localhost:1/")
    with pytest.raises(Unavailable, match="is busy or not ready: 503") as caught:
        load_rows(sink(patience=1), some(1))
    assert "<" not in str(caught.value)
