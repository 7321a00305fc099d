"""The AWS sources, against the moto server, and an emulator of GetWebIdentityToken, which moto lacks."""

import base64
import hashlib
import hmac
import json
import logging
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from moto.server import ThreadedMotoServer

from luigi_sinks.credentials import Refused, exposure, use
from luigi_sinks.credentials.provider import PROVIDER
from luigi_sinks.credentials.sources.sigv4 import signed
from luigi_sinks.errors import BadSetting, CredentialError
from luigi_sinks.redaction import redacted
from luigi_sinks.running import Running

ROLE = "arn:aws:iam::123456789012:role/loader"


@pytest.fixture(scope="module")
def moto():
    server = ThreadedMotoServer(port=0)
    server.start()
    _, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def identity(monkeypatch, tmp_path):
    """Set an AWS identity, and ignore the files of this machine."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-own-key")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_PROFILE", raising=False)


class Sts(BaseHTTPRequestHandler):
    """Responds to GetWebIdentityToken as documented, or with the error in `refused`."""

    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        self.server.asked.append((form, self.headers["authorization"]))
        refused = self.server.refused
        text = denial(refused) if refused else answer(form)
        self.send_response(403 if refused else 200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args):
        """Do not log requests."""


def unsigned(**claims):
    head, body = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in ({"alg": "none"}, claims))
    return f"{head}.{body}.canary-signature".replace("=", "")


def answer(form):
    token = unsigned(sub=ROLE, iss="https://abc.tokens.sts.global.api.aws", aud=form["Audience.member.1"], jti="id-1")
    return (
        '<GetWebIdentityTokenResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetWebIdentityTokenResult>'
        f"<WebIdentityToken>{token}</WebIdentityToken><Expiration>2030-01-01T00:00:00Z</Expiration>"
        "</GetWebIdentityTokenResult></GetWebIdentityTokenResponse>"
    )


def denial(code):
    return (
        '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
        f"<Code>{code}</Code><Message>what AWS says: canary-message</Message></Error></ErrorResponse>"
    )


@pytest.fixture
def sts(serving):
    return serving(Sts, asked=[], refused="")


def section(name, **settings):
    lines = "".join(f"{key} = {value}\n" for key, value in settings.items())
    return f"[luigi_sinks.credential.{name}]\n{lines}"


def seen(token):
    return token.reveal()


def test_rds_signs_for_one_server_and_user(luigi_cfg):
    luigi_cfg(section("db", source="rds_iam", region="eu-west-1"))
    token = use("db", seen, host="db.example", port=3306, user="loader")
    signed = parse_qs(urlsplit(f"https://{token}").query)
    assert token.startswith("db.example:3306/?Action=connect&DBUser=loader&")
    assert signed["X-Amz-Expires"] == ["900"]
    assert signed["X-Amz-Credential"][0].endswith("/eu-west-1/rds-db/aws4_request")
    assert use("db", seen, host="other.example", port=3306, user="loader") != token


@pytest.mark.parametrize("user", ["loader", "load er+ä/@&=%41"])
def test_rds_signs_like_boto3(luigi_cfg, monkeypatch, user):
    luigi_cfg(section("db", source="rds_iam", region="eu-west-1"))
    monkeypatch.setenv("AWS_SESSION_TOKEN", "canary+session/token==")
    client = boto3.client("rds", region_name="eu-west-1")
    before, after = "", "in another second"
    while before != after:
        PROVIDER.forget()
        before = client.generate_db_auth_token("db.example", 3306, user)
        ours = use("db", seen, host="db.example", port=3306, user=user)
        after = client.generate_db_auth_token("db.example", 3306, user)
    assert ours == before


def test_rds_signs_for_the_server_and_not_for_its_proxy(luigi_cfg):
    luigi_cfg(section("db", source="rds_iam", region="eu-west-1", host="db.example", port=3306))
    assert use("db", seen, host="127.0.0.1", port=13306, user="loader").startswith("db.example:3306/")


def test_rds_names_missing_settings(luigi_cfg):
    luigi_cfg(section("db", source="rds_iam", region="eu-west-1"))
    with pytest.raises(BadSetting, match="credential 'db' needs port, user; set it in the connection that uses it"):
        use("db", seen, host="db.example")


def test_rds_passwords_are_cached_for_ten_minutes_at_most(luigi_cfg):
    luigi_cfg(section("db", source="rds_iam", region="eu-west-1"))
    info = use("db", lambda token: token.info, host="h", port=1, user="u")
    assert (info.lifetime, info.age) == (900, 600)


def test_a_web_identity_is_requested_for_its_audience(luigi_cfg, sts):
    luigi_cfg(section("es", source="sts_web_identity", region="eu-west-1", endpoint=sts.address, duration=120))
    info = use("es", lambda token: token.info, audience="elasticsearch, neo4j")
    form, authorization = sts.asked[0]
    assert form["Audience.member.1"] + form["Audience.member.2"] == ["elasticsearch", "neo4j"]
    assert (form["DurationSeconds"], form["SigningAlgorithm"]) == (["120"], ["RS256"])
    assert "Credential=AKIAEXAMPLE/" in authorization
    assert (info.principal, info.token_id, info.lifetime) == (ROLE, "id-1", 120)


def test_a_role_is_assumed_under_the_tasks_name_and_for_its_owner(luigi_cfg, moto):
    luigi_cfg(
        section("aws", source="assume_role", region="eu-west-1", endpoint=moto)
        + f"[luigi_sinks.owner.flight_ops]\naws_role = {ROLE}-ops\n"
    )
    PROVIDER.begin(Running("Flights__1", "flights.Load Delays"))
    info = use("aws", lambda token: token.info, owner="flight_ops")
    assert info.principal.endswith("assumed-role/loader-ops/flights.Load-Delays")
    PROVIDER.begin(Running("Fares__1", "Fares"))
    assert use("aws", lambda token: token.info, owner="flight_ops").principal.endswith("/Fares")


def test_the_role_of_a_credential_is_used_only_if_the_owner_has_none(luigi_cfg, moto):
    two = "".join(
        section(name, source="assume_role", region="eu-west-1", endpoint=moto, role=f"{ROLE}-{name}")
        for name in ("loads", "publishes")
    )
    for owned, roles in (("", ["loader-loads", "loader-publishes"]), (f"aws_role = {ROLE}-ops\n", ["loader-ops"] * 2)):
        luigi_cfg(f"{two}[luigi_sinks.owner.flight_ops]\n{owned}")
        PROVIDER.forget()
        found = [use(name, lambda token: token.info.principal, owner="flight_ops") for name in ("loads", "publishes")]
        assert [principal.split("/")[1] for principal in found] == roles


def test_a_missing_role_is_refused(luigi_cfg):
    luigi_cfg(section("aws", source="assume_role", region="eu-west-1"))
    with pytest.raises(BadSetting, match="credential 'aws' needs role"):
        use("aws", seen, owner="nobody")


def test_the_owner_is_the_source_identity(luigi_cfg, sts):
    luigi_cfg(section("aws", source="assume_role", region="eu-west-1", role=ROLE, endpoint=sts.address))
    sts.refused = "AccessDenied"
    with pytest.raises(CredentialError, match=r"AWS refused AssumeRole \(AccessDenied\): what AWS says"):
        use("aws", seen, owner="flight_ops")
    form, _ = sts.asked[0]
    assert (form["SourceIdentity"], form["RoleSessionName"]) == (["flight_ops"], ["luigi_sinks"])


def test_a_credential_is_signed_by_the_role_that_another_assumes(luigi_cfg, moto):
    luigi_cfg(
        section("aws", source="assume_role", region="eu-west-1", role=ROLE, endpoint=moto)
        + section("db", source="rds_iam", region="eu-west-1", through="aws")
    )
    assumed = json.loads(use("aws", seen))
    token = use("db", seen, host="h", port=1, user="u")
    assert parse_qs(token)["X-Amz-Security-Token"] == [assumed["SessionToken"]]


def test_a_role_whose_keys_expired_is_assumed_again(luigi_cfg, moto, sts):
    luigi_cfg(
        section("aws", source="assume_role", region="eu-west-1", role=ROLE, endpoint=moto)
        + section("es", source="sts_web_identity", region="eu-west-1", through="aws", endpoint=sts.address)
    )
    sts.refused = "ExpiredToken"
    with pytest.raises(CredentialError, match=r"'aws' was refused by the server: .*\(ExpiredToken\)"):
        use("es", seen, audience="elasticsearch")
    first, second = (authorization.partition("Credential=")[2][:20] for _, authorization in sts.asked)
    assert first != second


@pytest.fixture
def kept(moto):
    """Return a function that stores a new version of the secret in Secrets Manager."""
    client = boto3.client("secretsmanager", region_name="eu-west-1", endpoint_url=moto)

    def keep(text):
        try:
            return client.create_secret(Name="pipelines/db", SecretString=text)["VersionId"]
        except client.exceptions.ResourceExistsException:
            return client.put_secret_value(SecretId="pipelines/db", SecretString=text)["VersionId"]

    return keep


def test_a_secret_is_read_with_its_user(luigi_cfg, moto, kept):
    version = kept('{"username": "loader", "password": "canary-kept"}')
    fields = {"field": "password", "user_field": "username"}
    luigi_cfg(
        section("db", source="secrets_manager", region="eu-west-1", secret_id="pipelines/db", endpoint=moto, **fields)
    )
    assert use("db", lambda token: (token.user, token.reveal())) == ("loader", "canary-kept")
    assert use("db", lambda token: token.info.token_id) == version


def test_a_secret_that_was_rotated_is_read_again_when_the_old_one_is_refused(luigi_cfg, moto, kept):
    luigi_cfg(section("db", source="secrets_manager", region="eu-west-1", secret_id="pipelines/db", endpoint=moto))
    kept("old")
    assert use("db", seen) == "old"
    kept("new")
    assert use("db", seen) == "old"

    def connect(token):
        if token.reveal() == "old":
            raise Refused
        return token.reveal()

    assert use("db", connect) == "new"


@pytest.mark.parametrize("text", ["no json", "[]", '{"user": "x"}', '{"password": 7}'])
def test_a_secret_without_the_field_is_named_and_not_shown(luigi_cfg, moto, kept, text):
    kept(text)
    luigi_cfg(
        section(
            "db",
            source="secrets_manager",
            region="eu-west-1",
            secret_id="pipelines/db",
            field="password",
            endpoint=moto,
        )
    )
    with pytest.raises(CredentialError, match="the secret 'pipelines/db'") as caught:
        use("db", seen)
    assert text not in str(caught.value)


def test_a_neptune_password_is_a_signed_request(luigi_cfg):
    luigi_cfg(section("graph", source="neptune", region="eu-west-1"))
    user, secret = use("graph", lambda token: (token.user, token.reveal()), host="graph.example", port=8182)
    signed = json.loads(secret)
    assert (user, signed["HttpMethod"], signed["Host"]) == ("username", "GET", "graph.example:8182")
    assert "/eu-west-1/neptune-db/aws4_request" in signed["Authorization"]


SEARCH = "https://search.example/flights/_search?q=a%20b&filter_path=hits"


def sign(token, body=b"{}"):
    return signed(token, "POST", SEARCH, {"content-type": "application/json"}, body)


def test_a_request_is_signed_with_its_body(luigi_cfg):
    luigi_cfg(section("os", source="sigv4", region="eu-west-1"))
    headers = use("os", sign)
    assert headers["content-type"] == "application/json"
    assert headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/")
    assert "/eu-west-1/es/aws4_request, SignedHeaders=content-type;host;x-amz-date" in headers["Authorization"]
    assert headers["Authorization"] == recomputed(headers, b"{}")
    assert headers["Authorization"] != recomputed(headers, b"{ }")


def recomputed(headers, body):
    """Sign as the guide of AWS describes it, like the service when it verifies a signature."""
    stamp, day = headers["X-Amz-Date"], headers["X-Amz-Date"][:8]
    canonical = "\n".join(
        [
            "POST",
            "/flights/_search",
            "filter_path=hits&q=a%20b",
            "content-type:application/json",
            "host:search.example",
            f"x-amz-date:{stamp}",
            "",
            "content-type;host;x-amz-date",
            hashlib.sha256(body).hexdigest(),
        ]
    )
    scope = f"{day}/eu-west-1/es/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = b"AWS4canary-own-key"
    for part in (*scope.split("/"), text):
        key = hmac.digest(key, part.encode(), "sha256")
    return (
        f"AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/{scope}, "
        f"SignedHeaders=content-type;host;x-amz-date, Signature={key.hex()}"
    )


def test_a_request_is_signed_by_a_role_that_was_assumed(luigi_cfg, moto):
    luigi_cfg(
        section("aws", source="assume_role", region="eu-west-1", role=ROLE, endpoint=moto)
        + section("os", source="sigv4", region="eu-west-1", service="aoss", through="aws")
    )
    headers = use("os", sign)
    assert headers["X-Amz-Security-Token"] == json.loads(use("aws", seen))["SessionToken"]
    assert "/eu-west-1/aoss/aws4_request" in headers["Authorization"]


def test_signing_keys_are_cached_no_longer_than_their_lifetime(luigi_cfg, monkeypatch):
    luigi_cfg(section("os", source="sigv4", region="eu-west-1"))
    assert use("os", lambda token: token.info.lifetime) is None
    end = datetime.now(UTC) + timedelta(seconds=100)
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", end.isoformat())
    PROVIDER.forget()
    assert 90 < use("os", lambda token: token.info.lifetime) <= 100


def test_errors_and_logs_name_the_region_that_requests_are_signed_for(luigi_cfg):
    luigi_cfg(section("os", source="sigv4", region="sa-east-1"))
    use("os", sign)
    refusal = "Credential should be scoped to a valid region, not 'sa-east-1'."
    assert redacted(refusal) == refusal


def test_a_proxied_credential_has_no_secret(luigi_cfg):
    luigi_cfg(section("db", source="proxied", user="noop"))
    assert use("db", lambda token: (token.user, token.reveal())) == ("noop", "")


def test_without_an_identity_the_error_says_what_to_check(luigi_cfg, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    luigi_cfg(section("db", source="rds_iam", region="eu-west-1"))
    with pytest.raises(
        CredentialError, match=r"NoCredentials.*AWS identity, and section \[luigi_sinks.credential.db\]"
    ):
        use("db", seen, host="h", port=1, user="u")


def test_a_plaintext_endpoint_is_refused(luigi_cfg):
    luigi_cfg(section("es", source="sts_web_identity", region="eu-west-1", endpoint="http://sts.example"))
    with pytest.raises(BadSetting, match=r"http://sts\.example would send secrets"):
        use("es", seen, audience="a")


def test_a_plaintext_endpoint_is_called_without_the_environments_proxy(luigi_cfg, sts, proxy):
    luigi_cfg(section("es", source="sts_web_identity", region="eu-west-1", endpoint=sts.address))
    assert use("es", seen, audience="a").endswith("canary-signature")
    assert proxy.heard == []


def test_a_tls_endpoint_is_called_through_the_environments_proxy(luigi_cfg, proxy):
    luigi_cfg(section("es", source="sts_web_identity", region="eu-west-1", endpoint="https://sts.invalid"))
    with pytest.raises(CredentialError, match="ProxyConnectionError"):
        use("es", seen, audience="a")
    assert set(proxy.heard) == {"sts.invalid:443"}


def test_nothing_secret_is_logged_or_raised(luigi_cfg, moto, sts, kept, caplog):
    caplog.set_level(logging.DEBUG)
    kept("canary-kept")
    luigi_cfg(
        section("aws", source="assume_role", region="eu-west-1", role=ROLE, endpoint=moto)
        + section("db", source="rds_iam", region="eu-west-1", through="aws")
        + section("sm", source="secrets_manager", region="eu-west-1", secret_id="pipelines/db", endpoint=moto)
        + section("es", source="sts_web_identity", region="eu-west-1", endpoint=sts.address)
        + section("graph", source="neptune", region="eu-west-1")
    )
    keys = json.loads(use("aws", seen))
    signed = use("db", seen, host="h", port=1, user="u")
    secrets = [keys["SecretAccessKey"], keys["SessionToken"], parse_qs(signed)["X-Amz-Signature"][0]]
    secrets += ["canary", use("es", seen, audience="a"), use("sm", seen)]
    secrets.append(json.loads(use("graph", seen, host="h", port=1))["Authorization"].rpartition("=")[2])
    sts.refused = "SignatureDoesNotMatch"
    with pytest.raises(CredentialError) as caught:
        use("es", seen, audience="b")
    found = f"{caplog.text}{caught.value}"
    assert [secret for secret in secrets if secret in found] == []
    assert "SignatureDoesNotMatch" in found


def test_without_our_filters_botocore_logs_the_token(luigi_cfg, sts, caplog, monkeypatch):
    """The control of the test above: without our filters the token is in the log."""
    caplog.set_level(logging.DEBUG)
    exposure.prevent()
    monkeypatch.setattr("luigi_sinks.redaction.watch_logs", lambda: None)
    monkeypatch.setattr(logging, "_logRecordFactory", logging.LogRecord)
    for name in exposure.BOTOCORE:
        monkeypatch.setattr(logging.getLogger(name), "filters", [])
    luigi_cfg(section("es", source="sts_web_identity", region="eu-west-1", endpoint=sts.address))
    assert use("es", seen, audience="a") in caplog.text
