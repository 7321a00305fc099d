"""Which installed Java fits, and what its virtual machine spends time on.

Servers here live for minutes on few processors, and would spend most of them on compiling
for speed that comes too late. So their code is compiled once, at once, and garbage collected
by one thread, when memory is full: a store that refuses requests while much memory is taken
has to be told that garbage does not count. For measurements the variable
`LUIGI_SINKS_SERVERS_JVM` is `tuned`: then all is as delivered.
"""

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from luigi_sinks.testing.servers.errors import ServersError
from luigi_sinks.testing.servers.needs import Need
from luigi_sinks.testing.servers.server import Place

INSTALLED = Path("/usr/lib/jvm")
VARIABLE = "LUIGI_SINKS_SERVERS_JVM"
BRIEF = ("-XX:TieredStopAtLevel=1", "-XX:-UseG1GC", "-XX:+UseSerialGC")
SUPPORTED = (21, 25, 17)
"""Versions that Debian and Ubuntu have packages of, the first choice first."""

RELEASE = re.compile(r'^JAVA_VERSION="(?:1\.)?(\d+)', re.MULTILINE)


def options() -> tuple[str, ...]:
    """Choose a store's options. Raises ServersError for another value of the variable."""
    known = {"brief": BRIEF, "tuned": ()}
    wanted = os.environ.get(VARIABLE, "brief")
    if wanted not in known:
        raise ServersError(f"{VARIABLE} is {wanted}: it can be {' or '.join(known)}")
    return known[wanted]


def classes(place: Place) -> Path:
    """Name the folder beside the downloads where archives of classes are kept; it is the servers' account's."""
    return place.home.parent / "classes"


def archive(place: Place) -> tuple[str, ...]:
    """Choose to load a server's classes from an archive: then it starts in two thirds of the time.

    The virtual machine writes it when it first ends, and again when the program or the JDK is another.
    Those before 19 do without (https://openjdk.org/jeps/350, https://bugs.openjdk.org/browse/JDK-8261455).
    """
    file = classes(place) / f"{place.home.name}.jsa"
    return ("-XX:+IgnoreUnrecognizedVMOptions", "-XX:+AutoCreateSharedArchive", f"-XX:SharedArchiveFile={file}")


def find(lowest: int, highest: int = 99) -> Path | None:
    """Find the home of a JDK between these major versions, or None: one that is named, or the newest."""
    fitting = (home for home in _homes() if lowest <= version(home) <= highest)
    return next(fitting, None)


def missing(program: str, lowest: int, highest: int = 99) -> Sequence[Need]:
    """Ask for a Java between these major versions, unless one is installed."""
    if find(lowest, highest):
        return []
    versions = f"version {lowest} or later" if highest == 99 else f"version {lowest} to {highest}"  # noqa: PLR2004
    packages = (f"openjdk-{each}-jre-headless" for each in SUPPORTED if lowest <= each <= highest)
    otherwise = f"unpack a JDK below {INSTALLED}, or name one in JAVA_HOME"
    return [Need(f"Java of {versions}, for {program}", tuple(packages), otherwise)]


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
    yield from sorted(INSTALLED.glob("*"), key=version, reverse=True)
    if java := shutil.which("java"):
        yield Path(java).resolve().parent.parent
