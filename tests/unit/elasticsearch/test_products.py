"""One sink, two products: each needs its own client only, and OpenSearch may be asked by signed requests."""

import json
import subprocess
import sys
import time

import pytest

from luigi_sinks.credentials import Token, TokenInfo
from luigi_sinks.elasticsearch import ElasticsearchSettings, errors, signing
from luigi_sinks.elasticsearch.connection import Clash, Missing, Rejected, TooLarge
from luigi_sinks.errors import BadSetting, Forbidden, Unavailable
from luigi_sinks.testing.servers.signatures import Denied, Key, Request, Scope, check

OPEN = """
import sys
for absent in {absent}:
    sys.modules[absent] = None
from luigi_sinks.elasticsearch import ElasticsearchSettings, connection
client = connection._open(ElasticsearchSettings(host="127.0.0.1", credential="any", product={product!r}))
print(type(client).__module__)
"""
CLIENTS = {"elasticsearch": ("elasticsearch", "elastic_transport"), "opensearch": ("opensearchpy",)}


def opened(product, absent):
    code = OPEN.format(product=product, absent=absent)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


@pytest.mark.parametrize(("product", "other"), [("elasticsearch", "opensearch"), ("opensearch", "elasticsearch")])
def test_a_product_needs_no_client_of_the_other(product, other):
    done = opened(product, CLIENTS[other])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("product", "other"), [("elasticsearch", "opensearch"), ("opensearch", "elasticsearch")])
def test_a_product_whose_client_is_missing_names_its_extra(product, other):
    done = opened(product, CLIENTS[product])
    assert "NotInstalled" in done.stderr
    assert f"pip install 'luigi-sinks[{product}]'" in done.stderr


def test_without_any_client_the_import_says_which_there_are():
    done = opened("opensearch", (*CLIENTS["elasticsearch"], *CLIENTS["opensearch"]))
    assert "pip install 'luigi-sinks[elasticsearch]'" in done.stderr
    assert "[opensearch]" in done.stderr


KEY = Key("the-secret", "the-session", expires=time.time() + 86_400)
SCOPE = Scope("eu-central-1", "es", 300)
SEARCH = "search.eu-central-1.es.amazonaws.com"


@pytest.fixture
def token():
    keys = {"AccessKeyId": "AKID", "SecretAccessKey": KEY.secret, "SessionToken": KEY.token}
    return Token(json.dumps({**keys, "Region": SCOPE.region, "Service": "es"}), TokenInfo(scheme="signature"))


def seen(settings, token, body=b"{}", target="/flights/_bulk?filter_path=a%2Cb", **more):
    """Sign a request; return it as the server sees it."""
    plain = {"content-type": "application/x-ndjson", "connection": "keep-alive", "x-opaque-id": "1"}
    signed = signing.headers(settings, token, "POST", target, plain, body)
    return Request("POST", target, {"host": settings.address, **plain, **signed, **more}, body or b"")


def names(headers):
    return {name.lower(): value for name, value in headers.items()}


def lowered(request):
    return Request(request.method, request.target, names(request.headers), request.body)


@pytest.mark.parametrize("body", [b'{"create":{}}\n{"id":1}\n', None])
def test_a_request_is_signed_as_aws_checks_it(token, body):
    settings = ElasticsearchSettings(host=SEARCH, port=8443, credential="signing", product="opensearch")
    check(lowered(seen(settings, token, body)), {"AKID": KEY}, SCOPE, time.time())


def test_what_a_proxy_may_change_is_not_signed(token):
    settings = ElasticsearchSettings(host=SEARCH, port=8443, credential="signing", product="opensearch")
    request = lowered(seen(settings, token, connection="close", **{"x-opaque-id": "2"}))
    check(request, {"AKID": KEY}, SCOPE, time.time())
    with pytest.raises(Denied):
        check(
            Request("POST", request.target, {**request.headers, "content-type": "text/plain"}, request.body),
            {"AKID": KEY},
            SCOPE,
            time.time(),
        )


def test_behind_a_tunnel_the_server_is_signed_for_by_its_own_name(token, tmp_path):
    settings = ElasticsearchSettings(
        host="127.0.0.1",
        port=9999,
        credential="signing",
        product="opensearch",
        tls_ca=tmp_path / "ca.pem",
        tls_server_name=SEARCH,
    )
    request = lowered(seen(settings, token))
    assert request.headers["host"] == SEARCH
    check(request, {"AKID": KEY}, SCOPE, time.time())


def test_elasticsearch_is_not_sent_signatures(token):
    with pytest.raises(BadSetting, match="product = opensearch"):
        seen(ElasticsearchSettings(host=SEARCH, credential="signing"), token)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            {"message": "The security token included in the request is expired"},
            "The security token included in the request is expired",
        ),
        ({"Message": "User: arn:aws:iam::1:role/r is not authorized to perform: es:ESHttpPut"}, ""),
        ({"error": {"type": "security_exception", "reason": "no permissions for [indices:data/write/bulk]"}}, ""),
        ("Forbidden by a proxy", ""),
        ([1], ""),
    ],
)
def test_a_403_is_a_refusal_of_the_signature_where_aws_says_so(answer, said):
    assert signing.refusal(json.dumps(answer).encode()) == said


def test_a_403_to_a_head_which_has_no_words_is_a_refusal():
    assert signing.refusal(b"") == "403 Forbidden"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (404, {"error": {"type": "index_not_found_exception", "reason": "no such index"}}, Missing),
        (404, {"_id": "1", "found": False}, Missing),
        (409, {"error": {"type": "version_conflict_engine_exception", "reason": "exists"}}, Clash),
        (413, "Request size exceeded 10485760 bytes", TooLarge),
        (400, {"error": {"type": "mapper_parsing_exception", "reason": "no"}}, Rejected),
        (429, "429 Too Many Requests /flights/_bulk", Unavailable),
        (503, {"message": None}, Unavailable),
        (403, {"error": {"type": "security_exception", "reason": "no permissions"}}, Forbidden),
        (403, {"Message": "User: somebody is not authorized"}, Forbidden),
        (403, {"error": {"type": "cluster_block_exception", "reason": "read-only"}}, Unavailable),
        (408, {"timed_out": True}, errors.Late),
        (429, {"error": {"type": "es_rejected", "reason": "[operation_bytes=9, max_primary_bytes=10]"}}, Unavailable),
        (
            429,
            {"error": {"type": "es_rejected", "reason": "[operation_bytes=11, max_primary_bytes=10]"}},
            errors.TooLarge,
        ),
        (400, {"error": {"type": "validation_exception", "reason": "[9]/[9] maximum shards open"}}, BadSetting),
    ],
)
def test_an_answer_of_either_product_means_the_same(status, body, kind):
    settings = ElasticsearchSettings(host="127.0.0.1", credential="any", product="opensearch")
    assert type(errors.from_response(settings, status, body)) is kind


def test_a_product_is_one_of_two():
    assert ElasticsearchSettings(host="127.0.0.1", credential="any").where == "Elasticsearch at 127.0.0.1:9200"
    assert (
        ElasticsearchSettings(host="127.0.0.1", credential="any", product="opensearch").where
        == "OpenSearch at 127.0.0.1:9200"
    )
