"""The driver `mariadb`: 2.0 as a wheel, or 1.1 compiled against the system's Connector/C.

`connect` tells both which certificate authorities to trust, and the wheel, which was built on another
system, where this one has the client's plugins. docs/mariadb-driver.md compares the two.
"""

from __future__ import annotations

import logging
import ssl
import sysconfig
from collections.abc import Callable
from functools import cache
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from luigi_sinks.errors import BadSetting, NotInstalled

try:
    import mariadb
except ImportError as missing:
    raise NotInstalled("mariadb", missing) from missing

try:
    from mariadb import SyncCursor as Cursor
except ImportError:  # before 2.0
    from mariadb.cursors import Cursor

__all__ = ["Cursor", "connect", "warn_of_kept_rows"]

_log = logging.getLogger("luigi_sinks")

_KIND = getattr(mariadb, "__impl__", "c")
"""`c` is compiled here, `binary` is the wheel, `python` is 2.0 without either."""

if _KIND == "python":
    raise NotInstalled(
        "mariadb",
        "the driver mariadb 2 runs as pure Python, which connects without TLS even if tls_ca is set: that is refused. "
        "Install the stable driver, or the wheel (extra mariadb-wheel), and unset MARIADB_PYTHON_CONNECTOR",
    )

_KEEPS_ROWS = {"2.0.0rc1", "2.0.0rc2"}
"""Versions of the wheel that never free a value that was read: docs/mariadb-driver.md shows how to see it."""

_CONNECT = 10
"""Seconds to connect, if no option says so: the driver's own default."""

_IS_LOADED = "it is already loaded"
"""What Connector/C says of a plugin that two threads load at the same moment."""

_MANY_ROWS = 100_000

_PLUGINS = (
    f"/usr/lib/{sysconfig.get_config_var('MULTIARCH')}/libmariadb3/plugin",  # Debian, Ubuntu: package libmariadb3
    "/usr/lib64/mariadb/plugin",  # Fedora, Red Hat: package mariadb-connector-c
    "/usr/lib/mariadb/plugin",
)


def connect(**options: Any) -> Any:
    """Return a new connection; the options are those of `mariadb.connect`.

    Raises BadSetting if a certificate is to be verified and this system has no authorities, and
    TimeoutError if the login as a whole takes more than twice the time-out to connect.
    """
    plugins = _plugins() if _KIND == "binary" else {}
    given = {**plugins, **_authorities(options), **options}
    return _within(2 * options.get("connect_timeout", _CONNECT), lambda: _logged_in(given))


def _logged_in(options: dict[str, Any]) -> Any:
    """Return a new connection; try once more if another thread has just loaded the plugin that this one needs."""
    try:
        return mariadb.connect(**options)
    except mariadb.Error as error:
        if _IS_LOADED not in str(error):
            raise
        return mariadb.connect(**options)


def _within(seconds: float, connect: Callable[[], Any]) -> Any:
    """Return a new connection. The driver's time-outs are for one read: a server may send a byte at a time.

    What does not end in time is left to a thread of its own, which nothing waits for.
    """
    done: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()

    def try_it() -> None:
        try:
            done.put((connect(), None))
        except BaseException as error:  # noqa: BLE001 - it is raised where the connection is waited for
            done.put((None, error))

    Thread(target=try_it, name="luigi_sinks login to MariaDB", daemon=True).start()
    try:
        connection, error = done.get(timeout=seconds)
    except Empty:
        raise TimeoutError(f"the login was not complete after {seconds:g} s") from None
    if error is not None:
        raise error
    return connection


def warn_of_kept_rows(count: int) -> None:
    """Warn, once in a process, that many rows were read by a driver that does not free them."""
    if count >= _MANY_ROWS and mariadb.__version__.removesuffix("-c") in _KEEPS_ROWS:
        _warn_once(mariadb.__version__)


@cache
def _warn_once(version: str) -> None:
    _log.warning(
        "the MariaDB driver %s keeps every value that it reads in memory until the process ends; to read large "
        "versions install the stable driver: pip install 'luigi-sinks[mariadb]'",
        version,
    )


def _plugins() -> dict[str, str]:
    """Say where this system has Connector/C's plugins; without them the wheel knows native passwords only."""
    found = [folder for folder in _PLUGINS if Path(folder).is_dir()]
    return {"plugin_dir": found[0]} if found else {}


def _authorities(options: dict[str, Any]) -> dict[str, str]:
    """Say which authorities to trust if the options do not: those of this system.

    Where it is told none, Connector/C 3.4 sends a password to any server with a certificate of its own making.
    """
    if not options.get("ssl_verify_cert") or options.get("ssl_ca"):
        return {}
    known = ssl.get_default_verify_paths()
    found = {name: path for name, path in (("ssl_ca", known.cafile), ("ssl_capath", known.capath)) if path}
    if not found:
        raise BadSetting("this system has no certificate authorities: name some in tls_ca, or install ca-certificates")
    return found
