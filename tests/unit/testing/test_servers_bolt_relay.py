import pytest
from hypothesis import given
from hypothesis import strategies as st

from luigi_sinks.testing.servers import bolt
from luigi_sinks.testing.servers.bolt_relay import RECORD, Answers

TEXTS = st.recursive(
    st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=30
)
MESSAGES = st.lists(st.tuples(st.sampled_from([RECORD, 0x70, 0x7E, 0x7F]), st.binary(max_size=40)))


@given(TEXTS)
def test_what_is_packed_is_unpacked(value):
    assert bolt.unpacked(bolt.packed(value)) == value


@pytest.mark.parametrize("size", [0, 15, 16, 255, 256, 65_535, 65_536])
def test_texts_of_every_size_are_packed(size):
    assert bolt.unpacked(bolt.packed({"credentials": "x" * size})) == {"credentials": "x" * size}


@pytest.mark.parametrize("data", [b"\x01", b"\xc1" + bytes(8), b"\xc0\xc0"])
def test_what_no_login_holds_is_refused(data):
    with pytest.raises(ValueError, match=r"marker|more than one"):
        bolt.unpacked(data)


@pytest.mark.parametrize("size", [0, 65_533, 65_534, 200_000])
def test_a_message_of_any_size_is_framed_and_found_again(size):
    assert bolt.body(bolt.message(0x6A, bytes(size))) == bytes([0xB1, 0x6A]) + bytes(size)


@given(MESSAGES, st.integers(1, 50))
def test_answers_are_counted_however_their_bytes_arrive(messages, piece):
    """Between messages lie signs of life, which are no messages."""
    sent = b"".join(bytes(2) + bolt.message(tag, content) for tag, content in messages)
    answers = Answers()
    counts = [answers.complete_in(sent[at : at + piece]) for at in range(0, len(sent), piece)]
    assert sum(counts) == sum(tag != RECORD for tag, _ in messages)


def test_an_answer_counts_when_its_end_has_arrived():
    answers, answer = Answers(), bolt.message(0x70, b"\xa0")
    assert [answers.complete_in(answer[:-1]), answers.complete_in(answer[-1:])] == [0, 1]
