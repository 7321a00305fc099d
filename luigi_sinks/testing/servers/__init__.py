"""Real servers for tests and for the demonstration: MariaDB, Elasticsearch and Neo4j.

`python -m luigi_sinks.testing.servers up` starts them with generated passwords and a
certificate authority of their own, on free ports of this machine's loopback address, as
containers where a Docker engine answers and else as plain processes. They outlive the
command; `down` ends them and keeps their data, `down --purge` removes it too.

What is no store is started when it is asked for by name, as in `up keycloak`; `up` with
the names of `PASSWORDLESS` starts what logging in by tokens takes. Needs the extra `servers`.
"""

import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Protocol

from luigi_sinks.errors import NotInstalled

# Here, for whatever module of this folder is imported, this one is before it.
if absent := [name for name in ("cryptography", "jwt", "platformdirs", "rich", "trustme") if find_spec(name) is None]:
    missing = NotInstalled("servers", f"the local servers need {', '.join(absent)}")
    if sys.argv[0] == "-m":  # Python looks for the module to run, and would print a traceback
        sys.exit(str(missing))
    raise missing

from luigi_sinks.testing.servers import compose, local, needs
from luigi_sinks.testing.servers import state as states
from luigi_sinks.testing.servers.aws import SERVER as AWS
from luigi_sinks.testing.servers.bolt_gate import SERVER as BOLT_GATE
from luigi_sinks.testing.servers.elasticsearch import SERVER as ELASTICSEARCH
from luigi_sinks.testing.servers.errors import NotRunning, ServersError
from luigi_sinks.testing.servers.keycloak import SERVER as KEYCLOAK
from luigi_sinks.testing.servers.mariadb import SERVER as MARIADB
from luigi_sinks.testing.servers.neo4j import SERVER as NEO4J
from luigi_sinks.testing.servers.opensearch import SERVER as OPENSEARCH
from luigi_sinks.testing.servers.server import Place, Server
from luigi_sinks.testing.servers.settings import (
    as_configuration,
    as_environment,
    as_passwordless_configuration,
)
from luigi_sinks.testing.servers.signature_gate import SERVER as SIGNATURE_GATE
from luigi_sinks.testing.servers.state import State
from luigi_sinks.testing.servers.status import Condition, Status
from luigi_sinks.testing.servers.versions import IMAGES

__all__ = [
    "ALL",
    "PASSWORDLESS",
    "Condition",
    "ServersError",
    "Status",
    "config",
    "down",
    "env",
    "install",
    "last_log_lines",
    "passwordless_config",
    "require_tokens",
    "status",
    "up",
]

SERVERS = {server.name: server for server in (MARIADB, ELASTICSEARCH, NEO4J)}
ALL = tuple(SERVERS)
"""What is started when nobody says what: the stores."""

EVERY = {**SERVERS, **{server.name: server for server in (KEYCLOAK, BOLT_GATE, AWS, OPENSEARCH, SIGNATURE_GATE)}}
"""What can be started by name."""

TOKENS = (KEYCLOAK.name, BOLT_GATE.name, AWS.name)
"""What gives tokens to programs, and takes them for the stores that cannot."""

PASSWORDLESS = (*ALL, *TOKENS)
"""What logging in to the stores by tokens takes."""


class Way(Protocol):
    """How servers are run: `local` or `compose`."""

    def up(self, servers: Sequence[Server], state: State) -> None: ...
    def down(self, servers: Sequence[Server], state: State) -> None: ...
    def condition(self, server: Server, state: State) -> Condition: ...
    def last_log_lines(self, server: Server, state: State, count: int) -> list[str]: ...


def up(names: Sequence[str] = ALL) -> list[Status]:
    """Start these servers unless they run already; return when each has answered.

    Raises NotReady with all that must be installed first, or StartFailed with the last
    lines of the log of a server that did not start.
    """
    servers = _chosen(names)
    with states.opened() as state:
        if state.way is None:
            state.remember(way=_first_way())
        # All at once: servers are told of each other before they start.
        states.choose_ports(state, [name for name in EVERY if name not in state.ports])
        states.make_passwords(state, list(EVERY))
        for way, its in _by_way(servers, state):
            way.up(its, state)
        return [Status(server.name, Condition.UP, state.address(server)) for server in servers]


def install(names: Sequence[str] = ALL) -> None:
    """Install by apt what these servers need and this machine lacks, as far as apt has it.

    Raises NotReady when apt fails; what apt does not have, `up` names.
    """
    needs.install(local.missing(_processes(_chosen(names))))


def down(*, purge: bool = False) -> None:
    """End all servers that `up` started; with `purge` remove their data and secrets too."""
    with states.found() as state:
        if state:
            for way, its in _by_way(list(EVERY.values()), state):
                way.down(its, state)
            if purge:
                states.purge(state)


def status() -> list[Status]:
    """Say what every store is doing, and what else was ever started, each of them asked."""
    state = states.find()
    if state is None:
        return [Status(name, Condition.DOWN, None) for name in ALL]
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda server: _status_of(server, state), _known(state)))


def env() -> dict[str, str]:
    """Tell any program how to reach the servers that are up, as variables.

    Raises NotRunning when none is up, or when one has died.
    """
    return as_environment(_places())


def config() -> str:
    """Write a luigi.cfg for the servers that are up. Raises NotRunning as `env` does."""
    return as_configuration(_places())


def passwordless_config() -> str:
    """Write a luigi.cfg by which the stores are logged in to by tokens. Raises NotRunning as `env` does."""
    return as_passwordless_configuration(_places())


def require_tokens() -> None:
    """Raise NotRunning as `env` does, or when some of `TOKENS` are not up."""
    found = {server.name for server in _places()}
    if missing := [name for name in TOKENS if name not in found]:
        *others, last = missing
        named = f"{', '.join(others)} and {last} are" if others else f"{last} is"
        raise NotRunning(f"{named} not up: start {'them' if others else 'it'} with up --passwordless")


def last_log_lines(name: str, count: int = local.LINES) -> list[str]:
    """Return the end of what a server wrote, or nothing if it was never started."""
    state = states.find()
    (server,) = _chosen([name])
    return _way(server, state).last_log_lines(server, state, count) if state else []


def _chosen(names: Sequence[str]) -> list[Server]:
    if unknown := set(names) - set(EVERY):
        message = f"there is no server {', '.join(sorted(unknown))}: there are {', '.join(EVERY)}"
        raise ServersError(message)
    return [EVERY[name] for name in dict.fromkeys(names)]


def _known(state: State) -> list[Server]:
    return [server for name, server in EVERY.items() if name in ALL or state.folder(name).exists()]


def _way(server: Server, state: State) -> Way:
    """Tell how a server is run: what has no image, a program of this installation, is a process in any case."""
    return compose if state.way == "compose" and server.name in IMAGES else local


def _first_way() -> str:
    return "compose" if compose.available() else "processes"


def _processes(servers: Sequence[Server]) -> list[Server]:
    """Choose those that are, or would be, processes of this machine."""
    state = states.find()
    way = (state and state.way) or _first_way()
    return [server for server in servers if way == "processes" or server.name not in IMAGES]


def _by_way(servers: Sequence[Server], state: State) -> Iterator[tuple[Way, list[Server]]]:
    for way in (compose, local):
        if its := [server for server in servers if _way(server, state) is way]:
            yield way, its


def _status_of(server: Server, state: State) -> Status:
    return Status(server.name, _way(server, state).condition(server, state), state.address(server))


def _places() -> dict[Server, Place]:
    """Find the places of all servers that are up; no store may have died."""
    found = {each.name: each.condition for each in status()}
    failed = [name for name in ALL if found[name] in {Condition.DEAD, Condition.SILENT}]
    state = states.find()
    if failed or state is None or Condition.UP not in found.values():
        raise NotRunning("\n".join(map(_obituary, failed)) or "no server is up: start them with up")
    return {EVERY[name]: state.place(EVERY[name]) for name in found if found[name] == "up"}


def _obituary(name: str) -> str:
    return "\n  ".join([f"{name} does not answer; its log ends:", *last_log_lines(name)])
