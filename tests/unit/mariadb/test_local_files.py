"""What a server that is not to be trusted gets of this machine's files."""

import contextlib
import socketserver
import struct
import threading

import pytest

from luigi_sinks import SinkError
from luigi_sinks.mariadb import MariaDBSettings, session

CLIENT = 0x000FA68D | 0x80  # protocol 4.1, LOCAL files, plugins and no TLS
ACCEPTED = b"\x00\x00\x00\x02\x00\x00\x00"


def greeting():
    """Return the first packet of a server, https://mariadb.com/kb/en/connection/#initial-handshake-packet."""
    capabilities = struct.pack("<I", CLIENT & ~0x800)
    scramble = b"12345678", b"123456789012\x00"
    return b"".join(
        [
            b"\x0a5.5.5-10.11.0-MariaDB\x00",
            struct.pack("<I", 1),
            scramble[0],
            b"\x00",
            capabilities[:2],
            b"\x21\x02\x00",
            capabilities[2:],
            b"\x15",
            bytes(10),
            scramble[1],
            b"mysql_native_password\x00",
        ]
    )


class Thief(socketserver.StreamRequestHandler):
    """Lets anybody in, and answers the first statement by a request for a file."""

    timeout = 10

    def handle(self):
        with contextlib.suppress(OSError, EOFError):
            self.send(0, greeting())
            self.receive()
            self.send(2, ACCEPTED)
            self.server.said.append(self.receive())
            self.send(1, b"\xfb" + self.server.wanted)
            while part := self.receive():
                self.server.said.append(part)
            self.send(3, ACCEPTED)

    def send(self, number, payload):
        self.wfile.write(struct.pack("<I", len(payload))[:3] + bytes([number]) + payload)

    def receive(self):
        head = self.rfile.read(4)
        if len(head) < 4:
            raise EOFError
        return self.rfile.read(int.from_bytes(head[:3], "little"))


@pytest.fixture
def thief(tmp_path):
    (tmp_path / "private").write_text("canary of a file")
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Thief) as server:
        server.daemon_threads = False
        server.said, server.wanted = [], str(tmp_path / "private").encode()
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_server_that_asks_for_a_file_instead_of_answering_gets_none(thief, luigi_cfg, tmp_path):
    (tmp_path / "secret").write_text("x")
    luigi_cfg(f"[luigi_sinks.credential.thief]\nsource = file\npath = {tmp_path}/secret\n")
    settings = MariaDBSettings("127.0.0.1", "flights", "loader", "thief", port=thief.server_address[1])
    with contextlib.suppress(SinkError):
        session.open_session(settings).close()
    assert thief.said[0].startswith(b"\x03SET SESSION"), "it came as far as a statement"
    assert b"canary" not in b"".join(thief.said)
