"""Measures one use of a cached token, and one line of the audit log: `python benchmarks/credentials.py`."""

import contextlib
import tempfile
import timeit
from collections.abc import Callable, Iterator
from pathlib import Path

from luigi.configuration import get_config

from luigi_sinks.audit.chain import Log
from luigi_sinks.credentials import Request, Source, Token, TokenInfo
from luigi_sinks.credentials.provider import Provider, use

ROUNDS = 200_000


class Once:
    """A source with one token, which does not expire."""

    def scope(self, request: Request) -> Request:
        """Return the request: each one has its own token."""
        return request

    def fetch(self, request: Request) -> Token:
        """Return the token of this host."""
        return Token(f"for {request.host}", TokenInfo(lifetime=3600, max_age=3600))


def main() -> None:
    """Print microseconds per use, the minimum of five rounds."""

    def open_once(name: str, use: object) -> Source:  # noqa: ARG001
        return Once()

    provider = Provider(open_once)
    show("a cached token", lambda: provider.use("db", Token.reveal))
    show("a cached token for a host and user", lambda: provider.use("db", Token.reveal, host="h", port=1, user="u"))
    with mounted():
        show("a mounted file, checked at each use", lambda: use("benchmark", Token.reveal))
    with tempfile.TemporaryDirectory() as folder:
        log = Log(Path(folder) / "audit", anchor=Path(folder) / "anchor")
        line = {"action": "exchange", "task_id": "Flights_2013_01_5d41402abc", "principal": "loader", "text": "x" * 200}
        show("a line of the audit log, with an anchor", lambda: log.append(line), rounds=10_000)


def show(what: str, call: Callable[[], object], rounds: int = ROUNDS) -> None:
    """Print the time of one call."""
    seconds = min(timeit.repeat(call, number=rounds, repeat=5)) / rounds
    print(f"{what:<40} {seconds * 1e6:6.2f} us")


@contextlib.contextmanager
def mounted() -> Iterator[None]:
    """Configure a credential whose secret is in a file."""
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_text("secret")
        get_config().read_string(f"[luigi_sinks.credential.benchmark]\nsource = file\npath = {file.name}\n")
        yield


if __name__ == "__main__":
    main()
