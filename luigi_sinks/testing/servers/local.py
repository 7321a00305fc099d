"""The servers as processes of this machine."""

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from luigi_sinks.testing.servers import download, needs, process
from luigi_sinks.testing.servers.errors import ServersError, StartFailed
from luigi_sinks.testing.servers.needs import Need
from luigi_sinks.testing.servers.progress import fetch_all
from luigi_sinks.testing.servers.server import Place, Server
from luigi_sinks.testing.servers.state import State, choose_ports, make_passwords
from luigi_sinks.testing.servers.status import Condition
from luigi_sinks.testing.servers.versions import Download

log = logging.getLogger(__name__)

PAUSE = 0.1
PATIENCE_TO_END = 60
LINES = 20


def up(servers: Sequence[Server], state: State) -> None:
    """Start what is not running, all at once, and wait until each of them answers.

    Raises NotReady with all that must be installed first, or StartFailed.
    """
    stopped = [server for server in servers if not _runs(server, state)]
    _provide(stopped)
    names = [server.name for server in stopped]
    make_passwords(state, names)
    choose_ports(state, names)
    together(lambda server: _bring_up(server, state), servers)


def down(servers: Sequence[Server], state: State) -> None:
    """End the processes that were started here, all at once."""
    together(lambda server: _stop(state.place(server)), _ever_started(servers, state))


def condition(server: Server, state: State) -> Condition:
    """Find out what a server is doing, by asking it."""
    if server.name not in state.ports or not state.place(server).pid_file.exists():
        return Condition.DOWN
    if not _runs(server, state):
        return Condition.DEAD
    return Condition.UP if server.answers(state.place(server)) else Condition.SILENT


def last_log_lines(server: Server, state: State, count: int) -> list[str]:
    """Return the end of what a server wrote."""
    return tail(state.place(server).log, count) if server.name in state.ports else []


def tail(path: Path, count: int) -> list[str]:
    """Read the last lines of a file; none where there is no file."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return [line.rstrip("\n") for line in deque(file, maxlen=count)]
    except FileNotFoundError:
        return []


def together(action: Callable[[Server], None], servers: Sequence[Server]) -> None:
    """Do it for all servers at the same time; whatever fails, fails when all are done."""
    with ThreadPoolExecutor(max_workers=max(1, len(servers))) as pool:
        attempts = [pool.submit(action, server) for server in servers]
    failures = [failure for attempt in attempts if (failure := attempt.exception())]
    if foreign := [failure for failure in failures if not isinstance(failure, ServersError)]:
        raise foreign[0]
    if failures:
        raise StartFailed("\n\n".join(map(str, failures)))


def _ever_started(servers: Sequence[Server], state: State) -> list[Server]:
    return [server for server in servers if server.name in state.ports]


def _runs(server: Server, state: State) -> bool:
    known = server.name in state.ports and process.load(state.place(server).pid_file)
    return bool(known and known.alive)


def missing(servers: Sequence[Server]) -> list[Need]:
    """List what must be installed before these servers can start."""
    cache = download.cache_root()
    needed = [need for server in servers for need in server.missing()]
    return needed + [need for each in _downloads(servers) for need in download.missing(each, cache)]


def _provide(servers: Sequence[Server]) -> None:
    """Name everything that is missing, and bring what can be downloaded."""
    needs.refuse(missing(servers))
    fetch_all(_downloads(servers), download.cache_root())


def _downloads(servers: Sequence[Server]) -> list[Download]:
    return [server.download for server in servers if server.download]


def _bring_up(server: Server, state: State) -> None:
    at = state.place(server)
    if not _runs(server, state):
        _start(server, at)
    _await(server, at)


def _start(server: Server, at: Place) -> None:
    if at.pid_file.exists():
        log.warning("%s had died:\n%s", server.name, _end_of(at.log))
    log.info("starting %s on port %s", server.name, at.port)
    at.account.make_folder(at.folder)
    server.prepare(at)
    command = server.command(at)
    started = process.start(command, command.account or at.account, folder=at.folder, log=at.log)
    process.save(started, at.pid_file)


def _await(server: Server, at: Place) -> None:
    deadline = time.monotonic() + server.patience
    while not server.answers(at):
        _refuse_the_dead(server, at)
        if time.monotonic() > deadline:
            message = f"{server.name} did not answer in {server.patience} s:\n{_end_of(at.log)}"
            raise StartFailed(message)
        time.sleep(PAUSE)


def _refuse_the_dead(server: Server, at: Place) -> None:
    started = process.load(at.pid_file)
    if not (started and started.alive):
        message = f"{server.name} died while it was started:\n{_end_of(at.log)}"
        raise StartFailed(message)


def _stop(at: Place) -> None:
    if started := process.load(at.pid_file):
        started.stop(PATIENCE_TO_END)
    at.pid_file.unlink(missing_ok=True)


def _end_of(path: Path) -> str:
    return "\n".join(f"  {line}" for line in [f"{path} ends:", *tail(path, LINES)])
