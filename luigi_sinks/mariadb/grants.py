"""The rights of each kind of role in MariaDB, by table, column and stored procedure.

A loader adds rows through a view, and changes registry and pointer through procedures,
both with the rights of the owner: see guard.py. No right of its role changes a row that
is there. Roles are shared by all datasets of an owner, procedures are each dataset's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from luigi_sinks import config, owners
from luigi_sinks.errors import BadSetting
from luigi_sinks.hcl import Code, block, label
from luigi_sinks.mariadb import creation, format_1, guard
from luigi_sinks.mariadb.catalog import MariaDBCatalog
from luigi_sinks.mariadb.connection import rows, run
from luigi_sinks.mariadb.marks import MariaDBMarks
from luigi_sinks.mariadb.names import HIDDEN, Names, quoted
from luigi_sinks.mariadb.schema import SEQ
from luigi_sinks.mariadb.settings import MariaDBSettings
from luigi_sinks.mariadb.sink import MariaDBSink
from luigi_sinks.role_kind import RoleKind

FORMAT, HEADING = "sql", "-- MariaDB at {}"
"""What `luigi-sinks grants` calls the language of roles, and what it prints above those of a server."""

_ALL = "*"
_PROCEDURE = "PROCEDURE"
_GRANT = re.compile(r"GRANT (?P<privileges>.+) ON (?P<place>.+) TO .+?(?P<more> WITH GRANT OPTION)?")
_PRIVILEGE = re.compile(r"([A-Z ]+?)(?: \(([^)]*)\))?(?:, |$)")


@dataclass(frozen=True, order=True)
class Grant:
    """Privileges on a table, on all of a database where the table is `*`, or on a procedure."""

    database: str
    table: str
    privileges: tuple[str, ...]
    is_procedure: bool = False

    @property
    def place(self) -> str:
        """Where they hold; in a grant on all tables, `_` of a database's name would stand for any letter."""
        if self.table == _ALL:
            return f"{quoted(self.pattern)}.*"
        kind = f"{_PROCEDURE} " if self.is_procedure else ""
        return f"{kind}{quoted(self.database)}.{quoted(self.table)}"

    @property
    def scope(self) -> str:
        """The database, as the Terraform provider takes it."""
        if self.is_procedure:
            return f"{_PROCEDURE} {self.database}"
        return self.pattern if self.table == _ALL else self.database

    @property
    def pattern(self) -> str:
        """The database's name, as a grant on all its tables takes it."""
        return re.sub(r"([_%\\])", r"\\\1", self.database)

    @property
    def listed(self) -> Sequence[str]:
        """The privileges, those on columns gathered; `partition` is a word of SQL and must be quoted."""
        found: dict[str, list[str]] = {}
        for privilege in self.privileges:
            kind, _, column = privilege.partition(" (")
            found.setdefault(kind, []).extend([column[:-1]] if column else [])
        return [f"{kind} ({', '.join(map(quoted, columns))})" if columns else kind for kind, columns in found.items()]


@dataclass(frozen=True, order=True)
class User:
    """Who logs in, where the token comes from, and whether sessions take the role by themselves.

    They do not where luigi.cfg names a `mariadb_role`: then a session runs SET ROLE.
    """

    name: str
    source: str
    needs_default: bool = False


@dataclass(frozen=True)
class Role:
    """The role of one kind, what is granted to it, and the users who take it, as far as luigi.cfg names them.

    `upgrade` is what it needs in addition, once, to upgrade tables of luigi_sinks 0.1.
    """

    name: str
    kind: RoleKind
    grants: Sequence[Grant]
    users: Sequence[User] = ()
    upgrade: Sequence[Grant] = ()

    @property
    def rights(self) -> frozenset[str]:
        """The grants one by one."""
        return frozenset(f"{privilege} ON {grant.place}" for grant in self.grants for privilege in grant.privileges)


Granted = MariaDBSink | MariaDBCatalog | MariaDBMarks
"""What rights are needed for: a dataset that is loaded, one that a query reads, or the marks under a name."""


def roles(sinks: Iterable[Granted], name: str) -> list[Role]:
    """Return the roles for the datasets, the owner's first: without its tables no other grant can be made.

    Raises BadSetting if a role has the name of a user who is to take it: MariaDB takes the user for the role.
    """
    sinks = list(sinks)
    users = sorted({_user(sink.settings) for sink in sinks})
    for role in (role_kind.role(name) for role_kind in _GRANTS):
        if role in {user.name for user in users}:
            raise BadSetting(
                f"role {role!r} has the name of the user of [{config.ROOT}.mariadb], and MariaDB grants no role to "
                "itself (ERROR 1961); give the tasks an `owner`, and set another mariadb_role in its section "
                f"[{config.ROOT}.owner.NAME]"
            )
    return [
        Role(
            role_kind.role(name),
            role_kind,
            _merged(grant for sink in sinks for grant in _grants_of(sink)[role_kind](sink.names)),
            users if role_kind is RoleKind.LOADER else (),
            _merged(_upgrades(sinks)) if role_kind is RoleKind.OWNER else (),
        )
        for role_kind in _GRANTS
    ]


def text(roles: Iterable[Role]) -> str:
    """Return the roles as SQL."""
    roles = list(roles)
    hidden = sorted({grant.database for role in roles for grant in role.grants if grant.database.endswith(HIDDEN)})
    lines = [f"CREATE DATABASE IF NOT EXISTS {quoted(database)};" for database in hidden]
    for role in roles:
        lines += ["", *_role(role)]
    for role in roles:
        if role.kind is RoleKind.OWNER:
            lines += ["", _CREATED, *_grants(role, are_procedures=True)]
    return "\n".join(lines) + "\n"


def terraform(roles: Iterable[Role]) -> Iterator[str]:
    """Yield the roles as blocks of Terraform, for the provider petoju/mysql."""
    for role in roles:
        resource = label(role.name)
        yield block("resource", ("mysql_role", resource), {"name": role.name})
        for grant in role.grants:
            place = {"database": grant.scope, "table": grant.table}
            yield block(
                "resource",
                ("mysql_grant", "_".join([resource, label(grant.database), label(grant.table.replace("*", "all"))])),
                {"role": Code(f"mysql_role.{resource}.name"), **place, "privileges": grant.listed},
            )


def rights(settings: MariaDBSettings, role: str) -> frozenset[str]:
    """Return what the server grants to a role, nothing if there is no such role."""
    known = "SELECT 1 FROM mysql.user WHERE User = ? AND is_role = 'Y'"
    if not run(settings, lambda cursor: rows(cursor, known, (role,))):
        return frozenset()
    shown = run(settings, lambda cursor: rows(cursor, f"SHOW GRANTS FOR {quoted(role)}"))
    return frozenset(right for (line,) in shown for right in _shown(line))


def create(sink: Granted, partition: str, role: str) -> None:
    """Make or upgrade the tables and the view of a dataset, or the table of marks, as the role if there is one."""
    if isinstance(sink, MariaDBMarks):
        sink.create(role)
    elif isinstance(sink, MariaDBSink):
        run(sink.settings, _create, sink, partition, role)


def _create(cursor: Any, sink: MariaDBSink, partition: str, role: str) -> None:
    if role:
        cursor.execute(f"SET ROLE {quoted(role)}")
    creation.prepare(cursor, sink.names, sink.schema, partition, allow_change=sink.allow_change)


def conditions(settings: MariaDBSettings) -> Iterator[tuple[str, str]]:
    """Yield nothing: no setting of a server weakens these roles."""
    del settings
    yield from ()


def iam_user(settings: MariaDBSettings) -> str:
    """Return the user that an AWS role may log in as, by RDS IAM tokens."""
    return settings.user


def _user(settings: MariaDBSettings) -> User:
    source = config.read_credential(settings.credential).get("source", "")
    return User(settings.user, source, needs_default="mariadb" not in owners.find(settings.owner).roles)


def _of_owner(names: Names) -> Iterator[Grant]:
    """Grant what creates tables, views and procedures, also repeatedly, and what the procedures do for a loader.

    The tables do not exist yet, so no grant can name columns.
    """
    yield Grant(names.hidden, _ALL, ("CREATE ROUTINE", "CREATE TEMPORARY TABLES", "LOCK TABLES"))
    yield Grant(names.hidden, names.log_table, ("CREATE", "INSERT", "SELECT", "UPDATE"))
    yield Grant(names.hidden, names.part_table, ("ALTER", "CREATE", "DROP", "SELECT"))
    yield Grant(names.hidden, names.base_table, ("ALTER", "CREATE", "DROP", "INSERT", "SELECT"))
    yield Grant(names.hidden, names.open_table, ("CREATE", "DELETE", "INSERT", "SELECT", "UPDATE"))
    yield Grant(names.hidden, names.add_view, ("CREATE", "CREATE VIEW", "DROP", "INSERT", "SELECT", "SHOW VIEW"))
    yield Grant(names.database, names.head_table, ("CREATE", "INSERT", "SELECT", "UPDATE"))
    yield Grant(names.database, names.dataset, ("CREATE", "CREATE VIEW", "DROP", "SELECT", "SHOW VIEW"))
    yield from _procedures(names, guard.ALL, "ALTER ROUTINE", "EXECUTE")


def _upgrade(names: Names) -> Iterator[Grant]:
    """Grant an owner what moves records of luigi_sinks 0.1."""
    yield Grant(names.hidden, format_1.VERSIONS, ("SELECT", "UPDATE (state)"))
    yield Grant(names.hidden, format_1.PARTS, ("SELECT",))
    yield Grant(names.hidden, names.part_table, ("CREATE", "INSERT"))
    yield Grant(names.database, names.head_table, ("ALTER",))


def _of_loader(names: Names) -> Iterator[Grant]:
    """Grant what adds versions and publishes them, and temporary tables, by which declared columns are compared."""
    yield Grant(names.hidden, _ALL, ("CREATE TEMPORARY TABLES",))
    yield Grant(names.hidden, names.log_table, ("SELECT",))
    yield Grant(names.hidden, names.part_table, ("INSERT", "SELECT"))
    yield Grant(names.hidden, names.base_table, ("SELECT",))
    yield Grant(names.hidden, names.add_view, ("INSERT",))
    yield Grant(names.hidden, names.open_table, ("SELECT",))
    yield Grant(names.database, names.head_table, ("SELECT",))
    yield Grant(names.database, names.dataset, ("SELECT", "SHOW VIEW"))
    yield from _procedures(names, guard.OF_LOADER, "EXECUTE")


def _of_pruner(names: Names) -> Iterator[Grant]:
    yield Grant(names.hidden, names.log_table, ("SELECT",))
    yield Grant(names.hidden, names.part_table, ("DELETE", "SELECT (seq)"))
    yield Grant(names.hidden, names.base_table, ("DELETE", f"SELECT ({SEQ})"))
    yield Grant(names.database, names.head_table, ("SELECT",))
    yield from _procedures(names, guard.OF_PRUNER, "EXECUTE")


def _procedures(names: Names, procedures: Iterable[guard.Procedure], *privileges: str) -> Iterator[Grant]:
    for procedure in procedures:
        yield Grant(names.hidden, f"{names.dataset}{procedure.suffix}", privileges, is_procedure=True)


_GRANTS = {RoleKind.OWNER: _of_owner, RoleKind.LOADER: _of_loader, RoleKind.PRUNER: _of_pruner}


def _owner_of_marks(names: Names) -> Iterator[Grant]:
    yield Grant(names.hidden, names.mark_table, ("CREATE", "SELECT"))


def _loader_of_marks(names: Names) -> Iterator[Grant]:
    yield Grant(names.hidden, names.mark_table, ("INSERT", "SELECT"))


def _reader(names: Names) -> Iterator[Grant]:
    """Grant what finds the heads of a dataset that a query reads, and their rows."""
    yield Grant(names.hidden, names.log_table, ("SELECT",))
    yield Grant(names.hidden, names.base_table, ("SELECT",))
    yield Grant(names.database, names.head_table, ("SELECT",))


def _nothing(names: Names) -> Iterator[Grant]:
    """Grant nothing: marks are not pruned, and what is read belongs to others."""
    del names
    yield from ()


_GRANTS_OF_INPUTS = {RoleKind.OWNER: _nothing, RoleKind.LOADER: _reader, RoleKind.PRUNER: _nothing}

_GRANTS_OF_MARKS = {
    RoleKind.OWNER: _owner_of_marks,
    RoleKind.LOADER: _loader_of_marks,
    RoleKind.PRUNER: _nothing,
}


def _grants_of(sink: Granted) -> Mapping[RoleKind, Callable[[Names], Iterator[Grant]]]:
    if isinstance(sink, MariaDBMarks):
        return _GRANTS_OF_MARKS
    return _GRANTS if isinstance(sink, MariaDBSink) else _GRANTS_OF_INPUTS


def _upgrades(sinks: Iterable[Granted]) -> Iterator[Grant]:
    for sink in sinks:
        if isinstance(sink, MariaDBSink):
            yield from _upgrade(sink.names)


def _merged(grants: Iterable[Grant]) -> list[Grant]:
    """Return one grant for each place, sorted."""
    found: dict[tuple[str, str, bool], set[str]] = {}
    for grant in grants:
        found.setdefault((grant.database, grant.table, grant.is_procedure), set()).update(grant.privileges)
    return sorted(
        Grant(database, table, tuple(sorted(privileges)), is_procedure)
        for (database, table, is_procedure), privileges in found.items()
    )


_CREATED = "-- Owner, after `luigi-sinks create`: its procedures work for loaders and pruners, with its rights."
_COMMENTS = {
    RoleKind.OWNER: "-- Owner: runs `luigi-sinks create`; do that before you go on.",
    RoleKind.LOADER: "-- Loader: adds versions and publishes them; changes and deletes nothing that was published.",
    RoleKind.PRUNER: "-- Pruner: deletes the rows of versions, of which it can read the version's number only.",
}


def _role(role: Role) -> Iterator[str]:
    yield _COMMENTS[role.kind]
    yield f"CREATE ROLE IF NOT EXISTS {quoted(role.name)};"
    yield from _grants(role, are_procedures=False)
    if role.kind is not RoleKind.OWNER:
        yield from _grants(role, are_procedures=True)
    old = [grant.place for grant in role.upgrade if grant.table == format_1.VERSIONS]
    if old:
        yield f"-- Only if the server has a table {' or '.join(old)}, made by release 0.1 of luigi-sinks:"
        yield "-- grant this too, before the first `luigi-sinks create`, and revoke it afterwards."
    for grant in role.upgrade:
        yield f"-- GRANT {', '.join(grant.listed)} ON {grant.place} TO {quoted(role.name)};"
    for user in role.users:
        if user.source == "rds_iam":
            how = "IDENTIFIED VIA AWSAuthenticationPlugin USING 'RDS' REQUIRE SSL"
            yield f"-- On Amazon RDS: CREATE USER {quoted(user.name)} {how};"
        yield f"GRANT {quoted(role.name)} TO {quoted(user.name)};"
        if user.needs_default:
            yield f"SET DEFAULT ROLE {quoted(role.name)} FOR {quoted(user.name)};"


def _grants(role: Role, *, are_procedures: bool) -> Iterator[str]:
    for grant in role.grants:
        if grant.is_procedure == are_procedures:
            yield f"GRANT {', '.join(grant.listed)} ON {grant.place} TO {quoted(role.name)};"


def _shown(line: str) -> Iterator[str]:
    """Take a line of SHOW GRANTS apart; USAGE is no right."""
    found = _GRANT.fullmatch(line)
    if found is None:  # a role within the role
        yield line.removeprefix("GRANT ").partition(" TO ")[0]
        return
    for kind, columns in _PRIVILEGE.findall(found["privileges"]):
        for column in columns.split(", "):
            if kind != "USAGE":
                yield f"{kind} ({column.strip('`')}) ON {found['place']}" if column else f"{kind} ON {found['place']}"
    if found["more"]:
        yield f"GRANT OPTION ON {found['place']}"
