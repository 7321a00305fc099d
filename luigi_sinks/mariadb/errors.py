"""Turns the driver's errors into SinkErrors."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import mariadb

from luigi_sinks.errors import BadSetting, CheckFailed, Conflict, Forbidden, SinkError, Unavailable
from luigi_sinks.mariadb import guard
from luigi_sinks.mariadb.settings import MariaDBSettings

# Error numbers of the server, https://mariadb.com/kb/en/mariadb-error-code-reference/
NO_SUCH_TABLE = 1146
ABSENT = {NO_SUCH_TABLE, 1054}
"""A table or a column is not there."""
NOT_A_VIEW = 1347
NO_DATABASE = 1046
"""A table is named without its database."""
NULL_REFUSED = 1048
"""A column is given NULL and cannot have it."""
DUPLICATE_KEY = 1062
VALUE_TOO_LARGE = 1301
"""A function's result is larger than max_allowed_packet."""
ROW_TOO_LARGE = 1118
"""A row does not fit in a page, which LOAD DATA LOCAL does not turn into a warning."""
NO_SUCH_PROCEDURE = 1305
NOT_OURS_TO_END = {1094, 1095}
"""There is no such session, or another user has it."""
NO_SUCH_ROLE = 1959
NOT_INSTANT = {1845, 1846}
"""ALGORITHM = INSTANT is not possible."""
LOCKED = {1205, 1213}
_REFUSED = {1045, 1698, 3159}
"""11.8 says 3159 where it takes TLS only; 10.11 says 1045."""
FORBIDDEN = {1044, 1142, 1143, 1227, 1370}
_NO_LOCAL_FILES = {1148, 4166}
_OUT_OF_SERVICE = {1021, 1040, 1114, 1203, 1226, 1290, 1317, 1836, 1969}
_ENDED = {1053, 1158, 1159, 1160, 1161, 1927}

_OF_PROCEDURES = {guard.REFUSED: Conflict, guard.MISCOUNTED: CheckFailed}

_TLS = 2026
"""The client's one number for all TLS errors, which differ in their text only."""

_NO_PLUGIN = "could not be loaded"
"""The client's message, under the number of a refused login, if it has no plugin that the server asks for."""

_SILENT = "check that it runs, and its section in luigi.cfg"
_SHUT = "if a proxy listens there, the server refuses it: see its log, and the certificate that it shows"


def explained(settings: MariaDBSettings, error: Any, *, timeout: str = "", waited: float = 0.0) -> SinkError:
    """Return the SinkError for an error of the driver, with what to do.

    `timeout` names the setting that bounded the wait, `waited` says how long that was, in seconds.
    """
    place = f"MariaDB at {settings.address}"
    allowed = getattr(settings, timeout, math.inf)
    if error.errno == _TLS and waited < allowed:
        return _tls_failure(place, str(error))
    if _NO_PLUGIN in str(error) or error.errno in _NO_LOCAL_FILES:
        return _setting_failure(place, error)
    if error.errno in FORBIDDEN:
        return Forbidden(
            f"{place}: user {settings.user!r} lacks a right: {error}; `luigi-sinks grants` prints what to grant"
        )
    if error.errno in LOCKED:
        return Unavailable(f"{place}: another transaction holds locks for too long ({error}); run this again")
    if is_lost(error) or error.errno in _OUT_OF_SERVICE:
        reason = f" in time: {timeout} = {allowed:g} s ran out" if waited >= allowed else ""
        way_out = _SHUT if "initial communication" in str(error) and not reason else _SILENT
        return Unavailable(f"{place} does not answer{reason} ({error}); {way_out}")
    return _OF_PROCEDURES.get(error.errno, SinkError)(f"{place}: {error}")


def refuses_login(error: Any) -> bool:
    """Tell whether the server rejects the token."""
    return error.errno in _REFUSED and _NO_PLUGIN not in str(error)


@contextmanager
def suppressing(numbers: Collection[int]) -> Iterator[None]:
    """Suppress the server's errors of these numbers."""
    try:
        yield
    except mariadb.Error as error:
        if error.errno not in numbers:
            raise


def is_refusal(error: Any) -> bool:
    """Tell whether the server understood a statement and rejects it for every login."""
    return not is_lost(error) and error.errno not in LOCKED | _OUT_OF_SERVICE | FORBIDDEN


def is_lost(error: Any) -> bool:
    """Tell whether the connection ended; the client's own errors are numbered from 2000 on."""
    is_clients = 2000 <= (error.errno or 0) < 3000  # noqa: PLR2004
    return isinstance(error, mariadb.InterfaceError) or is_clients or error.errno in _ENDED


def _setting_failure(place: str, error: Any) -> SinkError:
    if _NO_PLUGIN in str(error):
        return BadSetting(
            f"{place}: {error}; install Connector/C's plugins on this machine (Debian and Ubuntu: package libmariadb3, "
            "Fedora and Red Hat: mariadb-connector-c), or the driver that is compiled here: pip install 'mariadb<2'"
        )
    return BadSetting(f"{place} accepts no rows from clients ({error}); start it with local_infile = ON")


def _tls_failure(place: str, reason: str) -> SinkError:
    if "SSL is required" in reason:
        return BadSetting(f"{place} does not support TLS, and a token is never sent unencrypted; turn TLS on there")
    if "ertificate" in reason or "ostname" in reason:
        return BadSetting(
            f"{place}: {reason}; tls_ca in luigi.cfg must name the authority of its certificate, and host a name in it"
        )
    return Unavailable(f"{place}: the TLS connection failed: {reason}; see tls_ca and tls_certificate in luigi.cfg")
