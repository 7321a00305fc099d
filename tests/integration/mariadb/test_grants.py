"""A loader, an owner and a pruner on a real server, with exactly the rights that `luigi-sinks grants` prints."""

import json
import secrets
import sys
import threading
import time
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date, timedelta
from importlib import import_module

import mariadb
import pytest
from luigi.configuration import get_config
from sqlalchemy import Column, Double, Integer, String

from luigi_sinks import BadSetting, Conflict, Forbidden, Origin, State, exposing, load, stored, versions
from luigi_sinks import record as rules
from luigi_sinks.claim import held
from luigi_sinks.credentials import use
from luigi_sinks.mariadb import MariaDBCatalog, MariaDBSink, grants, guard, parse_schema
from luigi_sinks.mariadb.store import STORE
from luigi_sinks.role_kind import RoleKind
from luigi_sinks.testing.changing_suite import ChangingSuite
from luigi_sinks.testing.loader_suite import LoaderSuite, left_for_a_pruner
from luigi_sinks.testing.suite import failing_after, rows, staged
from luigi_sinks.version import WHOLE
from tests.parts import part

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


MARKED = """
import luigi
from luigi_sinks import mariadb

class Marked(luigi.Task):
    owner = "{owner}"

    def output(self):
        return mariadb.Marker("{name}", task=self, connection="loading")
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


@dataclass(frozen=True)
class WithPruner(MariaDBSink):
    """A loader whose drops its pruner records, as the loader may not: the suite does that through its sink."""

    pruner: MariaDBCatalog = None

    def change(self, version, become):
        try:
            return super().change(version, become)
        except Forbidden:
            return self.pruner.change(version, become)


class TestLoader(ChangingSuite, LoaderSuite):
    denied = "DELETE command denied"
    refuses_another_kind_of_partitions_at_once = True

    @pytest.fixture(autouse=True)
    def _dataset(self, make_dataset, people, request, forge, settings):
        self.settings = settings
        parted = any(word in request.node.name for word in ("partitions", "records_are_found", "history_and_rows"))
        self.people, self.forge = people, forge
        self.make_dataset, self.made, self.partition = make_dataset, {}, "201301" if parted else WHOLE

    def make_sink(self, dataset):
        if dataset not in self.made:
            self.made[dataset] = self.make_dataset(dataset, self.partition)
        made = self.made[dataset]
        return WithPruner(made.settings, dataset, made.schema, pruner=self.pruner(made))

    def catalog(self, sink):
        return MariaDBCatalog(sink.settings, sink.dataset)

    def datasets(self, sink):
        return STORE.list_datasets(sink.settings)

    def pruner(self, catalog):
        return MariaDBCatalog(self.people.settings[RoleKind.PRUNER], catalog.dataset)

    def exposer(self, catalog):
        return MariaDBCatalog(self.settings, catalog.dataset)

    def test_a_loader_exposes_nothing(self, sink):
        version = self.load(sink, rows(3))
        with pytest.raises(Forbidden, match="UPDATE command denied"):
            exposing.expose(sink, version, self.beside(sink))
        assert sink.record(version).exposed == ()

    def test_the_catalog_lists_the_dataset(self, sink):
        assert sink.dataset in self.datasets(sink)  # its owner made it
        assert f"{sink.dataset}_new" not in self.datasets(sink)


def test_a_loader_sets_marks_with_what_is_printed_and_changes_none(people, admin, command_of, settings):
    name = f"m_{secrets.token_hex(4)}"
    run = command_of(MARKED.format(name=name, owner=people.role))
    before, after = run("grants", "--format", "sql").output.split("-- Loader", 1)
    owner = people.settings[RoleKind.OWNER]
    module = import_module(run.module)
    with pytest.raises(Forbidden, match="run `luigi-sinks create` as the owner"):
        module.Marked().output().touch()
    execute(admin, before)
    made = run("create", "--user", owner.user, "--credential", owner.credential)
    assert made.output == f"mariadb: {name} is ready\n"
    execute(admin, f"-- Loader{after}")
    marker = module.Marked().output()
    assert not marker.exists()
    marker.touch()
    assert marker.exists()
    login = people.settings[RoleKind.LOADER]
    with closing(marker.connect()) as connection, connection.cursor() as cursor:
        for statement in ("DELETE FROM {}", "UPDATE {} SET update_id = 'x'", "DROP TABLE {}"):
            with pytest.raises(mariadb.Error, match="command denied"):
                cursor.execute(statement.format(f"{login.database}__v.{name}__mark"))


QUERIED = """
import luigi
from luigi_sinks import mariadb
from luigi_sinks.mariadb import MariaDBTarget
from sqlalchemy import BigInteger, Column, Integer, String

COLUMNS = [Column("id", Integer, primary_key=True), Column("name", String(20), nullable=False)]

class Theirs(luigi.ExternalTask):
    def output(self) -> luigi.LocalTarget:  # which is of no dataset, so that no rights to load it are printed
        return MariaDBTarget("{theirs}", columns=COLUMNS, connection="loading", update_id="x")

class Names(mariadb.QueryToTable):
    table, connection, owner = "{table}_names", "loading", "{owner}"
    columns = [Column("name", String(20), primary_key=True), Column("n", BigInteger)]
    query = "SELECT name, COUNT(*) AS n FROM {{{theirs}}} GROUP BY name"

    def requires(self):
        return Theirs()
"""


def test_a_query_reads_what_others_loaded_with_what_is_printed(people, admin, command_of, settings, table):
    theirs = f"{table}_theirs"
    others = MariaDBSink(settings, theirs, parse_schema(theirs, COLUMNS[:2]))
    load(others, WHOLE, Origin("x"), [(1, "x"), (2, "x")])
    run = command_of(QUERIED.format(table=table, theirs=theirs, owner=people.role))
    before, after = run("grants", "--format", "sql").output.split("-- Loader", 1)
    execute(admin, before)
    owner = people.settings[RoleKind.OWNER]
    made = run("create", "--user", owner.user, "--credential", owner.credential)
    assert made.output == f"mariadb: {table}_names is ready\n"
    task = import_module(run.module).Names()
    execute(admin, f"-- Loader{after}")
    task.run()
    assert list(task.output().rows()) == [{"name": "x", "n": 2}]
    granted = set(after.splitlines())
    assert {line for line in granted if theirs in line} == {
        f"GRANT SELECT ON `{database}`.`{theirs}__{kind}` TO `{people.role}`;"
        for database, kind in (
            (settings.database, "head"),
            (f"{settings.database}__v", "g1"),
            (f"{settings.database}__v", "log"),
        )
    }


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


VERBS = [
    "DELETE FROM {}",
    "DROP TABLE {}",
    "DROP VIEW {}",
    "TRUNCATE {}",
    "ALTER TABLE {} ADD COLUMN spoilt INT",
    "ALTER TABLE {} RENAME TO {hidden}.spoilt",
    "RENAME TABLE {} TO {hidden}.spoilt",
    "CREATE OR REPLACE TABLE {} (id INT)",
    "CREATE OR REPLACE VIEW {} AS SELECT 1",
    "CREATE INDEX spoilt ON {} (id)",
    "CREATE TRIGGER {hidden}.spoilt BEFORE INSERT ON {} FOR EACH ROW SET @spoilt = 1",
    "LOCK TABLES {} WRITE",
    "GRANT ALL ON {} TO {role}",
    "LOAD DATA LOCAL INFILE '/dev/null' REPLACE INTO TABLE {}",
]
"""Tried on each table and view of the dataset, of another one of the owner, and of another owner's."""

OTHERS = ["SELECT * FROM {}", "INSERT INTO {} SELECT * FROM {}", "HANDLER {} OPEN", "SHOW CREATE TABLE {}"]
"""Tried on what is another owner's."""

SINGLE = [
    "DROP DATABASE {hidden}",
    "CREATE TABLE {hidden}.spoilt (id INT)",
    "CREATE PROCEDURE {hidden}.spoilt() SELECT 1",
    "CREATE FUNCTION {hidden}.spoilt() RETURNS INT RETURN 1",
    "CREATE EVENT {hidden}.spoilt ON SCHEDULE EVERY 1 DAY DO SELECT 1",
    "CREATE USER spoilt",
    "SET ROLE {role}_owner",
    "SET ROLE {role}_pruner",
    "SET GLOBAL innodb_lock_wait_timeout = 1",
    "SET pseudo_thread_id = 1",
    "SET PASSWORD FOR root@localhost = ''",
    "SELECT * FROM mysql.global_priv",
    "SELECT * FROM {base} INTO OUTFILE '/tmp/spoilt'",
    "SHOW GRANTS FOR {role}_owner",
    "FLUSH TABLES {base} WITH READ LOCK",
    "UPDATE {base} SET name = 'spoilt'",
    "UPDATE {add} SET name = 'spoilt'",
    "UPDATE {view} SET name = 'spoilt'",
    "UPDATE {head} SET seq = {retired}",
    "UPDATE {log} SET record = '{{}}'",
    "UPDATE {log} SET id = 'spoilt'",
    "UPDATE {parts} SET row_count = 0",
    "UPDATE {open} SET seq = {published}",
    "INSERT INTO {head} (`partition`, epoch) VALUES ('x', 0)",
    "INSERT INTO {open} VALUES (CONNECTION_ID(), {published})",
    "INSERT INTO {log} (`partition`, id, update_id, record) VALUES ('_all', 'x', 'x', '{{}}')",
    "INSERT INTO {base} (id, name, _seq) VALUES (77, 'spoilt', {published})",
    "INSERT INTO {view} (id, name) VALUES (77, 'spoilt')",
    "INSERT INTO {add} (id, name, _seq) VALUES (77, 'spoilt', {published})",
    "INSERT INTO {add} (id, name, _seq) VALUES (77, 'spoilt', {staged})",
    "INSERT INTO {add} (id, name, _seq) VALUES (0, 'spoilt', {published}) ON DUPLICATE KEY UPDATE name = 'spoilt'",
    "REPLACE INTO {add} (id, name, _seq) VALUES (0, 'spoilt', {published})",
    "DROP PROCEDURE {step}",
    "ALTER PROCEDURE {step} SQL SECURITY INVOKER",
    "CALL {drop}({retired}, 'dropping')",
    "CALL {others_move}(1, 1, '', '', '', NULL)",
    "CALL {others_step}(1, '{{}}')",
    "CALL {call_open}({staged})",  # without a transaction each statement of it would be one
    "CALL {step}({staged}, '{{}}')",
    "CALL {move}({validated}, {epoch}, '', '', '', NULL)",
]
"""Tried as they are."""

_ADD = "INSERT INTO {{add}} (id, name, _seq) VALUES (77, 'spoilt', {})"
ALLOWED = {
    "SELECT * FROM {base}": "it reads all versions of its datasets",
    "SELECT * FROM {log}": "it reads their history",
    "SELECT * FROM {head}": "and their heads",
    "SELECT * FROM {parts}": "and what arrived",
    "SELECT * FROM {open}": "and which sessions bring it",
    "SELECT * FROM {view}": "as readers do",
    "SHOW CREATE VIEW {view}": "the view tells how the dataset is partitioned",
    "SHOW CREATE PROCEDURE {move}": "what a procedure does is no secret",
    "INSERT INTO {parts} VALUES ({staged}, 99, 1, NULL)": "it marks parts; one mark too many, and that load fails",
    "OPTIMIZE TABLE {parts}": "changes nothing; the right to insert permits it",
    "CREATE TEMPORARY TABLE {hidden}.spoilt (id INT)": "declared columns are compared by one; nobody else sees it",
    "SHOW PROCESSLIST": "each login sees its own sessions",
    f"START TRANSACTION; CALL {{call_open}}({{staged}}); {_ADD.format('{staged}')}; COMMIT": "it stages rows",
    "START TRANSACTION; CALL {step}({retired}, {retired_record}); COMMIT": "it pins, and changes no more",
    "START TRANSACTION; CALL {step}({staged}, {abandoned}); COMMIT": "it gives up loads, as it does for dead ones",
}
"""What succeeds, and why; README and docs/owners-and-grants.md say what follows from it."""

_SHADOW = "CREATE TEMPORARY TABLE {log} AS SELECT * FROM {log}"
_FORGED = "UPDATE {log} SET record = JSON_SET(record, '$.state', 'validated', '$.rows', 0) WHERE seq = {staged}"
ATTACKS = [
    *(f"CALL {{call_open}}({{{version}}})" for version in ("published", "retired", "validated")),
    f"CALL {{call_open}}({{staged}}); {_ADD.format('{published}')}",
    f"CALL {{call_open}}({{staged}}); {_ADD.format('{published}').replace('VALUES (', 'SELECT ')[:-1]}",
    f"{_SHADOW}; {_FORGED}; CALL {{move}}({{staged}}, {{epoch}}, '2026-01-02T03:04:05Z', '', '', NULL)",
    f"{_SHADOW}; UPDATE {{log}} SET record = JSON_SET(record, '$.state', 'staged'); CALL {{call_open}}({{published}})",
    f"CREATE TEMPORARY TABLE {{open}} SELECT CONNECTION_ID() connection, {{staged}} seq; {_ADD.format('{staged}')}",
    "CREATE TEMPORARY TABLE {head} SELECT 7 epoch; CALL {move}({validated}, 7, '2026-01-02T03:04:05Z', '', '', NULL)",
    *(f"CALL {{move}}({{{version}}}, {{epoch}}, '', '', '', NULL)" for version in ("staged", "published")),
    "CALL {move}({validated}, {epoch} - 1, '', '', '', NULL)",
    "CALL {move}(4000000000, 0, '', '', '', NULL)",
    *(f"CALL {{step}}({{{version}}}, {{abandoned}})" for version in ("published", "retired")),
    *(
        f"CALL {{step}}({{{version}}}, {{{record}}})"
        for version in ("staged", "validated", "published", "retired")
        for record in ("dropping", "repeated", "escaped", "counted", "format_1", "junk")
    ),
    *(f"CALL {{step}}({{{version}}}, {{retired_record}})" for version in ("staged", "validated", "published")),
    "CALL {step}({validated}, {again})",
    *(f"CALL {{void}}({{{version}}}, '2026-01-02T03:04:05Z', '', '')" for version in ("staged", "validated")),
    *(
        f"CALL {{none}}({{{version}}}, {{epoch}}, '2026-01-02T03:04:05Z')"
        for version in ("staged", "validated", "retired", "published")
    ),
    "CALL {others_void}(1, '2026-01-02T03:04:05Z', '', '')",
    *(
        f"CALL {{new}}('_all', 'v1', 'x', {{{record}}})"
        for record in ("retired_record", "abandoned", "repeated", "escaped", "counted", "format_1", "junk")
    ),
]
"""Tried in one transaction each."""


@pytest.fixture
def hostile(make_dataset, people, settings, admin, table):
    """Give names and numbers that a hostile loader would use, and check in the end that nothing was spoilt.

    The dataset has a retired, a published, a validated and a staged version; another one is another owner's.
    """
    mine = make_dataset(table)
    others = MariaDBSink(settings, f"{table}_theirs", mine.schema)
    for sink in (mine, others):
        for count in (2, 3):
            load(sink, WHOLE, Origin("Load_1"), rows(count))
    stages = [opened(mine) for _ in range(2)]
    stages[0].write(part(stages[0], [(1, "one", None)]))
    stages[0].seal()
    mine.change(stages[0].version, rules.approve)
    head = mine.head(WHOLE)
    names = {
        name: getattr(mine.names, name) for name in ("base", "head", "view", "log", "parts", "open", "add", "hidden")
    }
    names |= {each.suffix[2:]: mine.names.procedure(each.suffix) for each in guard.ALL if each is not guard.OPENED}
    names |= {f"others_{each.suffix[2:]}": others.names.procedure(each.suffix) for each in guard.ALL}
    names |= {"call_open": mine.names.procedure(guard.OPENED.suffix), "role": people.role, "epoch": head.epoch}
    names |= records(mine.record(stages[1].version))
    names |= {"staged": stages[1].seq, "validated": stages[0].seq, "published": head.record.seq}
    before = seen(mine), seen(others)
    yield Hostile(mine, others, {**names, "retired": next(mine.records()).seq})
    assert (seen(mine), seen(others)) == before


def records(record):
    """Return what a hostile loader would write into a registry, as SQL strings."""
    true = stored.to_json(record)
    published = {"publications": [{"epoch": 1, "at": "2026-01-02T03:04:05Z", "by": "", "why": ""}], "rows": 2}
    bodies = {
        "again": true,
        "abandoned": {**true, "state": "abandoned"},
        "dropping": {**true, "state": "dropping"},
        "retired_record": {**true, **published, "state": "retired"},
        "counted": {**true, "state": "validated", "rows": 5},
        "format_1": {key: value for key, value in true.items() if key != "format"} | {"published_at": "2026-01-02"},
    }
    texts = {name: json.dumps(body) for name, body in bodies.items()}
    rest = json.dumps({**true, **published, "state": "retired"})
    texts["repeated"] = json.dumps(true)[:-1] + ", " + rest[1:]
    texts["escaped"] = '{"st\\u0061te": "staged", ' + rest[1:]
    texts["junk"] = '{"format": 2, "state": "staged", "rows": null, "publications": []'
    return {name: "'" + text.replace("\\", "\\\\").replace("'", "''") + "'" for name, text in texts.items()}


@dataclass(frozen=True)
class Hostile:
    mine: MariaDBSink
    others: MariaDBSink
    names: dict


def opened(sink):
    """Return a stage whose load is at work."""
    with held("of a load at work") as claim:
        return sink.begin(staged(sink, claim))


def seen(sink):
    """Return what a hostile loader must not change: heads, and all that was published, with its rows."""
    records = [record for record in sink.records() if record.publications]
    return sink.heads(), records, [sorted(sink.read(record.version), key=str) for record in records]


def test_the_server_refuses_what_is_not_a_loaders_work(hostile, as_loader):
    succeeded = []
    objects = [getattr(hostile.mine.names, name) for name in ("base", "head", "view", "log", "parts", "open", "add")]
    theirs = [getattr(hostile.others.names, name) for name in ("base", "head", "view", "log", "parts", "open", "add")]
    statements = [
        *(verb.replace("{}", place).format(**hostile.names) for verb in VERBS for place in (*objects, *theirs)),
        *(verb.replace("{}", place).format(**hostile.names) for verb in OTHERS for place in theirs),
        *(statement.format(**hostile.names) for statement in SINGLE),
    ]
    for statement in statements:
        try:
            as_loader(statement)
        except mariadb.Error:
            continue
        succeeded.append(statement)
    assert succeeded == []


def test_what_a_loader_can_do_beside_loads_is_on_a_list(hostile, as_loader):
    for statements in ALLOWED:
        for statement in statements.format(**hostile.names).split("; "):
            as_loader(statement)


def test_procedures_and_view_refuse_what_would_change_what_was_published(hostile, as_loader):
    succeeded = []
    for attack in ATTACKS:
        as_loader("START TRANSACTION")
        try:
            for statement in attack.format(**hostile.names).split("; "):
                as_loader(statement)
        except mariadb.Error:
            as_loader("ROLLBACK")
            as_loader("DROP TEMPORARY TABLE IF EXISTS {log}, {head}, {open}".format(**hostile.names))
            continue
        as_loader("COMMIT")
        succeeded.append(attack)
    assert succeeded == []


def test_a_loader_withdraws_for_good(sink, people, as_loader):
    first, second = (load(sink, WHOLE, Origin("Load_1"), rows(count)) or sink.head(WHOLE) for count in (2, 3))
    versions.withdraw(sink, first.version, why="wrong")
    seq, log = first.record.seq, sink.record(first.version)
    taken_back = json.dumps({**stored.to_json(log), "withdrawn": None}).replace("'", "''")
    as_loader("START TRANSACTION")
    as_loader(f"CALL {sink.names.procedure('__step')}({seq}, '{taken_back}')")
    as_loader(f"CALL {sink.names.procedure('__void')}({seq}, '2026-01-02T03:04:05Z', 'somebody', 'else')")
    as_loader("COMMIT")
    assert sink.record(first.version) == log
    as_loader("START TRANSACTION")
    with pytest.raises(mariadb.Error, match="cannot be published"):
        as_loader(f"CALL {sink.names.procedure('__move')}({seq}, 2, '2026-01-02T03:04:05Z', '', '', NULL)")
    as_loader("ROLLBACK")
    assert sink.head(WHOLE) == second


def test_a_statement_that_began_before_a_version_was_sealed_adds_no_rows_to_it(hostile, people, admin):
    names, ended = hostile.names, []
    slow = f"INSERT INTO {names['add']} (id, name, _seq) SELECT 77, 'spoilt', {names['staged']} FROM {names['head']}"
    login = people.settings[RoleKind.LOADER]

    def attack():
        with closing(_connection(login, _password(login))) as connection, connection.cursor() as cursor:
            cursor.execute(f"SET ROLE {people.role}")
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
            cursor.execute("START TRANSACTION")
            cursor.execute(f"CALL {names['call_open']}({names['staged']})")
            cursor.execute("COMMIT")
            try:
                cursor.execute(f"{slow} WHERE SLEEP(60) = 0")
            except mariadb.Error as error:
                ended.append(error)

    thread = threading.Thread(target=attack)
    thread.start()
    running = "SELECT 1 FROM information_schema.PROCESSLIST WHERE INFO LIKE ?"
    while not (admin.execute(running, (f"{slow}%",)) or admin.fetchall()):
        time.sleep(0.05)
    (stage,) = [hostile.mine.attach(each.version) for each in hostile.mine.records() if each.seq == names["staged"]]
    assert stage.seal().rows == 0
    thread.join()
    assert ended
    assert hostile.mine.count(stage.version) == 0


def test_an_old_snapshot_does_not_open_a_version_again(hostile, as_loader):
    as_loader("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    as_loader("START TRANSACTION")
    as_loader("CALL {call_open}({staged})".format(**hostile.names))
    as_loader("COMMIT")
    as_loader("START TRANSACTION WITH CONSISTENT SNAPSHOT")
    version = next(record.version for record in hostile.mine.records() if record.seq == hostile.names["staged"])
    hostile.mine.change(version, rules.close)
    for what in ("VALUES (77, 'spoilt', {staged})", "SELECT 77, 'spoilt', {staged}"):
        with pytest.raises(mariadb.Error, match=r"CHECK OPTION failed|Record has changed since last read"):
            as_loader(f"INSERT INTO {{add}} (id, name, _seq) {what}".format(**hostile.names))


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
    with pytest.raises(BadSetting, match=r"'name' is varchar\(30\).*can break readers"):
        grants.create(replace(owner, schema=sink.schema), WHOLE, RoleKind.OWNER.role(people.role))


def test_columns_are_the_owners_to_change_and_a_loader_then_needs_no_further_right(sink, people):
    load(sink, WHOLE, Origin("Load_1"), rows(1))
    columns = [COLUMNS[0], Column("name", String(300)), COLUMNS[2], Column("added", Integer)]
    changed = replace(sink, schema=parse_schema(sink.dataset, columns))
    with pytest.raises(Forbidden, match="run `luigi-sinks create` as the owner"):
        load(changed, WHOLE, Origin("Load_1"), [(1, "one", None, 2)])
    owner = replace(people.sink(RoleKind.OWNER, sink.dataset), schema=changed.schema)
    grants.create(owner, WHOLE, RoleKind.OWNER.role(people.role))
    for name in ("two", None):
        load(changed, WHOLE, Origin("Load_1"), [(1, name, None, 2)])
        assert list(changed.read(sink.head(WHOLE).version)) == [{"id": 1, "name": name, "amount": None, "added": 2}]


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
    move = f"{settings.database}__v.{luigi_sinks.table}__move"
    admin.execute(f"REVOKE SELECT ON {settings.database}.{head} FROM {people.role}")
    admin.execute(f"REVOKE EXECUTE ON PROCEDURE {move} FROM {people.role}")
    admin.execute(f"GRANT DELETE, UPDATE (name) ON {base} TO {people.role}")
    checked = check(luigi_sinks, settings)
    assert checked.exit_code == 1
    found = [line.partition(": ")[2] for line in checked.output.splitlines() if line[0] == "-"]
    assert found == [
        f"{people.role}: EXECUTE ON PROCEDURE `{settings.database}__v`.`{luigi_sinks.table}__move`",
        f"{people.role}: SELECT ON `{settings.database}`.{head}",
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
