"""The command `luigi-sinks`. Needs the extra `cli`."""

from __future__ import annotations

import sys

from luigi_sinks.errors import NotInstalled


def main() -> None:
    """Run the command."""
    try:
        from luigi_sinks.cli import console  # noqa: F401, PLC0415 - its libraries may be missing
        from luigi_sinks.cli.app import app  # noqa: PLC0415 - as above
    except NotInstalled as missing:
        print(missing, file=sys.stderr)  # noqa: T201 - there is no console without the extra
        sys.exit(2)
    app(prog_name="luigi-sinks")
