"""What is recorded holds no secret, as far as that can be told."""

import pytest

from luigi_sinks import redaction
from luigi_sinks.recording import masking

HIDDEN = "[redacted]"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("password", "x"),
        ("api_token", "abc"),
        ("url", "mysql://me:pw@host/db"),
        ("text", "password = hunter2"),
        ("header", "Bearer abcdefgh12345"),
        ("jwt", "eyJhbGciOiJ.abc.def"),
        *((name, "x") for name in ("dbpass", "pgpass", "pass_phrase", "creds", "sessionid", "otp", "pin_code", "auth")),
        ("note", "ghp_" + "a1B2" * 9),
        ("hook", "https://hooks.slack.com/services/T0/B0/abc"),
    ],
)
def test_a_parameter_that_looks_like_a_secret_is_masked(name, value):
    assert masking.setting(name, value) == HIDDEN


@pytest.mark.parametrize(
    ("name", "value"),
    [("token_file", "/run/secrets/token"), ("compass", "north"), ("author", "ann"), ("model", "team/model@v2")],
)
def test_an_ordinary_parameter_stays_as_it_is(name, value):
    assert masking.setting(name, value) == value


def test_a_token_that_this_process_holds_is_removed_from_text():
    redaction.hold("a-token-of-many-characters")
    assert masking.text("sent a-token-of-many-characters here") == f"sent {HIDDEN} here"


def test_characters_that_are_not_seen_are_escaped_and_lone_surrogates_too():
    assert masking.text("a\u202eb\ud800c") == "a\\u202eb\\ud800c"


def test_a_long_text_is_cut_and_two_that_differ_at_the_end_stay_different():
    first, second = (masking.text("x" * 5_000 + end) for end in "ab")
    assert len(first) == len(second) < 1_020
    assert first != second
