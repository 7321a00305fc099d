"""What a use of a token costs that is held already, and a line of the audit: `python benchmarks/credentials.py`."""

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
    """A source whose only token lasts."""

    def scope(self, request: Request) -> Request:
        """Tell all requests apart."""
        return request

    def fetch(self, request: Request) -> Token:
        """Give the token of this host."""
        return Token(f"for {request.host}", TokenInfo(lifetime=3600, max_age=3600))


def main() -> None:
    """Print microseconds a use, the least of five rounds."""

    def open_once(name: str, use: object) -> Source:  # noqa: ARG001
        return Once()

    provider = Provider(open_once)
    show("a held token", lambda: provider.use("db", Token.reveal))
    show("a held token for a host and user", lambda: provider.use("db", Token.reveal, host="h", port=1, user="u"))
    with mounted():
        show("a mounted file, looked at each time", lambda: use("benchmark", Token.reveal))
    with tempfile.TemporaryDirectory() as folder:
        log = Log(Path(folder) / "audit", anchor=Path(folder) / "anchor")
        line = {"action": "exchange", "task_id": "Flights_2013_01_5d41402abc", "principal": "loader", "text": "x" * 200}
        show("a line of the audit, with its anchor", lambda: log.append(line), rounds=10_000)


def show(what: str, call: Callable[[], object], rounds: int = ROUNDS) -> None:
    """Print what one call takes."""
    seconds = min(timeit.repeat(call, number=rounds, repeat=5)) / rounds
    print(f"{what:<40} {seconds * 1e6:6.2f} us")


@contextlib.contextmanager
def mounted() -> Iterator[None]:
    """Configure a credential whose secret lies in a file."""
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_text("secret")
        get_config().read_string(f"[luigi_sinks.credential.benchmark]\nsource = file\npath = {file.name}\n")
        yield


if __name__ == "__main__":
    main()
