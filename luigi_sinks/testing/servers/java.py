"""Which installed JDK fits, and how a server's code is compiled.

Servers here live for minutes, most of which a virtual machine would spend on compiling for
speed that comes too late; so it compiles once, and at once, which halves the processor time
of a start. For measurements the variable `LUIGI_SINKS_SERVERS_JIT` is `full`.
"""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from luigi_sinks.testing.servers.errors import ServersError

INSTALLED = Path("/usr/lib/jvm")
VARIABLE = "LUIGI_SINKS_SERVERS_JIT"
SOON = "-XX:TieredStopAtLevel=1"
RELEASE = re.compile(r'^JAVA_VERSION="(?:1\.)?(\d+)', re.MULTILINE)


def compilation() -> str:
    """Choose the option by which a store's code is compiled. Raises ServersError for another value of the variable."""
    options = {"soon": SOON, "full": "-XX:+TieredCompilation"}
    wanted = os.environ.get(VARIABLE, "soon")
    if wanted not in options:
        raise ServersError(f"{VARIABLE} is {wanted}: it can be {' or '.join(options)}")
    return options[wanted]


def find(lowest: int, highest: int = 99) -> Path | None:
    """Find the home of the first JDK between these major versions, or None."""
    fitting = (home for home in _homes() if lowest <= version(home) <= highest)
    return next(fitting, None)


def version(home: Path) -> int:
    """Read the major version that a JDK says of itself; 0 where no JDK is."""
    try:
        found = RELEASE.search((home / "release").read_text(encoding="utf-8"))
    except OSError:
        return 0
    return int(found[1]) if found and (home / "bin" / "java").exists() else 0


def _homes() -> Iterator[Path]:
    for name in ("ES_JAVA_HOME", "JAVA_HOME"):
        if home := os.environ.get(name):
            yield Path(home)
    yield from sorted(INSTALLED.glob("*"))
    if java := shutil.which("java"):
        yield Path(java).resolve().parent.parent
