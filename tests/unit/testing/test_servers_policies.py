"""What policies allow, by our evaluator; where moto's knows the same part of the language, both must agree."""

import json

import pytest
from moto.iam.access_control import IAMPolicy, PermissionResult

from luigi_sinks.testing.servers.policies import Answer, action, answer

DOMAIN = "arn:aws:es:eu-west-1:123456789012:domain/flights"
MOTO = {Answer.ALLOWED: PermissionResult.PERMITTED, Answer.DENIED: PermissionResult.DENIED}


def policy(*statements):
    keys = ("Effect", "Action", "Resource")
    return {"Version": "2012-10-17", "Statement": [dict(zip(keys, each, strict=True)) for each in statements]}


READS = policy(
    ("Allow", "es:ESHttpGet", [f"{DOMAIN}/delays~*~v*/_search", f"{DOMAIN}/delays"]),
    ("Allow", ["es:ESHttpPost", "es:ESHttpPut"], f"{DOMAIN}/delays/_doc/*"),
    ("Deny", "es:ESHttp*", f"{DOMAIN}/*,*"),
)
ASKED = [
    ("GET", "/delays", Answer.ALLOWED),
    ("GET", "/delays/", Answer.NEITHER),
    ("GET", "/delays2", Answer.NEITHER),
    ("POST", "/delays", Answer.NEITHER),
    ("GET", "/delays~_all~v1/_search", Answer.ALLOWED),
    ("GET", "/delays~_all~v1/_search/template", Answer.NEITHER),
    ("GET", "/delays~a/_doc/~v1/_search", Answer.ALLOWED),
    ("GET", "/delays~a,others,~v1/_search", Answer.DENIED),
    ("PUT", "/delays/_doc/1", Answer.ALLOWED),
    ("POST", "/delays/_doc/", Answer.ALLOWED),
    ("DELETE", "/delays/_doc/1", Answer.NEITHER),
    ("DELETE", "/a,b", Answer.DENIED),
    ("GET", "/DELAYS", Answer.NEITHER),
]


@pytest.mark.parametrize(("method", "path", "expected"), ASKED)
def test_a_request_is_allowed_by_its_method_and_path_unless_that_is_denied(method, path, expected):
    asked = (action(method), f"{DOMAIN}{path}")
    assert answer([READS], *asked) is expected
    assert IAMPolicy(json.dumps(READS)).is_action_permitted(*asked) is MOTO.get(expected, PermissionResult.NEUTRAL)


def test_several_policies_add_up_and_a_denial_of_one_counts():
    allows, denies = policy(("Allow", "es:ESHttpGet", f"{DOMAIN}/*")), policy(("Deny", "es:ESHttpGet", f"{DOMAIN}/b"))
    for path, expected in (("/a", Answer.ALLOWED), ("/b", Answer.DENIED)):
        assert answer([denies, allows], action("GET"), f"{DOMAIN}{path}") is expected
    assert answer([], action("GET"), f"{DOMAIN}/a") is Answer.NEITHER


@pytest.mark.parametrize(("path", "expected"), [("/v1", True), ("/v12", False), ("/v/", True), ("/v", False)])
def test_a_question_mark_is_one_character(path, expected):
    one = policy(("Allow", "es:ESHttpGet", f"{DOMAIN}/v?"))
    assert (answer([one], action("GET"), f"{DOMAIN}{path}") is Answer.ALLOWED) is expected


def test_what_means_something_in_regular_expressions_means_itself():
    one = policy(("Allow", "es:ESHttpGet", f"{DOMAIN}/a.b+(c)"))
    assert answer([one], action("GET"), f"{DOMAIN}/a.b+(c)") is Answer.ALLOWED
    assert answer([one], action("GET"), f"{DOMAIN}/axb+(c)") is Answer.NEITHER


@pytest.mark.parametrize(
    "statement",
    [
        {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {}},
        {"Effect": "Allow", "NotAction": "*", "Resource": "*"},
        {"Effect": "allow", "Action": "*", "Resource": "*"},
        {"Effect": "Allow", "Action": "*", "Resource": "${aws:username}"},
    ],
)
def test_what_it_does_not_know_is_an_error(statement):
    with pytest.raises(ValueError, match="known"):
        answer([{"Version": "2012-10-17", "Statement": [statement]}], action("GET"), DOMAIN)
