"""A loader, an owner and a pruner on a real server, with exactly the rights that `luigi-sinks grants` prints."""

import secrets
import sys
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date, timedelta

import mariadb
import pytest
from luigi.configuration import get_config
from sqlalchemy import Column, Double, Integer, String

from luigi_sinks import BadSetting, Conflict, Forbidden, Origin, State, load, versions
from luigi_sinks.credentials import use
from luigi_sinks.mariadb import MariaDBCatalog, MariaDBSink, grants, parse_schema
from luigi_sinks.mariadb.store import STORE
from luigi_sinks.role_kind import RoleKind
from luigi_sinks.testing.loader_suite import LoaderSuite, left_for_a_pruner
from luigi_sinks.testing.suite import failing_after, rows
from luigi_sinks.version import WHOLE

COLUMNS = [
    Column("id", Integer, primary_key=True),
    Column("name", String(20), nullable=False),
    Column("amount", Double),
]
TASKS = """
import luigi
from sqlalchemy import Column, Integer, String
from luigi_sinks import mariadb

class Departures(mariadb.CopyToTable):
    table, connection, owner = "{table}", "loading", "{owner}"
    columns = [Column("id", Integer, primary_key=True), Column("name", String(20), nullable=False)]

class Arrivals(Departures):
    month = luigi.MonthParameter()
    table, partition_by = "{table}_by_month", ("month",)
"""


@dataclass(frozen=True)
class People:
    """Who there is: the name of the role, and each role_kind's login."""

    role: str
    settings: dict

    def sink(self, role_kind, dataset):
        return MariaDBSink(self.settings[role_kind], dataset, parse_schema(dataset, COLUMNS))


@pytest.fixture(scope="module")
def admin(settings):
    with closing(_connection(settings, _password(settings))) as connection, connection.cursor() as cursor:
        yield cursor


@pytest.fixture(scope="module")
def people(settings, admin, tmp_path_factory):
    """Three users, each of whom will take one of the three roles; the roles' rights are the tests' to grant."""
    role, folder, found = f"team_{secrets.token_hex(4)}", tmp_path_factory.mktemp("secrets"), {}
    sections = f"[luigi_sinks.owner.{role}]\nmariadb_role = {role}\n"
    for role_kind in RoleKind:
        user, secret = f"{role_kind}_{secrets.token_hex(4)}", secrets.token_urlsafe()
        (folder / user).write_text(secret)
        (folder / user).chmod(0o600)
        admin.execute(f"CREATE USER {user}@'%' IDENTIFIED BY '{secret}'")
        admin.execute(f"CREATE ROLE {role_kind.role(role)}")
        admin.execute(f"GRANT {role_kind.role(role)} TO {user}@'%'")
        sections += f"[luigi_sinks.credential.{user}]\nsource = file\npath = {folder / user}\n"
        found[role_kind] = replace(settings, user=user, credential=user)
    admin.execute(f"SET DEFAULT ROLE {role}_pruner FOR {found[RoleKind.PRUNER].user}@'%'")
    found[RoleKind.LOADER] = replace(found[RoleKind.LOADER], owner=role)
    loading = vars(found[RoleKind.LOADER])
    sections += "[luigi_sinks.mariadb.loading]\n" + "".join(
        f"{key} = {value}\n" for key, value in loading.items() if value not in {None, ""}
    )
    config = get_config()
    before = set(config.sections())
    config.read_string(sections)
    yield People(role, found)
    for section in set(config.sections()) - before:
        config.remove_section(section)
    for role_kind, each in found.items():
        admin.execute(f"DROP USER {each.user}@'%'")
        admin.execute(f"DROP ROLE {role_kind.role(role)}")


@pytest.fixture(autouse=True)
def _nothing_stays_granted(people, admin):
    yield
    for role_kind in RoleKind:
        admin.execute(f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {role_kind.role(people.role)}")


@pytest.fixture
def luigi_sinks(people, command_of):
    """Run the command for a module of two tasks whose datasets nobody else uses."""
    table = f"t_{secrets.token_hex(4)}"
    run = command_of(TASKS.format(table=table, owner=people.role))
    run.table = table
    return run


@pytest.fixture
def granted(luigi_sinks, people, admin):
    """Grant what is printed, the owner making the tables in between; return the tasks' module."""
    printed = luigi_sinks("grants", "--format", "sql").output
    before, after = printed.split("-- Loader", 1)
    execute(admin, before)
    owner = people.settings[RoleKind.OWNER]
    made = luigi_sinks("create", "--user", owner.user, "--credential", owner.credential)
    assert made.exit_code == 0, made.output
    execute(admin, f"-- Loader{after}")
    return sys.modules[luigi_sinks.module]


@pytest.fixture
def make_dataset(people, admin, settings):
    """Make a dataset as its owner, and grant what its loader and pruner need."""

    def make(dataset, partition=WHOLE):
        given = grants.roles([people.sink(RoleKind.LOADER, dataset)], people.role)
        before, after = grants.text(given).split("-- Loader", 1)
        execute(admin, before)
        grants.create(people.sink(RoleKind.OWNER, dataset), partition, RoleKind.OWNER.role(people.role))
        execute(admin, f"-- Loader{after}")
        return people.sink(RoleKind.LOADER, dataset)

    return make


@pytest.fixture
def sink(make_dataset, table):
    return make_dataset(table)


@pytest.fixture
def as_loader(people, settings):
    """Ask as the loader does, by a plain client."""
    login = people.settings[RoleKind.LOADER]
    with closing(_connection(login, _password(login))) as connection, connection.cursor() as cursor:
        cursor.execute(f"SET ROLE {people.role}")
        yield cursor.execute


class TestLoader(LoaderSuite):
    denied = "DELETE command denied"
    refuses_another_kind_of_partitions_at_once = True

    @pytest.fixture(autouse=True)
    def _dataset(self, make_dataset, people, request):
        parted = any(word in request.node.name for word in ("partitions", "records_are_found", "history_and_rows"))
        self.people = people
        self.make_dataset, self.made, self.partition = make_dataset, {}, "201301" if parted else WHOLE

    def make_sink(self, dataset):
        if dataset not in self.made:
            self.made[dataset] = self.make_dataset(dataset, self.partition)
        return replace(self.made[dataset])

    def catalog(self, sink):
        return MariaDBCatalog(sink.settings, sink.dataset)

    def datasets(self, sink):
        return STORE.list_datasets(sink.settings)

    def pruner(self, catalog):
        return MariaDBCatalog(self.people.settings[RoleKind.PRUNER], catalog.dataset)

    def test_the_catalog_lists_the_dataset(self, sink):
        assert sink.dataset in self.datasets(sink)  # its owner made it
        assert f"{sink.dataset}_new" not in self.datasets(sink)


def test_tasks_load_reload_and_try_again_with_what_is_printed(granted, people, luigi_sinks, caplog):
    ten = [{"id": number, "name": "x"} for number in range(10)]
    departures = type("Departures", (granted.Departures,), {"rows": lambda self: ten})
    arrivals = type("Arrivals", (granted.Arrivals,), {"rows": lambda self: ten})
    failing = type(
        "Departures", (granted.Departures,), {"rows": lambda self: (row for row in ten if 7 // (7 - row["id"]))}
    )
    month = date(2013, 1, 1)
    for task in (departures(), departures(rerun="again"), arrivals(month=month), arrivals(month=month, rerun="again")):
        task.run()
        assert task.complete()
    with pytest.raises(ZeroDivisionError):
        failing(rerun="failing").run()
    departures(rerun="at last").run()
    assert list(departures(rerun="at last").output().rows()) == ten
    assert left_for_a_pruner(caplog) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE {base}",
        "DROP TABLE {head}",
        "DROP VIEW {view}",
        "DROP DATABASE {hidden}",
        "TRUNCATE {base}",
        "TRUNCATE {head}",
        "ALTER TABLE {base} DROP COLUMN name",
        "ALTER TABLE {base} RENAME TO {base}_old",
        "CREATE OR REPLACE TABLE {base} (id INT)",
        "CREATE OR REPLACE VIEW {view} AS SELECT 1",
        "CREATE TRIGGER {hidden}.spoil BEFORE INSERT ON {base} FOR EACH ROW SET NEW.name = 'spoilt'",
        "DELETE FROM {base}",
        "DELETE FROM {view}",
        "DELETE FROM {log}",
        "DELETE FROM {parts}",
        "DELETE FROM {head}",
        "UPDATE {base} SET name = 'spoilt'",
        "UPDATE {view} SET name = 'spoilt'",
        "UPDATE {log} SET id = 'spoilt'",
        "UPDATE {log} SET seq = 77",
        "INSERT INTO {log} (seq, `partition`, id, update_id, record) VALUES (4294967295, '_all', 'x', 'x', '{{}}')",
        "REPLACE INTO {base} (id, name, _seq) VALUES (0, 'spoilt', {seq})",
        "INSERT INTO {base} (id, name, _seq) VALUES (0, 'spoilt', {seq}) ON DUPLICATE KEY UPDATE name = 'spoilt'",
        "INSERT INTO {base} (id, name, _seq) VALUES (0, 'spoilt', {seq})",
        "LOAD DATA LOCAL INFILE '/dev/null' REPLACE INTO TABLE {base}",
        "LOCK TABLES {base} WRITE",
        "SET ROLE {role}_pruner",
        "GRANT DELETE ON {base} TO {role}",
    ],
)
def test_the_server_keeps_a_loader_from_what_is_published(sink, people, as_loader, statement):
    load(sink, WHOLE, Origin("Load_1"), rows(3))
    head = sink.head(WHOLE)
    names = {name: getattr(sink.names, name) for name in ("base", "head", "view", "log", "parts", "hidden")}
    with pytest.raises(mariadb.Error):
        as_loader(statement.format(**names, seq=head.record.seq, role=people.role))
    assert sink.head(WHOLE) == head
    assert list(sink.read(head.version)) == rows(3)


def test_a_pruner_deletes_retired_and_left_versions_and_no_others(sink, people, caplog):
    with pytest.raises(ZeroDivisionError):
        load(sink, WHOLE, Origin("Load_1"), failing_after(5_000))
    for count in (3, 4):
        load(sink, WHOLE, Origin("Load_1"), rows(count))
    left, retired, head = list(sink.records())
    pruner = people.sink(RoleKind.PRUNER, sink.dataset)
    for record in (left, retired):
        versions.prune(pruner, record.version, min_age=timedelta(0))
        with pytest.raises(Conflict):
            list(sink.read(record.version))
    with pytest.raises(Conflict, match="is the head"):
        versions.prune(pruner, head.version, min_age=timedelta(0))
    assert [r.state for r in sink.records()] == [State.DROPPED, State.DROPPED, State.PUBLISHED]
    with pytest.raises(Forbidden):
        list(pruner.read(head.version))
    with pytest.raises(Forbidden):
        load(pruner, WHOLE, Origin("Load_1"), rows(1))
    assert list(sink.read(head.version)) == rows(4)


def test_an_owner_makes_tables_and_loads_nothing(sink, people):
    with pytest.raises(Forbidden):
        load(people.sink(RoleKind.OWNER, sink.dataset), WHOLE, Origin("Load_1"), rows(1))


def test_a_loader_makes_no_tables(people, make_dataset, table):
    make_dataset(table)
    with pytest.raises(Forbidden):
        load(people.sink(RoleKind.LOADER, f"{table}_new"), WHOLE, Origin("Load_1"), rows(1))


def test_what_a_failed_first_load_left_is_the_owners_to_make_again(sink, people):
    with pytest.raises(ZeroDivisionError):
        load(sink, WHOLE, Origin("Load_1"), failing_after(5_000))
    columns = [COLUMNS[0], Column("name", String(30), nullable=False)]
    corrected = replace(sink, schema=parse_schema(sink.dataset, columns))
    with pytest.raises(Forbidden, match="run `luigi-sinks create` as the owner"):
        load(corrected, WHOLE, Origin("Load_1"), [(1, "one")])
    owner = replace(people.sink(RoleKind.OWNER, sink.dataset), schema=corrected.schema)
    grants.create(owner, WHOLE, RoleKind.OWNER.role(people.role))
    load(corrected, WHOLE, Origin("Load_1"), [(1, "one")])
    assert [record.state for record in sink.records()] == [State.FAILED, State.PUBLISHED]
    assert list(corrected.read(sink.head(WHOLE).version)) == [{"id": 1, "name": "one"}]
    load(corrected, WHOLE, Origin("Load_1"), [(2, "two")])
    grants.create(owner, WHOLE, RoleKind.OWNER.role(people.role))
    with pytest.raises(BadSetting, match="was loaded with other columns"):
        grants.create(replace(owner, schema=sink.schema), WHOLE, RoleKind.OWNER.role(people.role))


OLD_GRANTS = """
GRANT CREATE TEMPORARY TABLES ON `{pattern}\\_\\_v`.* TO `{role}_owner`;
GRANT CREATE, SELECT ON `{database}__v`.`_parts` TO `{role}_owner`;
GRANT CREATE, SELECT ON `{database}__v`.`_versions` TO `{role}_owner`;
GRANT CREATE, SELECT ON `{database}__v`.`months__g1` TO `{role}_owner`;
GRANT CREATE, SELECT ON `{database}`.`months__head` TO `{role}_owner`;
GRANT CREATE, CREATE VIEW, SELECT, SHOW VIEW ON `{database}`.`months` TO `{role}_owner`;
GRANT SELECT, SHOW VIEW ON `{database}`.`months` TO `{role}`;
GRANT INSERT, SELECT, UPDATE ON `{database}`.`months__head` TO `{role}`;
GRANT CREATE TEMPORARY TABLES ON `{pattern}\\_\\_v`.* TO `{role}`;
GRANT INSERT, SELECT ON `{database}__v`.`_parts` TO `{role}`;
GRANT INSERT, SELECT, UPDATE (lease, published_at, row_count, state) ON `{database}__v`.`_versions` TO `{role}`;
GRANT INSERT, SELECT ON `{database}__v`.`months__g1` TO `{role}`
"""


def test_the_owner_upgrades_what_a_loader_may_not(people, admin, load_format_1):
    old = load_format_1()
    execute(admin, OLD_GRANTS.format(database=old.database, pattern=old.database.replace("_", "\\_"), role=people.role))
    loader, owner = (
        replace(sink, settings=replace(sink.settings, database=old.database))
        for sink in (people.sink(role_kind, "months") for role_kind in (RoleKind.LOADER, RoleKind.OWNER))
    )
    before, origin = list(loader.records()), Origin("Months_3", family="Months", partition_by=("month",))
    assert (len(before), loader.heads().keys()) == (9, {"201301", "201302"})
    for partition in ("201302", "201303"):  # of which the first has something to clear
        with pytest.raises(Forbidden, match="run `luigi-sinks create` as the owner"):
            load(loader, partition, origin, rows(1))
    assert list(loader.records()) == before
    printed = grants.text(grants.roles([loader], people.role))
    own, others = printed.split("-- Loader", 1)
    execute(admin, own.replace("-- GRANT", "GRANT"))
    grants.create(owner, "", RoleKind.OWNER.role(people.role))
    execute(admin, f"-- Loader{others}")
    load(loader, "201302", origin, rows(1))
    *after, new = loader.records()
    assert [record.seq for record in after] == [record.seq for record in before]
    assert [record.origin for record in after] == [record.origin for record in before]
    assert loader.head("201302").version == new.version
    assert loader.head("201301").version == before[3].version
    admin.execute(f"SELECT COUNT(*) FROM {old.database}.months")
    assert admin.fetchall() == [(6,)]


def test_the_view_is_the_roles_and_not_of_whoever_made_it(sink, admin, people):
    load(sink, WHOLE, Origin("Load_1"), rows(3))
    admin.execute(
        "SELECT DEFINER FROM information_schema.VIEWS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?",
        (sink.names.database, sink.dataset),
    )
    ((definer,),) = admin.fetchall()
    admin.execute(f"SELECT COUNT(*) FROM {sink.names.view}")
    assert (definer.rstrip("@%"), admin.fetchall()) == (f"{people.role}_owner", [(3,)])


def test_check_finds_nothing_where_all_is_granted(granted, luigi_sinks, settings):
    checked = check(luigi_sinks, settings)
    assert (checked.exit_code, checked.output) == (0, "the servers grant what is needed, and nothing else\n")


def test_check_finds_what_is_missing_and_what_is_too_much(granted, luigi_sinks, settings, admin, people):
    base, head = f"`{settings.database}__v`.`{luigi_sinks.table}__g1`", f"`{luigi_sinks.table}__head`"
    admin.execute(f"REVOKE UPDATE ON {settings.database}.{head} FROM {people.role}")
    admin.execute(f"REVOKE UPDATE (record) ON {settings.database}__v.{luigi_sinks.table}__log FROM {people.role}")
    admin.execute(f"GRANT DELETE, UPDATE (name) ON {base} TO {people.role}")
    checked = check(luigi_sinks, settings)
    assert checked.exit_code == 1
    found = [line.partition(": ")[2] for line in checked.output.splitlines() if line[0] == "-"]
    assert found == [
        f"{people.role}: UPDATE (record) ON `{settings.database}__v`.`{luigi_sinks.table}__log`",
        f"{people.role}: UPDATE ON `{settings.database}`.{head}",
    ]
    assert f": {people.role}: DELETE ON {base}" in checked.output
    assert f": {people.role}: UPDATE (name) ON {base}" in checked.output


def test_check_finds_a_role_within_the_role(granted, luigi_sinks, settings, admin, people):
    admin.execute(f"GRANT {people.role}_pruner TO {people.role}")
    checked = check(luigi_sinks, settings)
    admin.execute(f"REVOKE {people.role}_pruner FROM {people.role}")
    assert checked.exit_code == 1
    assert f"{people.role}: `{people.role}_pruner`" in checked.output
    assert f"{people.role}: DELETE ON" in checked.output


def test_check_finds_a_role_that_is_not_there(luigi_sinks, settings, people, monkeypatch):
    monkeypatch.setitem(get_config()[f"luigi_sinks.owner.{people.role}"], "mariadb_role", "nobody_made_it")
    checked = check(luigi_sinks, settings)
    assert checked.exit_code == 1
    assert {line[0] for line in checked.output.splitlines()} == {"-"}


def check(luigi_sinks, settings):
    """Check as the administrator."""
    return luigi_sinks(
        "grants", "--format", "sql", "--check", "--user", settings.user, "--credential", settings.credential
    )


def execute(admin, sql):
    lines = (line for line in sql.splitlines() if not line.startswith("--"))
    for statement in filter(str.strip, "\n".join(lines).split(";")):
        admin.execute(statement)


def _password(settings):
    return use(settings.credential, lambda token: token.reveal())


def _connection(settings, password):
    return mariadb.connect(
        host=settings.host,
        port=settings.port,
        user=settings.user,
        password=password,
        ssl_ca=str(settings.tls_ca),
        ssl_verify_cert=True,
        autocommit=True,
        local_infile=True,
    )
