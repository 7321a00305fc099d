"""The source `oidc` against a real Keycloak, over TLS that is verified."""

import json
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from luigi.configuration import get_config

from luigi_sinks import audit
from luigi_sinks.credentials import use
from luigi_sinks.credentials.provider import PROVIDER
from luigi_sinks.errors import CredentialError
from luigi_sinks.testing import servers
from luigi_sinks.testing.servers import keycloak as realm

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="session")
def keycloak():
    """Start Keycloak unless it runs; return its variables, without their common prefix."""
    servers.up(["keycloak"])
    prefix = "LUIGI_SINKS_KEYCLOAK_"
    return {key.removeprefix(prefix): value for key, value in servers.env().items() if key.startswith(prefix)}


@pytest.fixture
def configure(keycloak, tmp_path):
    """Return a function that writes the section of the credential `idp`; some settings may be others."""
    config = get_config()
    config.read_string(
        f"[luigi_sinks.credential.idp_secret]\nsource = file\npath = {keycloak['PASSWORD_FILE']}\n"
        f"[luigi_sinks.audit]\npath = {tmp_path}/audit\nanchor = {tmp_path}/anchor\nrequired = true\n"
    )

    def write(**settings):
        known = {"source": "oidc", "issuer": realm.issuer(int(keycloak["PORT"])), "ca": keycloak["CA"]}
        lines = (f"{key} = {value}" for key, value in {**known, **settings}.items() if value)
        config.remove_section("luigi_sinks.credential.idp")
        config.read_string("[luigi_sinks.credential.idp]\n" + "\n".join(lines))
        PROVIDER.forget()

    audit.forget_settings()
    audit.begin(tmp_path / "audit", tmp_path / "anchor")
    yield write
    for section in ("audit", "credential.idp", "credential.idp_secret"):
        config.remove_section(f"luigi_sinks.{section}")
    PROVIDER.forget()
    audit.forget_settings()


@pytest.fixture
def with_secret(configure):
    configure(client_id=realm.USER, client_secret_from="idp_secret")


@pytest.fixture
def client_key(keycloak):
    return Path(keycloak["PASSWORD_FILE"]).parent / "keycloak" / realm.CLIENT_KEY


def claims(token):
    return jwt.decode(token.reveal(), options={"verify_signature": False})


@pytest.mark.usefixtures("with_secret")
def test_a_client_with_a_secret_gets_a_token_for_each_store():
    said = use("idp", claims, audience="elasticsearch")
    assert said["azp"] == "loader"
    assert {"elasticsearch", "neo4j"} <= set(said["aud"])
    assert said["exp"] - said["iat"] == realm.LIFESPAN


def test_a_client_with_a_key_gets_tokens_and_never_repeats_itself(configure, client_key):
    configure(client_id=realm.SIGNER, private_key_file=client_key, audience="neo4j")
    first = use("idp", claims)
    PROVIDER.forget()
    second = use("idp", claims)
    assert first["azp"] == second["azp"] == "signer"
    assert first["jti"] != second["jti"]


def test_another_clients_key_is_refused(configure, tmp_path):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "key.pem").write_bytes(pem)
    configure(client_id=realm.SIGNER, private_key_file=tmp_path / "key.pem")
    with pytest.raises(CredentialError, match=r"rejects the client 'signer': 40[01], [a-z]+_client"):
        use("idp", claims)


def test_a_wrong_secret_is_refused(configure, tmp_path):
    (tmp_path / "wrong").write_text("wrong")
    get_config().set("luigi_sinks.credential.idp_secret", "path", str(tmp_path / "wrong"))
    configure(client_id=realm.USER, client_secret_from="idp_secret")
    with pytest.raises(CredentialError, match="'idp_secret' was refused by the server: the identity provider"):
        use("idp", claims)


def test_an_audience_that_the_token_is_not_for_is_refused(configure):
    configure(client_id=realm.USER, client_secret_from="idp_secret", audience="mariadb")
    with pytest.raises(CredentialError, match=r"returned an invalid token \(InvalidAudienceError\)"):
        use("idp", claims)


def test_a_server_whose_certificate_nobody_vouches_for_is_not_talked_to(configure):
    configure(client_id=realm.USER, client_secret_from="idp_secret", ca="")
    with pytest.raises(CredentialError, match=r"does not answer \(SSLError\)"):
        use("idp", claims)


def test_a_server_of_another_name_is_not_talked_to(configure, keycloak):
    configure(
        client_id=realm.USER,
        client_secret_from="idp_secret",
        issuer=realm.issuer(int(keycloak["PORT"])).replace("127.0.0.1", "127.0.0.2"),
    )
    with pytest.raises(CredentialError, match="does not answer"):
        use("idp", claims)


@pytest.mark.usefixtures("with_secret")
def test_the_token_itself_is_let_in_by_keycloak_and_a_changed_one_is_not(keycloak):
    address = f"{realm.issuer(int(keycloak['PORT']))}/protocol/openid-connect/token/introspect"
    assert _introspected(address, keycloak, use("idp", lambda token: token.reveal()))["active"]
    assert not _introspected(address, keycloak, use("idp", lambda token: token.reveal() + "x"))["active"]


def _introspected(address, keycloak, token):
    secret = Path(keycloak["PASSWORD_FILE"]).read_text().strip()
    form = f"client_id={realm.USER}&client_secret={secret}&token={token}".encode()
    trusted = ssl.create_default_context(cafile=keycloak["CA"])
    with urllib.request.urlopen(address, form, context=trusted, timeout=10) as answer:
        return json.load(answer)


@pytest.mark.usefixtures("with_secret")
def test_two_lifetimes_take_three_exchanges_and_each_is_in_the_audit(tmp_path):
    end, tokens = time.monotonic() + 2 * realm.LIFESPAN, set()
    while time.monotonic() < end:
        said = use("idp", claims, audience="elasticsearch")
        assert said["exp"] > time.time(), "no token is handed out beyond its end"
        tokens.add(said["jti"])
        time.sleep(0.5)
    assert 3 <= len(tokens) <= 4  # each is kept for 18 s, and replaced after 13 to 14 s of them
    lines = [json.loads(line) for line in (tmp_path / "audit").read_text().splitlines()]
    exchanged = [line["token"] for line in lines if (line["action"], line["credential"]) == ("exchange", "idp")]
    assert set(exchanged) == tokens
    assert audit.verify(tmp_path / "audit", tmp_path / "anchor").is_good
