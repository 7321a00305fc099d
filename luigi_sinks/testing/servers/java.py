"""Which installed JDK fits."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

INSTALLED = Path("/usr/lib/jvm")
RELEASE = re.compile(r'^JAVA_VERSION="(?:1\.)?(\d+)', re.MULTILINE)


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
