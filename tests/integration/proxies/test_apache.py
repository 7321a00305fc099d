"""Elasticsearch behind Apache with mod_auth_openidc, which checks Keycloak's tokens and logs in by itself."""

import base64
import secrets

import pytest

from luigi_sinks import BadSetting, CredentialError, Origin, Unavailable, config, load
from luigi_sinks.elasticsearch import ElasticsearchSink, Settings
from luigi_sinks.elasticsearch.connection import ask
from luigi_sinks.elasticsearch.schema import declare
from luigi_sinks.testing import servers
from luigi_sinks.testing.servers import keycloak as realm
from luigi_sinks.testing.servers.state import free_ports

MAPPING = {"id": {"type": "integer"}}

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
ErrorLog {folder}/error.log
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
    return config.read_connection(Settings, "elasticsearch")


@pytest.fixture
def apache(workshop, authority, members, keycloak, upstream):
    """Start an Apache with a port for each way to say who asks."""
    issuer = realm.issuer(int(keycloak["PORT"]))
    members_ca = workshop.write("members.pem", members.cert_pem.bytes().decode())
    certificate, key = workshop.write_pair("proxy", authority.issue_cert("proxy.internal"))
    secret = config.read_credential(upstream.credential)["path"]
    login = base64.b64encode(f"{upstream.user}:{open(secret).read().strip()}".encode()).decode()
    workshop.write("login.conf", f'RequestHeader set Authorization "Basic {login}"\n')
    by_token = BY_TOKEN.format(issuer=issuer, audience="elasticsearch")
    allowed = {
        "token": by_token,
        "reports": BY_TOKEN.format(issuer=issuer, audience="reports"),
        "header": f'RequestHeader set Authorization "expr=%{{HTTP:X-Proxy-Token}}" early\n{by_token}',
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
            PORT.format(port=ports[way], elasticsearch=upstream.port, allowed=allowed[way], folder=workshop.folder)
            for way in allowed
        ),
    )
    file = workshop.write("apache.conf", text)
    workshop.need(PLACE.format("auth_openidc"), "libapache2-mod-auth-openidc")
    return workshop.run(workshop.need("/usr/sbin/apache2", "apache2-bin"), "-f", file, "-DFOREGROUND", **ports)


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

    def make(way, **settings):
        known = {"host": "127.0.0.1", "port": apache.ports[way], "tls_ca": proxy_ca, "credential": "idp"}
        known |= {"tls_server_name": "proxy.internal"}
        configure("elasticsearch.proxied", **{key: value for key, value in {**known, **settings}.items() if value})
        found = config.read_connection(Settings, "elasticsearch", "proxied")
        return ElasticsearchSink(found, dataset, declare(dataset, MAPPING, {"number_of_replicas": 0}, "id"))

    return make


def load_rows(sink, rows=1000):
    load(sink, "_all", Origin("Load_1", family="Load"), ({"id": number} for number in range(rows)))


def count(upstream, dataset):
    return ask(upstream, lambda es: es.count(index=dataset))["count"]


def test_a_load_passes_with_a_token_that_the_proxy_checks(sink, upstream, dataset):
    load_rows(sink("token"))
    assert count(upstream, dataset) == 1000
