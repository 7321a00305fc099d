"""What stands in for AWS, asked by the AWS SDK."""

import threading

import boto3
import jwt
import pytest
from botocore.exceptions import ClientError

from luigi_sinks.testing.servers import authentication_plugin, aws
from luigi_sinks.testing.servers.aws_service import Config, Endpoint, Keys
from luigi_sinks.testing.servers.state import free_ports

REGION = "eu-west-1"
ROLE = "arn:aws:iam::123456789012:role/crew"


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    file = tmp_path_factory.mktemp("aws") / "authorization"
    file.write_text("shown by the program")
    (port,) = free_ports(1)
    served = Endpoint(Config("127.0.0.1", port, str(file), "127.0.0.1:3306", REGION, {"loader": 3600}))
    threading.Thread(target=served.serve_forever, daemon=True).start()
    yield served
    served.shutdown()
    served.server_close()


@pytest.fixture
def program(endpoint, monkeypatch):
    """Be a program of the container: nothing is given to it but where to ask."""
    config = endpoint.service.config
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{config.issuer}/credentials/loader")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", config.authorization)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return boto3.Session(region_name=REGION)


@pytest.fixture
def sts(program, endpoint):
    return program.client("sts", endpoint_url=endpoint.service.config.issuer)


def test_a_program_is_given_keys_by_which_it_is_known(program, endpoint):
    keys = program.get_credentials().get_frozen_credentials()
    assert endpoint.service.keys.known[keys.access_key].secret == keys.secret_key


def test_who_shows_nothing_is_given_no_keys(endpoint):
    assert endpoint.service.get("/credentials/loader", "a guess").status == 401
    assert endpoint.service.get("/credentials/nobody", "shown by the program").status == 404


def test_keys_are_followed_by_others_half_way_and_are_known_to_their_end():
    now = [1000.0]
    keys = Keys({"loader": 10}, lambda: now[0])
    first = keys.of("loader")
    now[0] += 5
    assert keys.of("loader") == first
    now[0] += 0.1
    second = keys.of("loader")
    assert (second.id, second.key.expires) != (first.id, first.key.expires)
    assert set(keys.known) == {first.id, second.id}


def test_a_role_is_assumed_and_its_keys_sign(sts, endpoint):
    given = sts.assume_role(RoleArn=ROLE, RoleSessionName="Flights", SourceIdentity="crew", DurationSeconds=900)
    assert given["AssumedRoleUser"]["Arn"] == "arn:aws:sts::123456789012:assumed-role/crew/Flights"
    assert given["SourceIdentity"] == "crew"
    keys = given["Credentials"]
    session = boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], REGION)
    assumed = session.client("sts", endpoint_url=endpoint.service.config.issuer)
    token = assumed.get_web_identity_token(Audience=["x"], SigningAlgorithm="RS256")["WebIdentityToken"]
    assert jwt.decode(token, options={"verify_signature": False})["sub"] == ROLE


@pytest.mark.parametrize("algorithm", ["RS256", "ES384"])
def test_a_web_identity_token_is_verified_by_the_keys_that_the_issuer_shows(sts, endpoint, algorithm):
    answer = sts.get_web_identity_token(Audience=["a", "b"], SigningAlgorithm=algorithm, DurationSeconds=60)
    issuer = endpoint.service.config.issuer
    token = answer["WebIdentityToken"]
    found = jwt.PyJWKClient(endpoint.service.signing.discovery()["jwks_uri"]).get_signing_key_from_jwt(token)
    said = jwt.decode(token, found.key, [algorithm], audience="b", issuer=issuer)
    assert said["sub"] == "arn:aws:iam::123456789012:role/loader"
    assert said["exp"] - said["iat"] in {60, 61}
    assert said["exp"] == pytest.approx(answer["Expiration"].timestamp(), abs=1)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"aws_access_key_id": "AKIDOTHER"}, "InvalidClientTokenId"),
        ({"aws_session_token": "other"}, "InvalidClientTokenId"),
        ({"aws_secret_access_key": "other"}, "SignatureDoesNotMatch"),
    ],
)
def test_who_is_not_known_is_refused_in_the_words_of_aws(program, endpoint, wrong, code):
    keys = program.get_credentials().get_frozen_credentials()
    known = {"aws_access_key_id": keys.access_key, "aws_secret_access_key": keys.secret_key}
    known |= {"aws_session_token": keys.token, **wrong}
    sts = boto3.client("sts", region_name=REGION, endpoint_url=endpoint.service.config.issuer, **known)
    with pytest.raises(ClientError) as caught:
        sts.assume_role(RoleArn=ROLE, RoleSessionName="Flights")
    assert caught.value.response["Error"]["Code"] == code


def test_a_session_is_no_longer_than_with_aws(sts):
    with pytest.raises(ClientError, match="DurationSeconds must lie between 900 and 43200"):
        sts.assume_role(RoleArn=ROLE, RoleSessionName="Flights", DurationSeconds=43201)


def test_the_compiler_and_the_headers_are_asked_for_where_they_are_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(authentication_plugin, "HEADERS", (tmp_path,))
    monkeypatch.setenv("PATH", "")
    assert [need.packages for need in aws.missing()] == [("gcc",), ("libmariadbd-dev",)]
