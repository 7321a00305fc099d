"""The source `oidc`, against an emulator that can misbehave; tests/integration/credentials has Keycloak."""

import base64
import json
import logging
import time
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, quote

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from luigi_sinks.credentials import use
from luigi_sinks.credentials.provider import PROVIDER
from luigi_sinks.credentials.sources import issuer
from luigi_sinks.errors import BadSetting, CredentialError


def new_key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


KEY, OTHER = new_key(), new_key()


def published(key, kid):
    return {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())), "kid": kid, "use": "sig"}


class Provider(BaseHTTPRequestHandler):
    """Returns tokens for client credentials; `says` of its server overrides the response at a path."""

    def do_GET(self):
        self.answer(None)

    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        self.server.asked.append((form, self.headers["authorization"]))
        self.answer(form)

    def answer(self, form):
        self.server.paths.append(self.path)
        status, content, *headers = self.server.says[self.path]
        content = content(form) if callable(content) else content
        text = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for header in headers:
            self.send_header(*header)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        for at in range(len(text)) if self.server.drips else ():
            self.wfile.write(text[at : at + 1])
            time.sleep(0.05)
        self.wfile.write(text)

    def log_message(self, *args):
        """Do not log requests."""


DISCOVERY = "/realm/.well-known/openid-configuration"


def minted(name, key=KEY, kid="k1", **claims):
    now = int(time.time())
    said = {"iss": name, "sub": "loader", "aud": ["es"], "iat": now, "exp": now + 60, "jti": "id-1", **claims}
    return jwt.encode(said, key, algorithm="RS256", headers={"kid": kid})


@pytest.fixture
def idp(serving):
    issuer.metadata_by_issuer.clear()  # a port may be reused by another test
    server = serving(Provider, asked=[], paths=[], says={}, drips=False)
    server.issuer = f"{server.address}/realm"
    server.claims, server.key, server.kid = {}, KEY, "k1"
    server.says |= {
        DISCOVERY: (
            200,
            {
                "issuer": server.issuer,
                "token_endpoint": f"{server.address}/token",
                "jwks_uri": f"{server.address}/keys",
            },
        ),
        "/keys": (200, {"keys": [published(KEY, "k1")]}),
        "/token": (
            200,
            lambda form: {
                "access_token": minted(server.issuer, server.key, server.kid, **server.claims),
                "token_type": "Bearer",
                "expires_in": 60,
            },
        ),
    }
    return server


@pytest.fixture
def configure(idp, luigi_cfg, tmp_path):
    """Return a function that configures the credential `es`, by default with a client secret in a file."""
    (tmp_path / "secret").write_text("canary:secret/")

    def write(*lines, proof="client_secret_from = kept", name=None):
        luigi_cfg(
            f"[luigi_sinks.credential.kept]\nsource = file\npath = {tmp_path}/secret\n"
            f"[luigi_sinks.credential.es]\nsource = oidc\nissuer = {name or idp.issuer}\nclient_id = loader\n"
            + "\n".join([proof, *lines])
        )

    write()
    return write


def seen(token):
    return token.reveal()


def test_a_client_with_a_secret_gets_a_token(idp, configure):
    info = use("es", lambda token: token.info, audience="es")
    assert (info.lifetime, info.principal, info.audience, info.token_id) == (60, "loader", "es", "id-1")
    form, authorization = idp.asked[0]
    assert form == {"grant_type": ["client_credentials"], "audience": ["es"]}
    pair = base64.b64decode(authorization.removeprefix("Basic ")).decode()
    assert pair == f"loader:{quote('canary:secret/', safe='')}"


def test_a_projected_token_is_read_again_for_each_exchange(idp, configure, tmp_path):
    (tmp_path / "projected").write_text("first\n")
    configure("scope = load", proof=f"token_file = {tmp_path}/projected")
    use("es", seen, audience="es")
    (tmp_path / "projected").write_text("second\n")
    use("es", seen, audience="")
    sent = [form["client_assertion"] for form, _ in idp.asked]
    assert sent == [["first"], ["second"]]
    assert idp.asked[0][0]["client_assertion_type"] == ["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]
    assert idp.asked[0][0]["scope"] == ["load"]


def test_each_attempt_has_a_new_assertion_signed_by_the_private_key(idp, configure, tmp_path):
    pem = KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "key.pem").write_bytes(pem)
    configure("key_id = mine", proof=f"private_key_file = {tmp_path}/key.pem")
    idp.says["/token"] = (503, {})
    with pytest.raises(CredentialError, match="rejects the client 'loader': 503"):
        use("es", seen)
    assertions = [form["client_assertion"][0] for form, _ in idp.asked]
    said = [jwt.decode(each, KEY.public_key(), algorithms=["RS256"], audience=idp.issuer) for each in assertions]
    assert len({claims["jti"] for claims in said}) == 2
    assert {claims["iss"] for claims in said} == {claims["sub"] for claims in said} == {"loader"}
    assert jwt.get_unverified_header(assertions[0])["kid"] == "mine"


def test_the_discovery_document_and_the_keys_are_cached(idp, configure):
    use("es", seen, audience="es")
    use("es", seen, audience="")
    assert idp.paths == [DISCOVERY, "/token", "/keys", "/token"]


def test_a_forked_child_fetches_its_own_token_with_the_cached_documents_of_its_parent(idp, configure):
    use("es", seen, audience="es")
    PROVIDER.forget()  # as in a forked child
    use("es", seen, audience="es")
    assert idp.paths == [DISCOVERY, "/token", "/keys", "/token"]


def test_cached_documents_are_not_shared_between_different_ca_files(idp, configure, tmp_path):
    use("es", seen, audience="es")
    PROVIDER.forget()
    configure(f"ca = {tmp_path}/other.pem")
    use("es", seen, audience="es")
    assert idp.paths == [DISCOVERY, "/token", "/keys"] * 2


def test_a_new_key_is_fetched(idp, configure, monkeypatch):
    use("es", seen, audience="es")
    idp.says["/keys"] = (200, {"keys": [published(OTHER, "k2")]})
    idp.key, idp.kid = OTHER, "k2"
    with pytest.raises(CredentialError, match="signed by a key that it does not publish"):
        use("es", seen, audience="")
    assert idp.paths.count("/keys") == 1, "a stranger's tokens cause no storm"
    monkeypatch.setattr(issuer, "_KEY_REFRESH_INTERVAL", 0)
    assert use("es", seen, audience="")


def test_a_token_that_is_not_a_jwt_is_accepted_without_verification(idp, configure):
    idp.says["/token"] = (200, {"access_token": "opaque", "token_type": "bearer"})
    assert use("es", seen) == "opaque"
    assert use("es", lambda token: token.info.lifetime) is None


def test_a_replaced_client_secret_is_read_again_when_the_old_one_is_refused(idp, configure, tmp_path):
    def answer(form):
        (tmp_path / "secret").write_text("the new one")
        idp.says["/token"] = (200, {"access_token": "opaque", "token_type": "bearer"})
        return {"error": "invalid_client"}

    idp.says["/token"] = (401, answer)
    assert use("es", seen) == "opaque"
    assert len(idp.asked) == 2


@pytest.mark.parametrize(
    ("claims", "complaint"),
    [
        ({"aud": ["another"]}, "InvalidAudienceError"),
        ({"iss": "https://another"}, "InvalidIssuerError"),
        ({"exp": 1}, "ExpiredSignatureError"),
        ({"nbf": 1 << 33}, "ImmatureSignatureError"),
    ],
)
def test_an_invalid_token_is_refused(idp, configure, claims, complaint):
    idp.claims = claims
    with pytest.raises(
        CredentialError, match=rf"'es': the issuer {idp.issuer} returned an invalid token \({complaint}\)"
    ):
        use("es", seen, audience="es")


def test_a_token_of_another_key_is_refused(idp, configure):
    idp.key = OTHER
    with pytest.raises(CredentialError, match="InvalidSignatureError"):
        use("es", seen, audience="es")


def test_a_token_without_a_signature_is_refused(idp, configure):
    claims = {"iss": idp.issuer, "exp": int(time.time()) + 60}
    unsigned = jwt.encode(claims, None, algorithm="none", headers={"kid": "k1"})
    idp.says["/token"] = (200, {"access_token": unsigned, "token_type": "Bearer"})
    with pytest.raises(CredentialError, match="InvalidAlgorithmError"):
        use("es", seen)


ELSEWHERE = ("location", "https://elsewhere.example/")


@pytest.mark.parametrize(
    ("path", "answer", "complaint"),
    [
        (DISCOVERY, (302, {}, ELSEWHERE), r"redirects \(302\), which is not allowed"),
        ("/token", (307, {}, ELSEWHERE), r"redirects \(307\), which is not allowed"),
        (DISCOVERY, (200, b"<html>canary</html>"), "returned 200 and no JSON object"),
        (DISCOVERY, (200, [1]), "no JSON object"),
        (DISCOVERY, (200, b'{"a": "' + b"x" * (1 << 20) + b'"}'), "sent more than 1,048,576 bytes"),
        (DISCOVERY, (200, {"issuer": "https://another"}), "has another issuer URL"),
        (DISCOVERY, (404, {}), "returned 404"),
        ("/keys", (200, {"keys": "canary"}), "publishes keys in an unknown format"),
        ("/token", (200, {}), "returned no bearer token"),
        ("/token", (200, {"access_token": "canary", "token_type": "mac"}), "returned no bearer token"),
        ("/token", (400, {"error": "unauthorized_client", "error_description": "canary"}), "400, unauthorized_client"),
        ("/token", (400, {"error": "canary with spaces"}), "400, no reason"),
    ],
)
def test_a_wrong_response_is_an_error_that_does_not_quote_it(idp, configure, path, answer, complaint, caplog):
    caplog.set_level(logging.DEBUG)
    idp.says[path] = answer
    with pytest.raises(CredentialError, match=complaint) as caught:
        use("es", seen, audience="es")
    assert "canary" not in f"{caught.value}{caplog.text}"


DEADLINES = "[luigi_sinks.exchanges]\nrequest_timeout = {request}\nexchange_timeout = {exchange}\n"


@pytest.mark.parametrize(
    ("request_timeout", "exchange_timeout", "ran_out"),
    [(0.3, 20, "request_timeout = 0.3 s"), (20, 0.4, "exchange_timeout = 0.4 s")],
)
def test_a_provider_that_responds_too_slowly_is_an_error_that_names_the_setting(
    idp, configure, request_timeout, exchange_timeout, ran_out
):
    configure(DEADLINES.format(request=request_timeout, exchange=exchange_timeout))
    idp.drips = True
    started = time.monotonic()
    with pytest.raises(CredentialError, match=f"openid-configuration took longer than {ran_out}"):
        use("es", seen)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("lifetime", "complaint"),
    [
        *((value, "`expires_in` that is no positive number") for value in (0, -1, True, "soon", 1e20, 10**400, [1])),
        *((value, "returned 200 and no JSON object") for value in (float("nan"), float("inf"))),
    ],
)
def test_a_lifetime_that_is_no_number_of_seconds_is_refused(idp, configure, lifetime, complaint):
    idp.says["/token"] = (200, {"access_token": "opaque", "token_type": "bearer", "expires_in": lifetime})
    with pytest.raises(CredentialError, match=complaint):
        use("es", seen)


@pytest.mark.parametrize(("lifetime", "seconds"), [("3600", 3600), (60.5, 60.5), (None, None)])
def test_a_lifetime_may_be_written_as_text_or_missing(idp, configure, lifetime, seconds):
    idp.says["/token"] = (200, {"access_token": "opaque", "token_type": "bearer", "expires_in": lifetime})
    assert use("es", lambda token: token.info.lifetime) == seconds


DEEP = b'{"a":' * 100_000


@pytest.mark.parametrize("path", [DISCOVERY, "/keys", "/token"])
@pytest.mark.parametrize(
    "answer",
    [DEEP, b'{"issuer": "a", "issuer": "b"}', b'{"expires_in": 1' + b"0" * 5000 + b"}", b"\xff"],
    ids=["deep", "duplicate", "long", "not text"],
)
def test_json_that_readers_understand_differently_is_refused(idp, configure, path, answer):
    idp.says[path] = (200, answer)
    with pytest.raises(CredentialError, match="no JSON object"):
        use("es", seen, audience="es")


@pytest.mark.parametrize("key", [{"kty": "RSA", "kid": "k1"}, {"kty": "RSA", "n": "", "e": "=", "kid": "k1"}, 3, None])
def test_keys_that_make_no_sense_are_refused(idp, configure, key):
    idp.says["/keys"] = (200, {"keys": [key]})
    with pytest.raises(CredentialError, match=r"publishes keys in an unknown format|signed by a key that it does not"):
        use("es", seen, audience="es")


@pytest.mark.parametrize("claims", [{"exp": 1e400}, {"exp": "soon"}, {"iat": float("inf")}, {"nbf": [1]}, {"aud": {}}])
def test_a_token_with_senseless_claims_is_refused(idp, configure, claims):
    idp.claims = claims
    with pytest.raises(CredentialError, match="returned an invalid token"):
        use("es", seen, audience="es")


@pytest.mark.parametrize("address", ["https://[bad", "https://idp.example:99999999/", "https:///path", "https://a b/"])
@pytest.mark.parametrize("what", ["token_endpoint", "jwks_uri"])
def test_an_address_that_is_no_url_is_refused(idp, configure, what, address):
    idp.says[DISCOVERY][1][what] = address
    with pytest.raises((BadSetting, CredentialError), match="credential 'es'"):
        use("es", seen)


def test_a_token_that_expired_half_a_minute_ago_is_refused(idp, configure):
    idp.claims = {"exp": int(time.time()) - 30}
    with pytest.raises(CredentialError, match="ExpiredSignatureError"):
        use("es", seen, audience="es")


def test_a_token_lives_no_longer_than_its_own_claims_say(idp, configure):
    idp.claims = {"exp": int(time.time()) + 20}
    assert use("es", lambda token: token.info.lifetime, audience="es") == pytest.approx(20, abs=5)


@pytest.mark.parametrize("what", ["token_endpoint", "jwks_uri"])
def test_a_plaintext_token_endpoint_is_refused(idp, configure, what):
    idp.says[DISCOVERY][1][what] = "http://idp.example/x"
    with pytest.raises(BadSetting, match=r"http://idp\.example/x would send secrets"):
        use("es", seen)


def test_a_plaintext_issuer_is_refused(configure):
    configure(name="http://idp.example")
    with pytest.raises(BadSetting, match=r"http://idp\.example would send secrets unencrypted; use https"):
        use("es", seen)


def test_a_provider_that_is_down_is_named(idp, configure):
    idp.shutdown()
    idp.server_close()
    with pytest.raises(CredentialError, match=rf"'es': {idp.issuer}/.* does not answer \(NewConnectionError\)"):
        use("es", seen)


@pytest.mark.parametrize("proof", ["", "token_file = a\nclient_secret_from = b"])
def test_exactly_one_way_to_authenticate_is_required(configure, proof):
    configure(proof=proof)
    with pytest.raises(BadSetting, match=r"\[luigi_sinks.credential.es\].*one of token_file, private_key_file"):
        use("es", seen)


def test_a_secret_in_the_section_itself_is_refused(configure):
    configure(proof="client_secret = canary")
    with pytest.raises(BadSetting, match="contains a secret, 'client_secret'"):
        use("es", seen)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(None, "cannot read .*: No such file"), (b"no key", "is not a PEM key for"), (b"\xff", "it is not ASCII text")],
)
def test_a_key_that_cannot_be_read_is_named(configure, tmp_path, content, complaint):
    if content is not None:
        (tmp_path / "key.pem").write_bytes(content)
    configure(proof=f"private_key_file = {tmp_path}/key.pem")
    with pytest.raises(CredentialError, match=f"'es': .*{complaint}"):
        use("es", seen)
