"""A loader, an owner and a pruner on a real cluster, with exactly the roles that `luigi-sinks grants` prints.

Once the loader publishes too, and once a publisher does it, apart from the loader.
"""

import base64
import json
import secrets
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from luigi.configuration import get_config

from luigi_sinks import BadSetting, Conflict, Forbidden, Origin, State, exposing, load, versions
from luigi_sinks.elasticsearch import ElasticsearchCatalog, ElasticsearchSink, grants, names
from luigi_sinks.elasticsearch.catalog import datasets
from luigi_sinks.elasticsearch.connection import ask
from luigi_sinks.elasticsearch.marks import ElasticsearchMarks
from luigi_sinks.elasticsearch.schema import parse_schema
from luigi_sinks.mark import Mark
from luigi_sinks.role_kind import RoleKind
from luigi_sinks.testing.changing_suite import ChangingSuite
from luigi_sinks.testing.loader_suite import LoaderSuite
from luigi_sinks.testing.servers import elasticsearch as server
from luigi_sinks.testing.servers import state as states
from luigi_sinks.testing.suite import failing_after, rows
from luigi_sinks.version import WHOLE

MAPPING = {"id": {"type": "integer"}, "name": {"type": "keyword"}, "amount": {"type": "double"}}
TASKS = """
from luigi_sinks import elasticsearch

class Delays(elasticsearch.CopyToIndex):
    index, connection, owner, id_field = "{dataset}", "{owner}", "{owner}", "id"
    mapping = {{"id": {{"type": "integer"}}}}
"""


@dataclass(frozen=True)
class People:
    """Who there is: the name of the role and of the connection, who logs in how, and names for datasets."""

    role: str
    settings: dict
    clients: dict
    datasets: list
    names: tuple
    takes_changes: bool = False

    @contextmanager
    def dataset(self, cluster):
        """Name a dataset that is not there, and leave nothing of it; a role for more names is slower."""
        name = self.datasets.pop()
        yield name
        cluster.delete(name)
        self.datasets.insert(0, name)

    def sink(self, role_kind, dataset):
        schema = parse_schema(dataset, MAPPING, {}, "id")
        return ElasticsearchSink(self.settings[role_kind], dataset, schema, takes_changes=self.takes_changes)


@pytest.fixture(scope="module")
def people(settings, cluster, tmp_path_factory):
    """Have an owner, a loader who publishes, and a pruner."""
    everybody = [each for each in RoleKind if each is not RoleKind.PUBLISHER]
    with gathered(everybody, settings, cluster, tmp_path_factory.mktemp("secrets")) as made:
        yield made


@pytest.fixture(scope="module")
def people_apart(settings, cluster, tmp_path_factory):
    """Have an owner, a loader, a publisher and a pruner."""
    with gathered(list(RoleKind), settings, cluster, tmp_path_factory.mktemp("secrets")) as made:
        yield made


@pytest.fixture(scope="module")
def people_changing(settings, cluster, tmp_path_factory):
    """Have the same, whose loads are of changes."""
    with gathered(list(RoleKind), settings, cluster, tmp_path_factory.mktemp("secrets"), takes_changes=True) as made:
        yield made


@contextmanager
def gathered(role_kinds, settings, cluster, folder, *, takes_changes=False):
    """Have users, each with the role that is printed for some datasets, which do not exist yet.

    Users and roles are in the server's files: this server lacks a module that its own index of them needs.
    """
    role = f"team_{secrets.token_hex(4)}"
    datasets = [f"es_{secrets.token_hex(4)}" for _ in range(60)]
    found, clients, hashes = {}, {}, {}
    sections = f"[luigi_sinks.owner.{role}]\nelasticsearch_role = {role}\n"
    for role_kind in role_kinds:
        user, secret = f"{role_kind}_{secrets.token_hex(4)}", secrets.token_urlsafe()
        (folder / user).write_text(secret)
        (folder / user).chmod(0o600)
        hashes[user] = server._hashed(secret)
        sections += f"[luigi_sinks.credential.{user}]\nsource = file\npath = {folder / user}\n"
        found[role_kind] = replace(settings, user=user, credential=user, owner=role)
        clients[role_kind] = replace(cluster, login=base64.b64encode(f"{user}:{secret}".encode()).decode())
    if publisher := found.get(RoleKind.PUBLISHER):
        login = {"publish_credential": publisher.credential, "publish_user": publisher.user}
        found[RoleKind.LOADER] = replace(found[RoleKind.LOADER], **login)
    sections += f"[luigi_sinks.elasticsearch.{role}]\n" + "".join(
        f"{key} = {value}\n" for key, value in vars(found[RoleKind.LOADER]).items() if value not in {None, ""}
    )
    config = get_config()
    before = set(config.sections())
    config.read_string(sections)
    made = People(role, found, clients, datasets, tuple(datasets), takes_changes)
    marked = [ElasticsearchMarks(found[RoleKind.LOADER], each) for each in made.names[:2]]
    roles = grants.roles([*(made.sink(RoleKind.LOADER, each) for each in datasets), *marked], role)
    printed = json.loads(grants.text(roles))["roles"]
    lines = {
        "users": [f"{user}:{hashed}" for user, hashed in hashes.items()],
        "users_roles": [f"{role_kind.role(role)}:{found[role_kind].user}" for role_kind in role_kinds],
        "roles.yml": [f"{name}: {json.dumps(descriptor)}" for name, descriptor in printed.items()],
    }
    with server.lines_added(states.find().place(server.SERVER), lines):
        until(lambda: all(client("GET", "/_security/_authenticate").get("roles") for client in clients.values()))
        until(lambda: are_roles_known(cluster, clients.values()))
        yield made
    for section in set(config.sections()) - before:
        config.remove_section(section)


def test_a_loader_sets_marks_and_changes_none(people):
    owner, loader = (
        ElasticsearchMarks(people.settings[kind], people.names[0]) for kind in (RoleKind.OWNER, RoleKind.LOADER)
    )
    first, second = (Mark(Origin(update_id), datetime.now(UTC)) for update_id in ("first", "second"))
    assert not loader.known({"first"})
    with pytest.raises(Forbidden, match="run `luigi-sinks create` as the owner"):
        loader.add([first])
    owner.create()
    for _ in range(2):
        loader.add([first, second])
    assert loader.known({"first", "second", "third"}) == {"first", "second"}
    with pytest.raises(Forbidden):
        ask(loader.settings, lambda es: es.index(index=loader.index, id=first.digest, document={"update_id": "x"}))
    with pytest.raises(Forbidden):
        ask(loader.settings, lambda es: es.delete(index=loader.index, id=first.digest))
    with pytest.raises(Forbidden):
        ask(loader.settings, lambda es: es.indices.delete(index=loader.index))


def until(is_so):
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def are_roles_known(cluster, clients):
    """Tell whether the server has read each user's role.

    It keeps in mind, past the next reading of the file, that a role was not there when its user was first seen.
    """
    cluster("POST", "/_security/role/*/_clear_cache")
    return all(client("GET", "/_security/user/_privileges").get("indices") for client in clients)


def may(client, index, privilege):
    """Ask the server whether the user has a privilege."""
    asked = {"index": [{"names": [index], "privileges": [privilege]}]}
    return client("POST", "/_security/user/_has_privileges", asked).get("has_all_requested")


@pytest.fixture
def dataset(people, cluster):
    """Name a dataset that was never loaded, and leave nothing of it."""
    with people.dataset(cluster) as name:
        yield name


@pytest.fixture
def sink(people, dataset):
    """Have the owner make a dataset; give it to the loader."""
    people.sink(RoleKind.OWNER, dataset).create()
    return people.sink(RoleKind.LOADER, dataset)


class TestLoader(LoaderSuite):
    """It does all that it must beside a publisher, whose login publishes."""

    denied = "indices:admin/delete"
    too_long = "x" * 32_767

    @pytest.fixture
    def people(self, people_apart):
        return people_apart

    @pytest.fixture
    def sink(self, people, cluster):
        with ExitStack() as made:
            self.people, self.new = people, lambda: made.enter_context(people.dataset(cluster))
            yield self.another()

    def make_sink(self, dataset):
        return self.people.sink(RoleKind.LOADER, dataset)

    def catalog(self, sink):
        return ElasticsearchCatalog(sink.settings, sink.dataset)

    def datasets(self, sink):
        return datasets(sink.settings)

    def another(self, sink=None):
        dataset = self.new()
        self.people.sink(RoleKind.OWNER, dataset).create()
        return self.make_sink(dataset)

    def beside(self, sink):
        return names.exposure(sink.dataset, "before")

    def pruner(self, catalog):
        return ElasticsearchCatalog(self.people.settings[RoleKind.PRUNER], catalog.dataset)

    def test_none_in_a_required_field_is_refused(self, sink):
        """No field but the id is required here."""
        given = [{"id": 1, "name": None, "amount": 1.5}, {"id": 2}]
        assert self.read(sink, self.load(sink, given)) == given

    def test_the_catalog_lists_the_dataset(self, sink):
        """It is there since its owner made the registry; those that are others' are not shown."""
        load(sink, WHOLE, Origin("Load_1"), rows(1))
        assert {sink.dataset} <= set(self.datasets(sink)) <= set(self.people.names)


def test_a_publisher_exposes_and_a_loader_without_one_does_not(published_apart, people_apart):
    version = published_apart.head(WHOLE).version
    name = names.exposure(published_apart.dataset, "before")
    alone = ElasticsearchCatalog(
        replace(published_apart.settings, publish_credential="", publish_user=""), published_apart.dataset
    )
    with pytest.raises(Forbidden, match="indices:admin/aliases"):
        exposing.expose(alone, version, name)
    assert published_apart.record(version).exposed == ()
    exposing.expose(published_apart, version, name)
    assert published_apart.shows(version, name)
    exposing.hide(published_apart, version, name)


def test_a_loader_without_a_publisher_publishes_and_takes_back_itself(sink):
    first, second = (load_rows(sink, count) for count in (3, 4))
    versions.roll_back(sink, first)
    assert (sink.head(WHOLE).version, len(list(sink.read(first)))) == (first, 3)
    third = load_rows(sink, 5)
    versions.withdraw(sink, third, why="doubled")
    assert sink.head(WHOLE).version == second
    with pytest.raises(ZeroDivisionError):
        load(sink, WHOLE, Origin("Load_1"), failing_after(5_000))
    states = {record.version: record.state for record in sink.records()}
    assert [states[version] for version in (first, second, third)] == [State.RETIRED, State.PUBLISHED, State.RETIRED]
    assert sink.publisher == sink.login


def load_rows(sink, count):
    load(sink, WHOLE, Origin("Load_1"), rows(count))
    return sink.head(WHOLE).version


class TestLoaderOfChanges(ChangingSuite):
    """It makes versions of changes beside a publisher."""

    @pytest.fixture(autouse=True)
    def _people(self, people_changing, cluster):
        with ExitStack() as made:
            self.people, self.new = people_changing, lambda: made.enter_context(people_changing.dataset(cluster))
            yield

    def make_sink(self, dataset):
        dataset = self.new()
        self.people.sink(RoleKind.OWNER, dataset).create()
        return self.people.sink(RoleKind.LOADER, dataset)

    def pruner(self, sink):
        return ElasticsearchCatalog(self.people.settings[RoleKind.PRUNER], sink.dataset)


@pytest.fixture(scope="module")
def published_changed(people_changing, cluster):
    with one_version(people_changing, cluster) as sink:
        yield sink


@pytest.fixture(scope="module")
def published(people, cluster):
    with one_version(people, cluster) as sink:
        yield sink


@pytest.fixture(scope="module")
def published_apart(people_apart, cluster):
    with one_version(people_apart, cluster) as sink:
        yield sink


@contextmanager
def one_version(people, cluster):
    """Have a dataset with one version, which nobody's attempts change."""
    with people.dataset(cluster) as dataset:
        people.sink(RoleKind.OWNER, dataset).create()
        sink = people.sink(RoleKind.LOADER, dataset)
        load(sink, WHOLE, Origin("Load_1"), rows(3))
        yield sink


WRITES = [
    ("PUT", "/{index}/_doc/0", {"id": 0, "name": "spoilt"}),
    ("PUT", "/{index}/_create/0", {"id": 0, "name": "spoilt"}),
    ("PUT", "/{dataset}/_doc/0", {"id": 0, "name": "spoilt"}),
    ("POST", "/{index}/_update/0", {"doc": {"name": "spoilt"}}),
    ("DELETE", "/{index}/_doc/0", None),
]


ATTEMPTS = [
    *WRITES,
    ("DELETE", "/{index}", None),
    ("DELETE", "/{dataset}~registry", None),
    ("POST", "/_aliases", {"actions": [{"remove_index": {"index": "{dataset}~registry"}}]}),
    ("POST", "/{index}/_close", None),
    ("POST", "/{index}/_clone/{index}copy", None),
    ("PUT", "/{index}/_mapping", {"properties": {"new": {"type": "keyword"}}}),
    ("POST", "/{index}/_forcemerge", None),
    ("PUT", "/_security/role/{role}", {"cluster": ["all"]}),
]


@pytest.mark.parametrize(("method", "path", "body"), ATTEMPTS)
def test_the_server_keeps_a_loader_from_what_is_published(published, people, method, path, body):
    assert attempt(published, people, method, path, body) <= {400, 403, 409}


@pytest.mark.parametrize(("method", "path", "body"), ATTEMPTS)
def test_the_server_keeps_a_loader_of_changes_from_what_is_published(
    published_changed, people_changing, method, path, body
):
    assert attempt(published_changed, people_changing, method, path, body) <= {400, 403, 409}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        *ATTEMPTS,
        ("POST", "/_aliases", {"actions": [{"remove_index": {"index": "{index}"}}]}),
        ("POST", "/_aliases", {"actions": [{"remove": {"index": "{index}", "alias": "{dataset}"}}]}),
        (
            "POST",
            "/_aliases",
            {"actions": [{"add": {"index": "{index}", "alias": "{dataset}", "filter": {"ids": {}}}}]},
        ),
        ("DELETE", "/{index}/_alias/{dataset}", None),
        ("PUT", "/{dataset}~_all~v20990101t000000_aaaaaa", {"aliases": {"{dataset}": {}}}),
        ("PUT", "/{dataset}~_all~v20990101t000000_aaaaaa", None),
        ("PUT", "/{index}/_settings", {"index.blocks.write": False}),
        ("DELETE", "/{index}/_block/write", None),
        ("PUT", "/{index}/_block/read", None),
        ("POST", "/{dataset}~_all~head/_rollover/{index}copy", None),
        ("POST", "/{index}/_split/{index}copy", {"settings": {"index.number_of_shards": 2}}),
        ("POST", "/{index}/_shrink/{index}copy", None),
        ("POST", "/_bulk", [{"create": {"_index": "{index}", "_id": "0"}}, {"id": 0, "name": "spoilt"}]),
        ("POST", "/_bulk", [{"index": {"_index": "{index}", "_id": "0"}}, {"id": 0, "name": "spoilt"}]),
        ("POST", "/_bulk", [{"update": {"_index": "{index}", "_id": "0"}}, {"doc": {"name": "spoilt"}}]),
        ("POST", "/_bulk", [{"delete": {"_index": "{index}", "_id": "0"}}]),
    ],
)
def test_the_server_keeps_a_loader_beside_a_publisher_from_all_that_harms(
    published_apart, people_apart, method, path, body
):
    assert attempt(published_apart, people_apart, method, path, body) == {403}


@pytest.mark.parametrize("action", ["update/byquery", "delete/byquery", "reindex"])
def test_a_loader_beside_a_publisher_may_change_nothing_by_query(published_apart, people_apart, action):
    """The server at hand lacks these calls, so it is asked who may."""
    index = names.index(published_apart.head(WHOLE).version)
    assert may(people_apart.clients[RoleKind.LOADER], index, "read")
    assert not may(people_apart.clients[RoleKind.LOADER], index, f"indices:data/write/{action}")


@pytest.mark.parametrize(
    ("method", "path", "body"), [*WRITES, ("DELETE", "/{index}", None), ("GET", "/{index}/_search", None)]
)
def test_a_publisher_neither_writes_reads_nor_deletes_by_name(published_apart, people_apart, method, path, body):
    assert attempt(published_apart, people_apart, method, path, body, by=RoleKind.PUBLISHER) == {403}


def test_a_forged_record_has_nothing_deleted_by_a_publisher_who_may_delete(people_apart, settings, cluster):
    with one_version(people_apart, cluster) as sink:
        first = sink.head(WHOLE).version
        load(sink, WHOLE, Origin("Load_1"), rows(5))
        document = cluster("GET", f"/{names.registry(sink.dataset)}/_doc/1")["_source"]
        document["record"].update(state="staged", publications=[])
        people_apart.clients[RoleKind.LOADER]("PUT", f"/{names.registry(sink.dataset)}/_doc/1?refresh=true", document)
        login = {"publish_credential": settings.credential, "publish_user": settings.user}
        powerful = replace(sink, settings=replace(sink.settings, **login))
        with pytest.raises(Conflict, match="though its record denies it; its rows are not deleted"):
            versions.abandon(powerful, first)
        assert cluster.count(names.index(first)) == 3


def test_a_publisher_whom_nobody_knows_is_named_and_what_was_published_stays(people_apart, cluster):
    with one_version(people_apart, cluster) as sink:
        first = sink.head(WHOLE).version
        unknown = replace(sink, settings=replace(sink.settings, publish_credential="nobody"))
        with pytest.raises(BadSetting, match=r"\[luigi_sinks.credential.nobody\] in luigi.cfg"):
            load(unknown, WHOLE, Origin("Load_1"), rows(4))
        assert sink.head(WHOLE).version == first
        load(sink, WHOLE, Origin("Load_1"), rows(5))
        assert cluster.count(sink.dataset) == 5


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
def test_documents_are_safe_from_a_loader_who_takes_the_block_off(published, people, method, path, body):
    index = names.index(published.head(WHOLE).version)
    taken_off = people.clients[RoleKind.LOADER]("PUT", f"/{index}/_settings", {"index.blocks.write": False})
    assert taken_off == {"acknowledged": True}
    assert attempt(published, people, method, path, body) <= {400, 403, 409}


def attempt(published, people, method, path, body, by=RoleKind.LOADER):
    """Return the statuses that a role_kind's own request gets; see that it changes nothing."""
    head = published.head(WHOLE)
    words = {"{index}": names.index(head.version), "{dataset}": published.dataset, "{role}": people.role}
    lines = [_filled(json.dumps(line), words) for line in (body if isinstance(body, list) else [body] if body else [])]
    sent = "".join(f"{line}\n" for line in lines).encode() or None
    answer = people.clients[by](method, _filled(path, words), sent)
    people.clients[RoleKind.LOADER]("POST", f"/{words['{index}']}/_refresh")
    assert published.head(WHOLE) == head
    assert sorted(published.read(head.version), key=lambda row: row["id"]) == rows(3)
    assert len(list(published.records())) == 1
    results = [result for item in answer.get("items", ()) for result in item.values()] or [answer]
    return {result.get("status") for result in results}


def test_who_may_move_an_alias_may_delete_its_index(sink, people, cluster):
    """So it is in Elasticsearch 9.2; once this fails, correct the docstring of `grants`."""
    load(sink, WHOLE, Origin("Load_1"), rows(3))
    index = names.index(sink.head(WHOLE).version)
    people.clients[RoleKind.LOADER]("POST", "/_aliases", {"actions": [{"remove_index": {"index": index}}]})
    assert cluster.indices(index) == []


def test_a_pruner_deletes_retired_and_left_versions_and_no_others(sink, people, cluster):
    with pytest.raises(ZeroDivisionError):
        load(sink, WHOLE, Origin("Load_1"), failing_after(5_000))
    for count in (3, 4):
        load(sink, WHOLE, Origin("Load_1"), rows(count))
    left, retired, head = list(sink.records())
    pruner = people.sink(RoleKind.PRUNER, sink.dataset)
    for record in (left, retired):
        versions.prune(pruner, record.version, min_age=timedelta(0))
    with pytest.raises(Conflict, match="is the head"):
        versions.prune(pruner, head.version, min_age=timedelta(0))
    assert [r.state for r in sink.records()] == [State.DROPPED, State.DROPPED, State.PUBLISHED]
    assert cluster.indices(f"{sink.dataset}~") == sorted([names.index(head.version), names.registry(sink.dataset)])
    assert cluster.count(names.registry(sink.dataset)) == 3
    with pytest.raises(Forbidden):
        list(pruner.read(head.version))
    with pytest.raises(Forbidden):
        load(pruner, WHOLE, Origin("Load_1"), rows(1))
    assert len(list(sink.read(head.version))) == 4


def test_an_owner_makes_the_registry_and_loads_nothing(sink, people):
    with pytest.raises(Forbidden):
        load(people.sink(RoleKind.OWNER, sink.dataset), WHOLE, Origin("Load_1"), rows(1))


def test_an_owner_upgrades_what_an_older_release_made(people, dataset, restore):
    restore("old_months")
    people.sink(RoleKind.OWNER, dataset).create()
    sink = people.sink(RoleKind.LOADER, dataset)
    assert all(record.schema for record in sink.records())
    load(sink, "201301", Origin("Load_201301", family="Load", partition_by=("month",)), rows(2))
    assert sink.head("201301").epoch == 4


def test_a_loader_has_the_owner_upgrade_what_an_older_release_made(people, dataset, restore):
    restore("old_whole")
    sink = people.sink(RoleKind.LOADER, dataset)
    with pytest.raises(Forbidden, match="not permitted to upgrade it; run `luigi-sinks create` as the owner"):
        load(sink, WHOLE, Origin("Load_1", family="Load"), rows(2))
    people.sink(RoleKind.OWNER, dataset).create()
    load(sink, WHOLE, Origin("Load_1", family="Load"), rows(2))
    assert all(record.schema for record in sink.records())
    assert sink.head(WHOLE).epoch == 3


def test_a_loader_makes_no_registry(people, dataset):
    with pytest.raises(Forbidden, match="indices:admin/create"):
        load(people.sink(RoleKind.LOADER, dataset), WHOLE, Origin("Load_1"), rows(1))


@pytest.fixture
def luigi_sinks(people, dataset, command_of):
    """Run the command for a module of one task."""
    return command_of(TASKS.format(dataset=dataset, owner=people.role))


@pytest.fixture
def made(luigi_sinks, people):
    """Have the owner make the registry; return the tasks' module."""
    owner = people.settings[RoleKind.OWNER]
    done = luigi_sinks("create", "--user", owner.user, "--credential", owner.credential)
    assert done.exit_code == 0, done.output
    return sys.modules[luigi_sinks.module]


class TestCommand:
    def test_a_task_loads_reloads_and_tries_again_with_what_is_printed(self, made):
        ten = [{"id": number} for number in range(10)]
        delays = type("Delays", (made.Delays,), {"docs": lambda self: ten})
        failing = type("Delays", (made.Delays,), {"docs": lambda self: (row for row in ten if 7 // (7 - row["id"]))})
        for task in (delays(), delays(rerun="again")):
            task.run()
            assert task.complete()
        with pytest.raises(ZeroDivisionError):
            failing(rerun="failing").run()
        delays(rerun="at last").run()
        assert list(delays(rerun="at last").output().rows()) == ten

    def test_check_compares_with_the_role_that_the_cluster_has(
        self, luigi_sinks, settings, people, dataset, monkeypatch
    ):
        monkeypatch.setitem(get_config()[f"luigi_sinks.owner.{people.role}"], "elasticsearch_role", "viewer")
        checked = check(luigi_sinks, settings)
        assert checked.exit_code == 1
        assert f": viewer: indices:data/write/bulk* on {dataset}~*~v*\n" in checked.output
        assert f": viewer_pruner: delete_index on {dataset}~*~v*\n" in checked.output
        surplus = [line for line in checked.output.splitlines() if line.startswith("+")]
        assert surplus
        assert all(": viewer: " in line for line in surplus)


class TestCommandBesideAPublisher(TestCommand):
    @pytest.fixture
    def people(self, people_apart):
        return people_apart

    def test_check_misses_what_the_publisher_should_have(self, luigi_sinks, settings, people, dataset, monkeypatch):
        monkeypatch.setitem(get_config()[f"luigi_sinks.owner.{people.role}"], "elasticsearch_role", "viewer")
        assert f": viewer_publisher: indices:admin/aliases on {dataset}~*~v*\n" in check(luigi_sinks, settings).output


def check(luigi_sinks, settings):
    options = ("--format", "elasticsearch", "--check", "--user", settings.user, "--credential", settings.credential)
    return luigi_sinks("grants", *options)


def _filled(text, words):
    for word, value in words.items():
        text = text.replace(word, value)
    return text
