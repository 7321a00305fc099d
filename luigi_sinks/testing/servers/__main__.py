# ruff: noqa: T201 - printing is what it is for
"""`python -m luigi_sinks.testing.servers up|install|down|status|env|config`."""

import argparse
import logging
import sys
from collections.abc import Sequence

from luigi_sinks.testing import servers
from luigi_sinks.testing.servers.errors import ServersError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 1 when it failed or a server is not well."""
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)
    chosen = _parser().parse_args(arguments)
    try:
        return int(chosen.run(chosen) or 0)
    except KeyboardInterrupt:
        return 130
    except ServersError as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m luigi_sinks.testing.servers",
        description="Real servers for tests, on this machine's loopback address.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="start servers; does nothing for those that run")
    _add_names(up)
    up.set_defaults(run=_up)
    install = commands.add_parser("install", help="install by apt what servers need")
    _add_names(install)
    install.set_defaults(run=lambda chosen: servers.install(_names(chosen)))
    down = commands.add_parser("down", help="end the servers; their data is kept")
    down.add_argument("--purge", action="store_true", help="remove all data and secrets too")
    down.set_defaults(run=lambda chosen: servers.down(purge=chosen.purge))
    status = commands.add_parser("status", help="say what each server is doing")
    status.set_defaults(run=_status)
    env = commands.add_parser("env", help="print NAME=value lines for any program")
    env.set_defaults(run=_env)
    config = commands.add_parser("config", help="print a luigi.cfg")
    config.add_argument("--passwordless", action="store_true", help="by which the stores are logged in to by tokens")
    config.set_defaults(run=_config)
    return parser


def _add_names(command: argparse.ArgumentParser) -> None:
    command.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(servers.EVERY)}")
    command.add_argument("--passwordless", action="store_true", help="and what logging in by tokens takes")


def _names(chosen: argparse.Namespace) -> Sequence[str]:
    return [*chosen.names, *(servers.PASSWORDLESS if chosen.passwordless else ())] or servers.ALL


def _up(chosen: argparse.Namespace) -> None:
    for each in servers.up(_names(chosen)):
        print(each)


def _status(_: argparse.Namespace) -> int:
    well = {servers.Condition.UP, servers.Condition.DOWN}
    found = servers.status()
    for each in found:
        print(each)
        if each.condition not in well:
            print(*(f"  {line}" for line in servers.last_log_lines(each.name)), sep="\n")
    return int(any(each.condition not in well for each in found))


def _env(_: argparse.Namespace) -> None:
    for name, value in servers.env().items():
        print(f"{name}={value}")


def _config(chosen: argparse.Namespace) -> None:
    if chosen.passwordless:
        servers.require_tokens()
        print(servers.passwordless_config(), end="")
    else:
        print(servers.config(), end="")


if __name__ == "__main__":
    sys.exit(main())
