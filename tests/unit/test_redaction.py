"""No text that leaves the process contains a secret that it holds, in whichever encoding."""

import base64
import hashlib
import html
import json
import logging
import secrets
import time
from urllib.parse import quote, quote_plus, unquote

import pytest

from luigi_sinks import redaction
from luigi_sinks.credentials import Token, TokenInfo
from luigi_sinks.redaction import MARK, redacted, shielded
from tests.secret_search import shown

PASSWORD = f'+/={base64.b64encode(hashlib.sha512(b"one").digest()).decode()}/%+="<&>\\é'


@pytest.fixture(autouse=True)
def holding(monkeypatch):
    """Hold one secret only, until the test ends."""
    monkeypatch.setattr(redaction, "_held", {kind: {} for kind in redaction._held})
    monkeypatch.setattr(redaction, "_index", {})
    redaction.hold(PASSWORD)


def escaped_as_by_net(text):
    return "".join(each if each.isalnum() else f"\\u{ord(each):04X}" for each in text)


ENCODINGS = {
    "as it is": str,
    "URL": lambda text: quote(text, safe=""),
    "URL in lower case": lambda text: quote(text, safe="").lower(),
    "form": quote_plus,
    "URL twice": lambda text: quote(quote(text, safe=""), safe=""),
    "JSON": json.dumps,
    "JSON in JSON": lambda text: json.dumps(json.dumps(text)),
    "JSON of others": escaped_as_by_net,
    "repr": repr,
    "repr of bytes": lambda text: repr(text.encode()),
    "HTML": html.escape,
    "hex": lambda text: text.encode().hex(),
    "upper-case hex": lambda text: text.encode().hex().upper(),
    **{
        f"base64 after {count} characters": lambda text, count=count: base64.b64encode(
            b"u" * count + text.encode()
        ).decode()
        for count in range(3)
    },
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "base64 in lines": lambda text: base64.encodebytes(text.encode()).decode(),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_secret_is_removed_in_any_encoding(encoding):
    safe = redacted(f"refused: {ENCODINGS[encoding](PASSWORD)} is wrong")
    assert MARK in safe
    assert len(safe) < 120, "most of it is gone"
    assert safe.startswith("refused: ")
    assert safe.endswith(" is wrong")


def test_a_secret_that_a_server_cuts_off_is_removed():
    assert redacted(f"the token {PASSWORD[:24]}... is wrong") == f"the token {MARK} is wrong"


@pytest.mark.parametrize("part", ["first line of it", "the second"])
def test_each_line_of_a_secret_is_removed(part):
    redaction.hold("first line of it\nthe second\r\n")
    assert redacted(f"Bearer {part}!") == f"Bearer {MARK}!"


def test_parts_of_a_jwt_are_removed():
    parts = [base64.urlsafe_b64encode(secrets.token_bytes(40)).decode().rstrip("=") for _ in range(3)]
    redaction.hold(".".join(parts))
    assert [redacted(part) for part in parts] == [MARK] * 3


@pytest.mark.parametrize("text", ["", "nothing", "100% sure: \\d+ &amp; more %41", PASSWORD[:9]])
def test_other_texts_stay_as_they_are(text):
    assert redacted(text) == text


def test_what_a_token_says_publicly_stays():
    Token(f"loader at db.example with {PASSWORD}", TokenInfo(audience="loader at db.example"))
    assert redacted(f"db.example refuses {PASSWORD}") == f"db.example refuses {MARK}"


def test_of_keys_in_json_only_the_secret_ones_are_removed_and_not_the_quotes_around_them():
    key, session = secrets.token_urlsafe(30), secrets.token_urlsafe(90)
    keys = {"AccessKeyId": "ASIAEXAMPLEEXAMPLE12", "SecretAccessKey": key, "SessionToken": session}
    Token(json.dumps(keys), TokenInfo(token_id="ASIAEXAMPLEEXAMPLE12"))
    safe = {**keys, "SecretAccessKey": MARK, "SessionToken": MARK}
    assert redacted(json.dumps(keys)) == json.dumps(safe)


def test_of_a_signed_url_only_what_signs_it_is_removed():
    signature, session = secrets.token_hex(32), quote(f"{secrets.token_urlsafe(60)}+/==", safe="")
    redaction.hold(f"db.example:3306/?DBUser=the-loader&X-Amz-Security-Token={session}&X-Amz-Signature={signature}")
    said = "db.example:3306 refuses the-loader and"
    assert redacted(f"{said} {signature}, {session}") == f"{said} {MARK}, {MARK}"
    assert redacted(f"{said} {unquote(session)}") == f"{said} {MARK}"


def test_only_recent_secrets_are_remembered():
    many = [secrets.token_urlsafe(30) for _ in range(200)]
    for secret in many:
        redaction.hold(secret)
        redaction.hold(secrets.token_hex(32), kind="signature")  # which does not displace it
    assert redacted(many[0]) == many[0]
    assert {redacted(secret) for secret in many[-100:]} == {MARK}


def quoting(depth=2):
    """Raise an error that quotes the secret in each of its parts, from frames that have it in a variable."""
    password = PASSWORD  # noqa: F841 - it is to be found in the frame
    if depth:
        try:
            quoting(depth - 1)
        except LookupError as error:
            cause = ValueError(f"cannot use {PASSWORD}", {"header": [PASSWORD.encode()]}, error)
            cause.add_note(f"sent: {PASSWORD}")
            cause.answer = f"you sent {PASSWORD}"
            raise cause from error
    raise LookupError(PASSWORD)


def test_an_error_and_its_causes_lose_their_secrets():
    with pytest.raises(ValueError, match="cannot use") as caught, shielded():
        quoting()
    found = "\n".join(shown(caught.value))
    assert PASSWORD[10:30] not in found
    assert found.count(MARK) > 5


def test_without_the_shield_they_are_found():
    with pytest.raises(ValueError, match="cannot use") as caught:
        quoting()
    assert PASSWORD[10:30] in "\n".join(shown(caught.value))


def test_what_from_none_hides_is_forgotten():
    with pytest.raises(KeyError) as caught, shielded():
        try:
            quoting()
        except ValueError:
            raise KeyError("cannot log in") from None
    assert caught.value.__context__ is None


def test_an_error_that_was_being_handled_before_is_left_alone():
    def of_the_program():
        mine = "kept"  # noqa: F841 - to be found in the frame
        raise OSError("before")

    with pytest.raises(KeyError) as caught:
        try:
            of_the_program()
        except OSError:
            with shielded():
                raise KeyError(PASSWORD)  # noqa: B904 - the context is what is tested
    assert "mine = 'kept'" in "\n".join(shown(caught.value))
    assert caught.value.args == (MARK,)


class Quoting:
    def __str__(self):
        return PASSWORD

    __repr__ = __str__


@pytest.mark.parametrize(
    ("message", "values"),
    [
        (PASSWORD, ()),
        ("sent %s", (PASSWORD,)),
        ("sent %r", (Quoting(),)),
        ("sent %(it)s", ({"it": Quoting()},)),
        ("sent %d", (PASSWORD,)),
    ],
)
def test_log_records_of_any_library_are_redacted(caplog, monkeypatch, message, values):
    monkeypatch.setattr(logging, "_logRecordFactory", logging.LogRecord)
    redaction.watch_logs()
    redaction.watch_logs()
    logging.raiseExceptions, before = False, logging.raiseExceptions
    try:
        logging.getLogger("somebody.else").warning(message, *values)
        logging.getLogger("somebody.else").warning("an ordinary %s", "message")
    finally:
        logging.raiseExceptions = before
    assert PASSWORD[10:30] not in caplog.text
    assert MARK in caplog.records[0].getMessage()
    assert (caplog.records[1].msg, caplog.records[1].args) == ("an ordinary %s", ("message",))


def test_a_logged_error_is_redacted(caplog, monkeypatch):
    monkeypatch.setattr(logging, "_logRecordFactory", logging.LogRecord)
    redaction.watch_logs()
    try:
        quoting()
    except ValueError:
        logging.getLogger("somebody.else").exception("it failed")
    assert MARK in caplog.text
    assert PASSWORD[10:30] not in caplog.text


def test_a_large_text_takes_little_time():
    text = "words of a server, " * 10_000
    started = time.monotonic()
    assert redacted(text) == text
    assert time.monotonic() - started < 10


def test_a_secret_that_is_used_is_removed_however_many_others_there_are():
    token = Token(secrets.token_urlsafe(40))
    unused = secrets.token_urlsafe(40)
    redaction.hold(unused)
    for _ in range(300):
        redaction.hold(secrets.token_urlsafe(20))
        token.reveal()
    assert redacted(f"sent {token.reveal()}") == f"sent {MARK}"
    assert redacted(f"sent {unused}") == f"sent {unused}"


def test_a_secret_that_was_forgotten_is_removed_once_it_is_used_again():
    token = Token(secrets.token_urlsafe(40))
    for _ in range(200):
        redaction.hold(secrets.token_urlsafe(20))
    assert redacted(f"sent {token.reveal()}") == f"sent {MARK}"


def test_a_secret_that_comes_while_another_thread_puts_the_pieces_together_is_removed():
    late = secrets.token_urlsafe(40)

    class Interrupted(dict):
        def items(self):
            redaction.hold(late)
            return super().items()

    redaction._held["token"][0] = Interrupted()
    redaction._make_index()
    assert redacted(f"sent {late}") == f"sent {MARK}"


def test_a_secret_is_held_in_both_indices_if_one_is_replaced_while_it_comes(monkeypatch):
    late, merge = secrets.token_urlsafe(40), redaction._merge

    def merge_and_replace(pieces, index):
        merge(pieces, index)
        if index is redaction._index and not replaced:
            replaced.append(index)
            redaction._index = {}

    replaced = []
    monkeypatch.setattr(redaction, "_merge", merge_and_replace)
    redaction.hold(late)
    assert redacted(f"sent {late}") == f"sent {MARK}"


def test_what_is_said_to_be_public_later_stays():
    token = secrets.token_urlsafe(40)
    redaction.hold(token)
    redaction.hold(token, public=[f"user {token[:30]}"])
    assert redacted(f"as {token[:30]}") == f"as {token[:30]}"
    assert token[20:] not in redacted(f"sent {token}")


def test_a_secret_that_is_held_again_and_again_costs_no_new_index(monkeypatch):
    monkeypatch.setattr(redaction, "_make_index", None)
    for _ in range(3):
        redaction.hold(PASSWORD)
