"""The signer is Amazon's own library, in whose words and rules the check has no part."""

import datetime as dt
from urllib.parse import urlencode

import boto3
import botocore.auth
import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from luigi_sinks.testing.servers import database_tokens
from luigi_sinks.testing.servers.signatures import Denied, Key, Scope

SERVER = "db.internal:3306"
NOW = 1_800_000_000.0
SCOPE = Scope("eu-west-1", "rds-db", 5)
KEY = Key("secret", "to+ken/=", expires=NOW + 3600)


@pytest.fixture
def signed(monkeypatch):
    """Return a function that signs a token as the AWS SDK does."""

    def signed(key=KEY, key_id="AKID", ago=0, lifetime=900, server=SERVER, scope=SCOPE, **said):
        then = dt.datetime.fromtimestamp(NOW - ago, dt.UTC)
        monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: then)
        query = urlencode({"Action": "connect", "DBUser": "loader", **said})
        request = AWSRequest("GET", f"https://{server}/?{query}")
        SigV4QueryAuth(Credentials(key_id, key.secret, key.token), scope.service, scope.region, lifetime).add_auth(
            request
        )
        return request.url.removeprefix("https://")

    return signed


def check(token, user="loader", now=NOW, **keys):
    database_tokens.check(token, user, SERVER, keys or {"AKID": KEY}, SCOPE, now)


@pytest.mark.parametrize("user", ["loader", "flight ops", "é+&/"])
def test_a_token_lets_its_user_in(signed, user):
    check(signed(DBUser=user), user)


def test_a_token_is_what_the_library_makes_for_a_database(signed):
    signed()  # which sets the clock
    keys = {"aws_access_key_id": "AKID", "aws_secret_access_key": KEY.secret, "aws_session_token": KEY.token}
    rds = boto3.client("rds", region_name=SCOPE.region, **keys)
    token = rds.generate_db_auth_token("db.internal", 3306, "loader", SCOPE.region)
    check(token)


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        ({"key_id": "OTHER"}, "the key is not known"),
        ({"key": Key("secret", "another", 0)}, "the key is not known"),
        ({"key": Key("another", KEY.token, 0)}, "the signature is wrong"),
        ({"server": "db.internal:3307"}, "lets 'loader' in at db.internal:3307, not 'loader' at db.internal:3306"),
        ({"server": "db.internal"}, "in at db.internal, not"),
        ({"DBUser": "owner"}, "lets 'owner' in"),
        ({"Action": "drop"}, "lets 'loader' in"),
        ({"scope": Scope("us-east-1", "rds-db", 5)}, "is for rds-db in us-east-1"),
        ({"scope": Scope("eu-west-1", "s3", 5)}, "is for s3 in eu-west-1"),
        ({"lifetime": 901}, "would live 901 s"),
        ({"More": "1"}, "no token of RDS"),
    ],
)
def test_what_is_signed_for_something_else_is_refused(signed, made, reason):
    with pytest.raises(Denied, match=reason):
        check(signed(**made))


@pytest.mark.parametrize("change", [("loader", "owner"), ("X-Amz-Expires=900", "X-Amz-Expires=899")])
def test_what_was_changed_after_it_was_signed_is_refused(signed, change):
    with pytest.raises(Denied, match="signature is wrong"):
        check(signed().replace(*change), "owner" if change[1] == "owner" else "loader")


@pytest.mark.parametrize("token", ["", "hunter2", SERVER, f"{SERVER}/?", f"{SERVER}/?Action=connect&DBUser=loader"])
def test_what_is_no_token_is_refused(token):
    with pytest.raises(Denied, match="no token of RDS"):
        check(token)


def test_what_is_said_twice_is_refused(signed):
    with pytest.raises(Denied, match="no token of RDS"):
        check(signed() + "&DBUser=loader")


def test_a_token_is_good_for_a_quarter_of_an_hour_and_a_few_seconds_before(signed):
    token = signed()
    for now in (NOW - 5, NOW, NOW + 899):
        check(token, now=now)
    with pytest.raises(Denied, match="not valid yet"):
        check(token, now=NOW - 6)
    with pytest.raises(Denied, match="has expired"):
        check(token, now=NOW + 900)


def test_a_token_ends_with_the_key_that_signed_it(signed):
    short = Key(KEY.secret, KEY.token, NOW + 10)
    check(signed(), now=NOW + 9, AKID=short)
    with pytest.raises(Denied, match="the key has expired"):
        check(signed(), now=NOW + 10, AKID=short)
