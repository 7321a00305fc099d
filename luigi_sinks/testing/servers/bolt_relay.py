"""Lets clients into Neo4j by tokens of an identity provider: relays Bolt, and rewrites how it is logged in.

    python -m luigi_sinks.testing.servers.bolt_relay CONFIG

The client's bearer token is verified as Neo4j Enterprise would, and the server behind
is logged in to with a password that nobody else knows; any other login is refused. Once
the token has ended, nothing new is begun on the connection.
"""

import asyncio
import contextlib
import logging
import ssl
import sys
import time
from pathlib import Path

import jwt
import msgspec

from luigi_sinks.testing.servers import bolt

log = logging.getLogger(__name__)

HELLO, GOODBYE, RESET, RUN, BEGIN, LOGON = 0x01, 0x02, 0x0F, 0x10, 0x11, 0x6A
RECORD, IGNORED, FAILURE = 0x71, 0x7E, 0x7F
END = bytes(2)
MANIFEST = b"\x00\x00\x01\xff"
MORE = 0x80
BUFFER = 1 << 20
SKEW = 1.0
"""Seconds by which the identity provider's clock may differ from ours."""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Where to listen, which server stands behind, and whose tokens are good.

    `keys` is the address of the issuer's key set. With `client_ca` it is an
    identity-aware proxy: whoever has a certificate of that authority needs no token.
    With `session_seconds` every connection is cut after that time, as proxies do.
    """

    host: str
    port: int
    server_port: int
    ca: str
    certificate: str
    key: str
    user: str
    password_file: str
    issuer: str
    audience: str
    keys: str
    client_ca: str = ""
    session_seconds: float | None = None


class Refused(Exception):
    """The login is not taken: a status code of Neo4j's, and why."""

    def __init__(self, title: str, reason: str) -> None:
        super().__init__(title, reason)
        self.message = bolt.message(FAILURE, bolt.packed(_failure(f"Neo.ClientError.Security.{title}", reason)))


def _failure(code: str, reason: str) -> dict[str, str]:
    """Say what is wrong as Bolt does before 5.7 (`code`) and from then on."""
    return {"code": code, "neo4j_code": code, "message": reason, "gql_status": "42NFF", "description": reason}


class Verifier:
    """Tells whether a token is good, and until when."""

    def __init__(self, config: Config, trusted: ssl.SSLContext) -> None:
        self._config = config
        # Asked each time: what is cached may lack a key that was rotated in.
        self._keys = jwt.PyJWKClient(config.keys, cache_jwk_set=False, ssl_context=trusted, timeout=5)

    def end_of(self, token: str) -> float:
        """Return the time at which the token ends, in seconds since 1970. Raises Refused."""
        try:
            claims = jwt.decode(
                token,
                self._keys.get_signing_key_from_jwt(token),
                algorithms=["RS256"],
                issuer=self._config.issuer,
                audience=self._config.audience,
                leeway=SKEW,
                options={"require": ["exp"]},
            )
        except jwt.ExpiredSignatureError:
            raise Refused("TokenExpired", "The token expired.") from None
        except jwt.PyJWKClientConnectionError:
            raise Refused("AuthProviderFailed", "The identity provider does not answer.") from None
        except jwt.PyJWTError as error:
            raise Refused("Unauthorized", f"The client is unauthorized ({type(error).__name__}).") from None
        return float(claims["exp"])


class Answers:
    """Counts the answers that are complete in what the server sends."""

    def __init__(self) -> None:
        self._left = b""
        self._tag: int | None = None

    def complete_in(self, data: bytes) -> int:
        """Take the next bytes; return how many answers end in them. Records are no ends."""
        data = self._left + data
        at, complete = 0, 0
        while at + 2 <= len(data) and (end := at + 2 + (data[at] << 8 | data[at + 1])) <= len(data):
            if end == at + 2:
                complete += self._tag not in {None, RECORD}
                self._tag = None
            elif self._tag is None:
                self._tag = data[at + 3]
            at = end
        self._left = data[at:]
        return complete


class Connection:
    """A client's connection, and the one to the server that stands for it."""

    def __init__(self, gate: "Gate", client: "Peer", server: "Peer") -> None:
        self._gate = gate
        self._client = client
        self._server = server
        self._token_ends = 0.0
        self._failed = False
        self._unanswered = 0
        self._answered = asyncio.Condition()

    async def relay(self) -> None:
        """Relay until either side, or the time of a session, ends."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            async with asyncio.timeout(self._gate.config.session_seconds):
                await self._handshake()
                both = [asyncio.create_task(self._ask()), asyncio.create_task(self._answer())]
                try:
                    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for task in both:
                        task.cancel()
                    await asyncio.gather(*both, return_exceptions=True)

    async def _handshake(self) -> None:
        self._server.write(await self._client.exactly(20))
        agreed = await self._server.exactly(4)
        self._client.write(agreed)
        if agreed == MANIFEST:
            count = await self._varint(self._server, self._client)
            self._client.write(await self._server.exactly(4 * count[0]))
            await self._varint(self._server, self._client)
            self._server.write(await self._client.exactly(4))
            await self._varint(self._client, self._server)

    async def _varint(self, source: "Peer", sink: "Peer") -> bytes:
        number = await source.exactly(1)
        while number[-1] & MORE:
            number += await source.exactly(1)
        sink.write(number)
        return number

    async def _ask(self) -> None:
        while True:
            first = await self._client.chunk()
            if first == END:
                self._server.write(END)
                continue
            tag = first[3]
            if tag in {HELLO, LOGON}:
                await self._log_on(tag, await self._client.rest(first))
            elif self._failed and tag not in {RESET, GOODBYE}:
                await self._client.rest(first)
                await self._say(bolt.message(IGNORED))
            elif tag in {RUN, BEGIN} and time.time() > self._token_ends + SKEW:
                await self._client.rest(first)
                await self._refuse(Refused("TokenExpired", "The token expired."))
            else:
                self._failed = False
                await self._forward(first)

    async def _log_on(self, tag: int, message: bytes) -> None:
        """Have the server logged in to for a good token; up to Bolt 5.0 the greeting brings it."""
        said = bolt.unpacked(bolt.body(message)[2:])
        if "scheme" in said or tag == LOGON:
            try:
                self._token_ends = await self._end_of_token(said)
            except Refused as refusal:
                await self._refuse(refusal)
                raise ConnectionAbortedError from None  # as Neo4j does
            message = bolt.message(tag, bolt.packed({**said, **self._gate.login}))
        self._unanswered += 1
        self._server.write(message)

    async def _end_of_token(self, said: dict[str, object]) -> float:
        if said.get("scheme") == "none" and self._gate.config.client_ca:
            return float("inf")
        if said.get("scheme") != "bearer":
            raise Refused("Unauthorized", "This server is logged in to by bearer tokens only.")
        return await asyncio.to_thread(self._gate.verifier.end_of, str(said.get("credentials")))

    async def _forward(self, first: bytes) -> None:
        """Pass a message on piece by piece, as it arrives."""
        self._unanswered += first[3] != GOODBYE
        chunk = first
        while chunk != END:
            self._server.write(chunk)
            await self._server.drain()
            chunk = await self._client.chunk()
        self._server.write(END)

    async def _refuse(self, refusal: Refused) -> None:
        log.warning("refused: %s, %s", *refusal.args)
        self._failed = True
        await self._say(refusal.message)

    async def _say(self, message: bytes) -> None:
        """Answer in the server's stead, when all it was asked before is answered."""
        async with self._answered:
            await self._answered.wait_for(lambda: not self._unanswered)
        self._client.write(message)
        await self._client.drain()

    async def _answer(self) -> None:
        answers = Answers()
        while data := await self._server.some():
            self._client.write(data)
            await self._client.drain()
            async with self._answered:
                self._unanswered -= answers.complete_in(data)
                self._answered.notify_all()


class Peer:
    """One end of a connection, read in the pieces of Bolt."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.exactly = reader.readexactly
        self.write = writer.write
        self.drain = writer.drain
        self.close = writer.close  # when all is sent
        self._reader = reader

    async def some(self) -> bytes:
        """Return what has arrived, or nothing at the end."""
        return await self._reader.read(BUFFER)

    async def chunk(self) -> bytes:
        """Return a piece of a message with its size before it; `END` ends the message."""
        size = await self.exactly(2)
        return size if size == END else size + await self.exactly(int.from_bytes(size))

    async def rest(self, first: bytes) -> bytes:
        """Return the whole message that begins with this piece."""
        chunks = [first]
        while chunks[-1] != END:
            chunks.append(await self.chunk())
        return b"".join(chunks)


class Gate:
    """What all connections share."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._trusted = ssl.create_default_context(cafile=config.ca)
        self.verifier = Verifier(config, self._trusted)
        password = Path(config.password_file).read_text(encoding="utf-8").strip()
        self.login = {"scheme": "basic", "principal": config.user, "credentials": password}

    async def serve(self) -> None:
        """Relay for every client, for ever."""
        shown = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        shown.load_cert_chain(self.config.certificate, self.config.key)
        if self.config.client_ca:
            shown.load_verify_locations(self.config.client_ca)
            shown.verify_mode = ssl.CERT_REQUIRED
        host, port = self.config.host, self.config.port
        server = await asyncio.start_server(self._connected, host, port, ssl=shown, limit=BUFFER)
        await server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = self.config.host, self.config.server_port
        client = Peer(reader, writer)
        try:
            server = Peer(*await asyncio.open_connection(host, port, ssl=self._trusted, limit=BUFFER))
        except OSError as error:
            log.warning("the server does not answer: %s", error)
        else:
            await Connection(self, client, server).relay()
            server.close()
        client.close()


if __name__ == "__main__":
    logging.basicConfig(format="%(asctime)s %(message)s")
    asyncio.run(Gate(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Config)).serve())
