# ruff: noqa: S603 - the commands are ours, and no shell reads them
"""MariaDB, the distribution's own, with TLS on TCP and one user who may do everything.

A second user, who may do what loads need, is let in by tokens of AWS where the
plugin for it could be compiled. A container knows the first one only.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from luigi_sinks.testing.servers import authentication_plugin, aws
from luigi_sinks.testing.servers.needs import Need
from luigi_sinks.testing.servers.process import Command
from luigi_sinks.testing.servers.server import HOST, Login, Place, Server

USER = "luigi_sinks"
LOADER = "loader"
DATABASE = "flights"
TEMPORARY = "temporary"
# Debian keeps the server out of the search path of ordinary users.
SEARCH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
PROGRAMS = ("mariadbd", "mariadb-install-db", "mariadb")

SETUP = """\
FLUSH PRIVILEGES;
CREATE DATABASE {database} CHARACTER SET utf8mb4;
CREATE DATABASE {database}__v CHARACTER SET utf8mb4;
CREATE USER {user}@localhost IDENTIFIED BY '{password}';
CREATE USER {user}@'127.0.0.1' IDENTIFIED BY '{password}';
GRANT ALL PRIVILEGES ON *.* TO {user}@localhost WITH GRANT OPTION;
GRANT ALL PRIVILEGES ON *.* TO {user}@'127.0.0.1' WITH GRANT OPTION;
"""

CONTAINER_SETUP = f"""\
CREATE DATABASE {DATABASE}__v;
GRANT ALL PRIVILEGES ON *.* TO {USER}@'%' WITH GRANT OPTION;
"""

# A relative socket lies in the data folder: an absolute path may be too long for one. A folder of its own for
# temporary tables, as a server that starts deletes those of others in the folder that it shares.
CONFIGURATION = """\
[mariadbd]
datadir = {data}
tmpdir = {temporary}
bind-address = {host}
port = {port}
socket = mariadb.sock
ssl-cert = {certificate}
ssl-key = {key}
ssl-ca = {ca}
require-secure-transport = ON
local-infile = ON
character-set-server = utf8mb4
innodb-buffer-pool-size = 256M
feedback = OFF
"""

WITH_PLUGIN = """\
plugin-dir = {folder}
plugin-load-add = {file}
init-file = {setup}
"""

# Read at each start, as the plugin may come later than the data. A load makes a table and a view in its
# database, and all else in a database beside it, procedures too; those of tests may be made as well.
LOADER_SETUP = f"""\
CREATE USER IF NOT EXISTS {LOADER}@'%' IDENTIFIED VIA AWSAuthenticationPlugin REQUIRE SSL;
GRANT SELECT, INSERT, UPDATE, CREATE, CREATE VIEW, SHOW VIEW ON `{DATABASE}`.* TO {LOADER}@'%';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, CREATE VIEW, CREATE TEMPORARY TABLES, CREATE ROUTINE, EXECUTE
 ON `{DATABASE}\\_\\_v`.* TO {LOADER}@'%';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, CREATE VIEW, SHOW VIEW, CREATE TEMPORARY TABLES, CREATE ROUTINE, EXECUTE
 ON `tests\\_%`.* TO {LOADER}@'%';
"""

CLIENT = """\
[client]
host = {host}
port = {port}
user = {user}
password = {password}
ssl-ca = {ca}
ssl-verify-server-cert
connect-timeout = 5
"""


def missing() -> Sequence[Need]:
    """Ask for the package when one of its programs is not there."""
    if all(_program(name) for name in PROGRAMS):
        return []
    return [Need("MariaDB", ("mariadb-server",))]


def prepare(place: Place) -> None:
    """Compile the plugin, make the data folder with its user and databases, both once; write the configuration."""
    authentication_plugin.compile_for(place)
    data = place.folder / "data"
    if not data.exists():
        _install(place).rename(data)
    place.account.make_folder(place.folder / TEMPORARY)
    place.account.write(_loader_setup(place), LOADER_SETUP)
    place.account.write(place.folder / "mariadbd.cnf", _configuration(place, data))


def prepare_container(place: Place) -> None:
    """Write what is left of the setup: the image makes the user and its database."""
    place.account.make_folder(place.folder / "data")
    place.account.write(place.folder / "setup.sql", CONTAINER_SETUP)


def command(place: Place) -> Command:
    """Name the server, in the foreground."""
    return Command(
        (_program("mariadbd"), f"--defaults-file={place.folder / 'mariadbd.cnf'}"),
        {"PATH": SEARCH, "LUIGI_SINKS_AWS_PORT": str(place.beside(aws.NAME).port)},
    )


def answers(place: Place) -> bool:
    """Whether a query over TLS gets its answer; the password goes through a pipe."""
    asked = subprocess.run(
        [_program("mariadb"), "--defaults-file=/dev/stdin", "--execute=SELECT 1"],
        input=CLIENT.format(host=HOST, port=place.port, user=USER, password=place.password, ca=place.ca),
        text=True,
        capture_output=True,
        check=False,
    )
    return asked.returncode == 0


def login(place: Place) -> Login:
    """Say how it is logged in to by a token; where it has no plugin for that, by the file of the password."""
    if not authentication_plugin.shared_object(place).exists():
        return Login({}, {"source": "file", "path": str(place.password_file)})
    return Login({"user": LOADER}, {"source": "rds_iam", "region": aws.REGION})


def _install(place: Place) -> Path:
    """Fill a new data folder beside the final one, so that a half-made one is never used."""
    new = place.folder / "data.new"
    shutil.rmtree(new, ignore_errors=True)
    run = place.account.run
    run(
        _program("mariadb-install-db"),
        "--no-defaults",
        f"--datadir={new}",
        "--auth-root-authentication-method=socket",
        "--skip-test-db",
        "--skip-name-resolve",
    )
    setup = SETUP.format(database=DATABASE, user=USER, password=place.password)
    run(_program("mariadbd"), "--no-defaults", f"--datadir={new}", "--bootstrap", stdin=setup)
    return new


def _configuration(place: Place, data: Path) -> str:
    plugin = authentication_plugin.shared_object(place)
    more = WITH_PLUGIN.format(folder=plugin.parent, file=plugin.name, setup=_loader_setup(place))
    return (CONFIGURATION + (more if plugin.exists() else "")).format(
        data=data,
        temporary=place.folder / TEMPORARY,
        host=HOST,
        port=place.port,
        certificate=place.certificate,
        key=place.key,
        ca=place.ca,
    )


def _loader_setup(place: Place) -> Path:
    return place.folder / "loader.sql"


def _program(name: str) -> str:
    return shutil.which(name, path=SEARCH) or ""


SERVER = Server(
    name="mariadb",
    user=USER,
    database=DATABASE,
    download=None,
    patience=60,
    missing=missing,
    prepare=prepare,
    prepare_container=prepare_container,
    command=command,
    answers=answers,
    login=login,
)
