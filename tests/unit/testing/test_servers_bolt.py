from pathlib import Path

import pytest

from luigi_sinks.testing.servers import bolt
from luigi_sinks.testing.servers.bolt import Login

SUCCESS = bytes.fromhex("0003b170a00000")
RECORD = bytes.fromhex("0004b17191010000")
FAILURE = bytes.fromhex("0003b17fa00000")
LOGIN = Login("neo4j", "hidden")


class Peer:
    """A server that says what it was told to, however little is asked for at a time."""

    def __init__(self, *answers):
        self.left = b"".join(answers)
        self.heard = b""

    def sendall(self, data):
        self.heard += data

    def recv(self, _count):
        said, self.left = self.left[:1], self.left[1:]
        return said


def test_a_greeting_a_query_and_its_row_are_an_answer():
    assert bolt._query_succeeds(Peer(bolt.VERSION, SUCCESS, SUCCESS, RECORD, SUCCESS), LOGIN, "neo4j")


def test_a_refused_password_is_no_answer():
    assert not bolt._query_succeeds(Peer(bolt.VERSION, FAILURE), LOGIN, "neo4j")


def test_a_database_that_is_not_there_yet_is_no_answer():
    assert not bolt._query_succeeds(Peer(bolt.VERSION, SUCCESS, FAILURE), LOGIN, "neo4j")


def test_a_server_of_another_version_is_no_answer():
    assert not bolt._query_succeeds(Peer(bytes(4)), LOGIN, "neo4j")


def test_a_keep_alive_between_answers_is_passed_over():
    assert bolt._query_succeeds(Peer(bolt.VERSION, bytes(2), SUCCESS, SUCCESS, SUCCESS), LOGIN, "neo4j")


def test_a_server_that_hangs_up_is_an_error_of_the_connection():
    with pytest.raises(ConnectionError):
        bolt._query_succeeds(Peer(bolt.VERSION, SUCCESS[:3]), LOGIN, "neo4j")


def test_a_closed_port_is_no_answer(tmp_path):
    ca = tmp_path / "ca.pem"
    ca.write_text(Path(bolt.ssl.get_default_verify_paths().openssl_cafile).read_text())
    assert not bolt.answers(("127.0.0.1", 1), ca, LOGIN, "neo4j")


def test_the_password_is_not_shown():
    assert "hidden" not in repr(LOGIN)
