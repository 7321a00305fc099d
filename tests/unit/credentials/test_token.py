import copy
import pickle

import pytest

from luigi_sinks.credentials import Token

SECRET = "correct horse battery"


def test_a_token_reveals_its_secret_only_when_asked():
    token = Token(SECRET)
    assert token.reveal() == SECRET
    assert SECRET not in f"{token!r} {token!s} {[token]}"


def test_different_tokens_have_different_fingerprints():
    assert Token(SECRET).fingerprint == Token(SECRET).fingerprint != Token("other").fingerprint


@pytest.mark.parametrize(
    "leak",
    [pickle.dumps, copy.copy, copy.deepcopy, lambda token: f"{token}", lambda token: format(token, ">20")],
    ids=["pickle", "copy", "deepcopy", "f-string", "format"],
)
def test_a_token_refuses_to_be_pickled_copied_or_formatted(leak):
    with pytest.raises(TypeError):
        leak(Token(SECRET))


def test_a_token_has_no_dict():
    assert not hasattr(Token(SECRET), "__dict__")
