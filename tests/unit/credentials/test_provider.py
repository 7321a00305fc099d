import json
import time
from base64 import urlsafe_b64encode

import pytest

from luigi_sinks.credentials import Refused, use
from luigi_sinks.errors import BadSetting, CredentialError


@pytest.fixture
def secret(tmp_path, luigi_cfg):
    path = tmp_path / "db"
    path.write_text("first\n")
    luigi_cfg(f"[luigi_sinks.credential.db]\nsource = file\npath = {path}\n")
    return path


def refusing(*refused, on_refusal=lambda: None):
    seen = []

    def connect(token):
        seen.append(token.reveal())
        if token.reveal() in refused:
            on_refusal()
            raise Refused from PermissionError("access denied")
        return seen

    return connect


def test_the_file_is_read_again_for_each_connection(secret):
    assert use("db", refusing()) == ["first"]
    secret.write_text("second")
    assert use("db", refusing()) == ["second"]


def test_a_refused_token_is_replaced_once_by_a_newer_one(secret):
    connect = refusing("first", on_refusal=lambda: secret.write_text("second\n"))
    assert use("db", connect) == ["first", "second"]


def test_a_refused_token_is_not_sent_again_until_the_file_changes(secret):
    connect = refusing("first")
    for _ in range(3):
        with pytest.raises(CredentialError, match="'db' was refused by the server: access denied"):
            use("db", connect)
    secret.write_text("second\n")
    assert use("db", connect) == ["first", "second"]


def test_a_second_refusal_is_final(secret):
    connect = refusing("first", "second", on_refusal=lambda: secret.write_text("second"))
    with pytest.raises(CredentialError, match="access denied"):
        use("db", connect)


def test_a_file_that_is_missing_is_named(secret):
    secret.unlink()
    with pytest.raises(CredentialError, match=rf"cannot read {secret}: No such file"):
        use("db", refusing())


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe"])
def test_a_file_without_a_secret_is_named(secret, content):
    secret.write_bytes(content)
    with pytest.raises(CredentialError, match=str(secret)):
        use("db", refusing())


@pytest.fixture
def bearer(secret, luigi_cfg):
    """Return a function that writes a JWT with these claims to the file."""
    luigi_cfg(f"[luigi_sinks.credential.db]\nsource = file\nholds = bearer\npath = {secret}\n")

    def write(**claims):
        payload = urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        secret.write_text(f"e30.{payload}.c2lnbmF0dXJl\n")

    return write


@pytest.mark.parametrize("later", [30, float("inf")])
def test_a_token_that_is_not_valid_yet_is_not_sent(bearer, later):
    bearer(nbf=time.time() + later)
    with pytest.raises(CredentialError, match=r"'db': the token in .* becomes valid only in (30|29|inf) s; wait"):
        use("db", refusing())


@pytest.mark.parametrize("ago", [30, 10**400, float("inf")])
def test_a_token_that_expired_is_not_sent(bearer, ago):
    bearer(exp=time.time() - ago if ago == 30 else -ago)
    with pytest.raises(CredentialError, match=r"'db': the token in .* expired (3\d|inf) s ago; check the program"):
        use("db", refusing())


@pytest.mark.parametrize("lives", [-2, 2, 60])
def test_a_token_lives_as_long_as_its_claims_say_with_a_little_leeway(bearer, lives):
    bearer(exp=time.time() + lives)
    assert use("db", lambda token: token.info.lifetime) == pytest.approx(max(lives, 5), abs=3)


@pytest.mark.parametrize("starts", [0, -60, 0.5, "soon", None])
def test_a_token_that_is_valid_or_has_no_start_time_is_sent(bearer, starts):
    bearer(nbf=starts if isinstance(starts, str | None) else time.time() + starts)
    assert use("db", lambda token: token.reveal()).startswith("e30.")


def test_the_claims_of_a_token_in_a_file_are_known(bearer):
    bearer(sub="loader", iss="https://idp", aud=["db", "es"], jti="t-1")
    info = use("db", lambda token: token.info)
    assert (info.principal, info.issuer, info.audience, info.token_id) == ("loader", "https://idp", "db es", "t-1")


@pytest.mark.parametrize("section", ["", "source = file", "source = aether\npath = x"])
def test_a_credential_without_a_source_is_explained(luigi_cfg, section):
    luigi_cfg(f"[luigi_sinks.credential.db]\n{section}\n")
    with pytest.raises(BadSetting, match=r"\[luigi_sinks.credential.db\].*source = file"):
        use("db", refusing())


@pytest.mark.parametrize("holds", ["bearer", "api_key", "password"])
@pytest.mark.parametrize(
    "content",
    ["canary-token\nsecond line", "canary\rtoken", "canary\0token", "canary\ttoken"],
    ids=["two lines", "carriage return", "null", "tab"],
)
def test_a_secret_that_no_server_can_be_sent_is_refused_and_not_quoted(secret, luigi_cfg, holds, content):
    luigi_cfg(f"[luigi_sinks.credential.db]\nsource = file\nholds = {holds}\npath = {secret}\n")
    secret.write_bytes(content.encode())
    with pytest.raises(
        CredentialError, match=f"'db': its source returned a {holds} with a .*line break.*alone"
    ) as caught:
        use("db", refusing())
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("content", ["two words", "caf\u00e9"])
def test_only_a_password_may_contain_spaces_and_other_letters(secret, luigi_cfg, content):
    secret.write_text(content)
    assert use("db", refusing()) == [content]
    luigi_cfg(f"[luigi_sinks.credential.es]\nsource = file\nholds = bearer\npath = {secret}\n")
    with pytest.raises(CredentialError, match="returned a bearer with a space"):
        use("es", refusing())
