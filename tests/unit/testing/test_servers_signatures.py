"""The signer is Amazon's own library, in whose words and rules ours has no part."""

import calendar
import time

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from luigi_sinks.testing.servers.signatures import Denied, Key, Request, Scope, check

HOST = "search.eu-central-1.es.amazonaws.com"
SCOPE = Scope("eu-central-1", "es", 300)
KEY = Key("secret", "token", expires=time.time() + 86_400)


def signed(
    method="POST",
    target="/flights/_bulk",
    body=b"{}",
    *,
    key=KEY,
    key_id="AKID",
    service="es",
    region=SCOPE.region,
    **headers,
):
    """Sign a request as botocore does; return it as a server sees it."""
    request = AWSRequest(method=method, url=f"https://{HOST}{target}", data=body, headers=headers)
    SigV4Auth(Credentials(key_id, key.secret, key.token), service, region).add_auth(request)
    seen = {name.lower(): value for name, value in request.headers.items()}
    return Request(method, target, {"host": HOST, **seen}, body)


def passes(request, now=None, **keys):
    check(request, keys or {"AKID": KEY}, SCOPE, time.time() if now is None else now)


def changed(request, **changes):
    headers = {**request.headers, **changes.pop("headers", {})}
    given = {"method": request.method, "target": request.target, "headers": headers, "body": request.body, **changes}
    return Request(**given)


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/flights/_search",
        "/_alias/flights~*~head*",
        "/flights%2Cothers/_count?ignore_unavailable=true",
        "/_search?b=2&a=1&a=0&flag",
        "/_search?q=two%20words&filter_path=errors%2Citems.%2A.error",
        "/_search?q=%C3%A9t%C3%A9",
    ],
)
def test_what_is_signed_rightly_passes(target):
    passes(signed("GET", target, b""))
    passes(signed("PUT", target, b'{"a": 1}\n' * 1000, **{"content-type": "application/json", "X-Opaque-Id": "a  b"}))


def test_a_space_that_is_written_as_a_plus_is_refused_as_aws_does():
    with pytest.raises(Denied, match="does not match"):
        passes(signed("GET", "/_search?q=two+words", b""))


@pytest.mark.parametrize(
    "change",
    [
        {"method": "DELETE"},
        {"target": "/others/_bulk"},
        {"target": "/flights/_bulk?refresh=true"},
        {"body": b"[]"},
        {"headers": {"host": "elsewhere.example"}},
        {"headers": {"content-type": "text/plain"}},
    ],
)
def test_what_was_changed_after_it_was_signed_is_refused(change):
    request = signed(**{"content-type": "application/json"})
    passes(request)
    with pytest.raises(Denied, match="does not match"):
        passes(changed(request, **change))


def test_a_wrong_secret_is_refused():
    with pytest.raises(Denied, match="does not match"):
        passes(signed(key=Key("another", KEY.token, 0)))


@pytest.mark.parametrize("request_", [signed(key_id="AKIDOTHER"), signed(key=Key(KEY.secret, "another", 0))])
def test_an_unknown_key_or_session_is_refused(request_):
    with pytest.raises(Denied, match="token included in the request is invalid"):
        passes(request_)


def test_a_key_that_has_expired_is_refused():
    with pytest.raises(Denied, match="token included in the request is expired"):
        passes(signed(), AKID=Key(KEY.secret, KEY.token, time.time() - 1))


@pytest.mark.parametrize(
    ("scope", "said"), [({"service": "aoss"}, "correct service"), ({"region": "us-east-1"}, "valid region")]
)
def test_a_signature_for_something_else_is_refused(scope, said):
    with pytest.raises(Denied, match=said):
        passes(signed(**scope))


def test_a_signature_is_good_for_five_minutes_either_way():
    request = signed()
    then = calendar.timegm(time.strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%SZ"))
    keys = {"AKID": Key(KEY.secret, KEY.token, then + 1000)}
    passes(request, then + 300, **keys)
    passes(request, then - 300, **keys)
    with pytest.raises(Denied, match="Signature expired"):
        passes(request, then + 301, **keys)
    with pytest.raises(Denied, match="Signature not yet current"):
        passes(request, then - 301, **keys)


def test_a_date_that_is_not_that_of_the_key_is_refused():
    with pytest.raises(Denied, match="Date in Credential scope"):
        passes(
            changed(
                signed(), headers={"x-amz-date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() - 86400 * 3))}
            )
        )


def test_an_unsigned_request_is_refused():
    with pytest.raises(Denied, match="Missing Authentication Token"):
        passes(Request("GET", "/", {"host": HOST, "authorization": "Basic YTpi"}, b""))


def test_headers_that_decide_must_be_signed():
    request = signed()
    with pytest.raises(Denied, match="SignedHeader"):
        passes(changed(request, headers={"x-amz-more": "1"}))
    without_host = request.headers["authorization"].replace("SignedHeaders=host;", "SignedHeaders=")
    with pytest.raises(Denied, match="SignedHeader"):
        passes(changed(request, headers={"authorization": without_host}))
