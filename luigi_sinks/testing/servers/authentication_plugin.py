"""MariaDB's part in logging in by tokens of AWS: a plugin, named like Amazon's, that is compiled where it is used."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from luigi_sinks.testing.servers.needs import Need
from luigi_sinks.testing.servers.server import Place

SOURCE = Path(__file__).with_suffix(".c")
HEADERS = (Path("/usr/include/mariadb/server"), Path("/usr/include/mysql/server"))
FILE = "authentication_plugin.so"


def missing() -> Sequence[Need]:
    """Ask for the compiler and the server's headers, with which come those of the C library."""
    what = "MariaDB's logins by tokens of AWS"
    lacking = {"gcc": shutil.which("gcc") is None, "libmariadbd-dev": _headers() is None}
    return [Need(what, (package,)) for package, is_lacking in lacking.items() if is_lacking]


def shared_object(place: Place) -> Path:
    """Say where the plugin of a server is, compiled or not."""
    return place.folder / "plugins" / FILE


def compile_for(place: Place) -> None:
    """Compile the plugin, unless it is newer than its source or cannot be compiled here."""
    made, headers = shared_object(place), _headers()
    if missing() or (made.exists() and made.stat().st_mtime >= SOURCE.stat().st_mtime):
        return
    place.account.make_folder(made.parent)
    words = ("-shared", "-fPIC", "-O2", "-DMYSQL_DYNAMIC_PLUGIN", f"-I{headers}", "-x", "c", "-", "-o", made)
    # The servers' account may not read this package, so the source goes through a pipe.
    place.account.run(str(shutil.which("gcc")), *words, stdin=SOURCE.read_text(encoding="utf-8"))


def _headers() -> Path | None:
    return next((folder for folder in HEADERS if (folder / "mysql" / "plugin_auth.h").is_file()), None)
