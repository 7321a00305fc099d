"""Which installed JDK fits, and what its virtual machine spends time on.

Servers here live for minutes on few processors, and would spend most of them on compiling
for speed that comes too late. So their code is compiled once, at once, and garbage collected
by one thread, when memory is full: a store that refuses requests while much memory is taken
has to be told that garbage does not count. For measurements the variable
`LUIGI_SINKS_SERVERS_JVM` is `tuned`: then all is as delivered.
"""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from luigi_sinks.testing.servers.errors import ServersError

INSTALLED = Path("/usr/lib/jvm")
VARIABLE = "LUIGI_SINKS_SERVERS_JVM"
BRIEF = ("-XX:TieredStopAtLevel=1", "-XX:-UseG1GC", "-XX:+UseSerialGC")
RELEASE = re.compile(r'^JAVA_VERSION="(?:1\.)?(\d+)', re.MULTILINE)


def options() -> tuple[str, ...]:
    """Choose a store's options. Raises ServersError for another value of the variable."""
    known = {"brief": BRIEF, "tuned": ()}
    wanted = os.environ.get(VARIABLE, "brief")
    if wanted not in known:
        raise ServersError(f"{VARIABLE} is {wanted}: it can be {' or '.join(known)}")
    return known[wanted]


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
