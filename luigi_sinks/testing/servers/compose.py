# ruff: noqa: S603, S607 - the commands are ours, and no shell reads them
"""The servers as containers, where a Docker engine answers.

The state folder holds the same secrets, certificates and ports as for processes, and the
containers mount them. Validated with `docker compose config`, but not yet run on an
engine: this was written where there is none.
"""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from luigi_sinks.testing.servers.errors import StartFailed
from luigi_sinks.testing.servers.server import Server
from luigi_sinks.testing.servers.state import State, choose_ports, make_passwords
from luigi_sinks.testing.servers.status import Condition

# The top of the checkout; an installed package has none, and starts processes.
FILE = Path(__file__).parents[3] / "docker-compose.test.yml"
VARIABLES = "compose.env"
CONDITIONS = {"running": Condition.SILENT, "exited": Condition.DEAD, "dead": Condition.DEAD}


def available() -> bool:
    """Whether an engine and the compose plugin answer, and the compose file is there."""
    return (
        shutil.which("docker") is not None
        and FILE.exists()
        and all(_succeeds("docker", *words) for words in (["info"], ["compose", "version"]))
    )


def up(servers: Sequence[Server], state: State) -> None:
    """Start the containers and wait until each is healthy; raises StartFailed."""
    idle = [server for server in servers if condition(server, state) is not Condition.UP]
    names = [server.name for server in idle]
    if not names:
        return
    write_variables(idle, state)
    done = _compose(state, "up", "--detach", "--wait", *names)
    if done.returncode:
        message = f"docker compose could not start {', '.join(names)}:\n{done.stderr[-2000:]}"
        raise StartFailed(message)


def down(servers: Sequence[Server], state: State) -> None:
    """Remove the containers; their data stays in the state folder."""
    if not (state.root / VARIABLES).exists():
        return
    done = _compose(state, "rm", "--stop", "--force", *(server.name for server in servers))
    if done.returncode:
        message = f"docker compose could not end the servers:\n{done.stderr[-2000:]}"
        raise StartFailed(message)


def condition(server: Server, state: State) -> Condition:
    """Ask the engine about a container."""
    if not (state.root / VARIABLES).exists():
        return Condition.DOWN
    told = _compose(state, "ps", "--all", "--format", "json", server.name).stdout.split("\n")
    containers = [json.loads(line) for line in told if line.startswith("{")]
    if not containers:
        return Condition.DOWN
    if containers[0].get("Health") == "healthy":
        return Condition.UP
    return CONDITIONS.get(containers[0]["State"], Condition.SILENT)


def last_log_lines(server: Server, state: State, count: int) -> list[str]:
    """Return the end of what a container wrote."""
    told = _compose(state, "logs", "--no-log-prefix", "--tail", str(count), server.name)
    return told.stdout.splitlines()


def write_variables(servers: Sequence[Server], state: State) -> Path:
    """Make what the containers mount, and write the variables of the compose file."""
    names = [server.name for server in servers]
    make_passwords(state, names)
    choose_ports(state, names)
    for server in servers:
        state.account.make_folder(state.folder(server.name))
        server.prepare_container(state.place(server))
    variables = {
        "COMPOSE_PROJECT_NAME": f"luigi-sinks-{hashlib.sha256(bytes(state.root)).hexdigest()[:8]}",
        "LUIGI_SINKS_STATE": str(state.root),
        "LUIGI_SINKS_UID": str(state.account.uid),
        **{f"LUIGI_SINKS_{name.upper()}_PORT": str(port) for name, port in state.ports.items()},
    }
    lines = (f"{name}={value}\n" for name, value in variables.items())
    state.account.write(state.root / VARIABLES, "".join(lines))
    return state.root / VARIABLES


def _compose(state: State, *words: str) -> subprocess.CompletedProcess[str]:
    where = ("--file", str(FILE), "--env-file", str(state.root / VARIABLES))
    return subprocess.run(["docker", "compose", *where, *words], capture_output=True, text=True, check=False)


def _succeeds(*argv: str) -> bool:
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0
