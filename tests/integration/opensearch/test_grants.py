"""An owner, a loader, a publisher and a pruner, whose requests the gate allows by the printed policies only.

Once a publisher publishes, apart from the loader, and once the loader does it.
"""

import json
import re
import secrets
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from luigi.configuration import get_config

from luigi_sinks import BadSetting, Conflict, Forbidden, Origin, State, load, versions
from luigi_sinks.claim import held
from luigi_sinks.credentials.provider import PROVIDER
from luigi_sinks.elasticsearch import ElasticsearchCatalog, ElasticsearchSink, iam, names
from luigi_sinks.elasticsearch.catalog import datasets
from luigi_sinks.elasticsearch.schema import parse_schema
from luigi_sinks.role_kind import RoleKind
from luigi_sinks.testing import servers
from luigi_sinks.testing.loader_suite import LoaderSuite
from luigi_sinks.testing.servers import aws, policies, signature_gate
from luigi_sinks.testing.servers import state as states
from luigi_sinks.testing.servers.signature_relay import Relay
from luigi_sinks.testing.suite import failing_after, rows, staged
from luigi_sinks.version import WHOLE, new_version
from tests.integration.elasticsearch.conftest import restore  # noqa: F401 - a fixture
from tests.integration.opensearch.conftest import Caller, configured
from tests.integration.opensearch.test_templates import template  # noqa: F401 - a fixture
from tests.parts import part

MAPPING = {"id": {"type": "integer"}, "name": {"type": "keyword"}, "amount": {"type": "double"}}


@dataclass
class People:
    """Who there is: the loader's role, the kinds, how they sign, and the datasets that their policies are for."""

    role: str
    kinds: list
    policies: Path
    settings: dict = field(default_factory=dict)
    datasets: list = field(default_factory=list)
    published: str | None = None

    def sink(self, kind, dataset):
        return ElasticsearchSink(self.settings[kind], dataset, parse_schema(dataset, MAPPING, {}, "id"))

    def allow(self, dataset):
        """Attach exactly what is printed, for this dataset too."""
        self.datasets.append(dataset)
        roles = iam.roles([self.sink(RoleKind.LOADER, each) for each in self.datasets], self.role)
        self.attach(json.loads(iam.text(roles))["policies"])

    def attach(self, printed):
        """Attach policies to the role that their names begin with, for the domain of the gate."""
        for kind in self.kinds:
            name = kind.role(self.role)
            documents = [policy for key, policy in printed.items() if re.fullmatch(rf"{name}(_\d+)?", key)]
            text = json.dumps(documents).replace("arn:aws:es:eu-west-1:ACCOUNT:domain/DOMAIN", signature_gate.DOMAIN)
            (self.policies / f"{name}.json").write_text(text)


@pytest.fixture(scope="module")
def people_apart(place, cluster):
    """Have an owner, a loader, a publisher and a pruner."""
    with gathered(list(RoleKind), place) as made:
        yield made
    if made.published:
        cluster.delete(made.published)


@pytest.fixture(scope="module")
def people_together(place):
    """Have an owner, a loader who publishes, and a pruner."""
    with gathered([each for each in RoleKind if each is not RoleKind.PUBLISHER], place) as made:
        yield made


@contextmanager
def gathered(kinds, place):
    """Have a role of AWS for each kind, that may do nothing yet, and a credential that assumes it."""
    servers.up(["aws"])
    role, config = f"team_{secrets.token_hex(4)}", get_config()
    folder = place.folder / signature_gate.POLICIES
    before = set(config.sections())
    for kind in kinds:
        name = kind.role(role)
        (folder / f"{name}.json").write_text("[]")
        arn = f"arn:aws:iam::{aws.ACCOUNT}:role/{name}"
        region = signature_gate.REGION
        config.read_dict(
            {
                f"luigi_sinks.credential.{name}_assumed": {"source": "assume_role", "region": region, "role": arn},
                f"luigi_sinks.credential.{name}": {"source": "sigv4", "region": region, "through": f"{name}_assumed"},
            }
        )
    yield People(role, kinds, folder)
    for kind in kinds:
        (folder / f"{kind.role(role)}.json").unlink()
    for section in set(config.sections()) - before:
        config.remove_section(section)


@pytest.fixture(params=["people_apart", "people_together"])
def people(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(autouse=True, scope="module")
def known_key():
    """Be what AWS says of a container, for all tests: to assume a role takes a tenth of a second."""
    servers.up(["aws"])
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
            patch.setenv(name, "/dev/null")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            patch.delenv(name, raising=False)
        for name, value in servers.AWS.variables(states.find().place(servers.AWS)).items():
            patch.setenv(name, value)
        PROVIDER.forget()
        yield
    PROVIDER.forget()


@pytest.fixture(autouse=True, scope="module")
def settings(place):
    """Say in luigi's configuration how OpenSearch is reached."""
    with configured(place) as found:
        yield found


@pytest.fixture(autouse=True)
def _assuming(people, settings):
    """Assume the roles of AWS."""
    people.settings = {kind: replace(settings, credential=kind.role(people.role)) for kind in people.kinds}
    if publisher := people.settings.get(RoleKind.PUBLISHER):
        loader = replace(people.settings[RoleKind.LOADER], publish_credential=publisher.credential)
        people.settings[RoleKind.LOADER] = loader


@pytest.fixture
def published(people):
    """Have a dataset with one version, which nobody's attempts change, once for all tests of these people."""
    if people.published is None:
        people.allow(dataset := f"os_{secrets.token_hex(4)}")
        people.sink(RoleKind.OWNER, dataset).create()
        load(people.sink(RoleKind.LOADER, dataset), WHOLE, Origin("Load_1"), rows(3))
        people.published = dataset
    return people.sink(RoleKind.LOADER, people.published)


@pytest.fixture
def caller(people, gate):
    """Return a function that gives a caller with the policies of a role, through a gate of the test's own."""
    made = []

    def call_as(kind, gate_kind=Relay):
        key = {**signature_gate.new_key(), "RoleArn": f"arn:aws:iam::{aws.ACCOUNT}:role/{kind.role(people.role)}"}
        _, settings = gate(gate_kind, keys=[key])
        made.append(Caller(settings, key))
        return made[-1]

    yield call_as
    for each in made:
        each.close()


@pytest.fixture
def made(people, cluster):
    """Return a function that names a dataset that was never loaded; leave nothing of it."""
    names = []

    def make():
        names.append(f"os_{secrets.token_hex(4)}")
        people.allow(names[-1])
        return names[-1]

    yield make
    for name in names:
        people.datasets.remove(name)
        cluster.delete(name)


@pytest.fixture
def dataset(made):
    return made()


@pytest.fixture
def sink(people, dataset):
    """Have the owner make a dataset; give it to the loader."""
    people.sink(RoleKind.OWNER, dataset).create()
    return people.sink(RoleKind.LOADER, dataset)


@pytest.mark.parametrize("people", ["people_apart"], indirect=True)
class TestLoader(LoaderSuite):
    denied = "es:ESHttpDelete"
    too_long = "x" * 32_767

    @pytest.fixture
    def sink(self, people, dataset, made):
        self.people, self.made = people, made
        people.sink(RoleKind.OWNER, dataset).create()
        return self.make_sink(dataset)

    def make_sink(self, dataset):
        return self.people.sink(RoleKind.LOADER, dataset)

    def catalog(self, sink):
        return ElasticsearchCatalog(sink.settings, sink.dataset)

    def datasets(self, sink):
        return datasets(sink.settings)

    def another(self, sink):
        dataset = self.made()
        self.people.sink(RoleKind.OWNER, dataset).create()
        return self.make_sink(dataset)

    def beside(self, sink):
        return names.exposure(sink.dataset, "before")

    def pruner(self, catalog):
        return ElasticsearchCatalog(self.people.settings[RoleKind.PRUNER], catalog.dataset)

    def test_a_name_that_a_dataset_has_is_refused(self, sink):
        """A publisher may not even look at other names than its own."""
        version, other = self.load(sink, rows(3)), self.another(sink)
        with pytest.raises(Forbidden, match="es:ESHttpGet"):
            self.expose(sink, version, other.dataset)
        assert sink.record(version).exposed == ()

    def test_none_in_a_required_field_is_refused(self, sink):
        """No field but the id is required here."""
        given = [{"id": 1, "name": None, "amount": 1.5}, {"id": 2}]
        assert self.read(sink, self.load(sink, given)) == given

    def test_the_catalog_lists_the_dataset(self, sink):
        """It is there since its owner made the registry."""
        load(sink, WHOLE, Origin("Load_1"), rows(1))
        assert sink.dataset in self.datasets(sink)


def test_an_owner_makes_the_registry_and_loads_nothing(sink, people):
    with pytest.raises(Forbidden, match=r"not authorized to perform: es:ESHttp\w+ because no identity-based policy"):
        load(people.sink(RoleKind.OWNER, sink.dataset), WHOLE, Origin("Load_1"), rows(1))


def test_a_loader_makes_no_registry(people, dataset):
    with pytest.raises(Forbidden, match="not authorized to perform: es:ESHttpPut"):
        load(people.sink(RoleKind.LOADER, dataset), WHOLE, Origin("Load_1"), rows(1))


def test_an_owner_upgrades_what_an_older_release_made(people, dataset, restore):  # noqa: F811 - a fixture
    restore("old_months")
    people.sink(RoleKind.OWNER, dataset).create()
    sink = people.sink(RoleKind.LOADER, dataset)
    assert all(record.schema for record in sink.records())
    load(sink, "201301", Origin("Load_201301", family="Load", partition_by=("month",)), rows(2))
    assert sink.head("201301").epoch == 4


def test_a_pruner_deletes_retired_and_left_versions_and_no_others(sink, people, cluster):
    with pytest.raises(ZeroDivisionError):
        load(sink, WHOLE, Origin("Load_1"), failing_after(5_000))
    for count in (3, 4):
        load(sink, WHOLE, Origin("Load_1"), rows(count))
    left, retired, head = list(sink.records())
    pruner = people.sink(RoleKind.PRUNER, sink.dataset)
    assert versions.sweep(pruner) == [left.version]
    versions.prune(pruner, retired.version, min_age=timedelta(0))
    with pytest.raises(Conflict, match="is the head"):
        versions.prune(pruner, head.version, min_age=timedelta(0))
    assert [r.state for r in sink.records()] == [State.FAILED, State.DROPPED, State.PUBLISHED]
    assert cluster.indices(f"{sink.dataset}~") == sorted([names.index(head.version), names.registry(sink.dataset)])
    with pytest.raises(Forbidden):
        list(pruner.read(head.version))
    with pytest.raises(Forbidden):
        load(pruner, WHOLE, Origin("Load_1"), rows(1))
    assert len(list(sink.read(head.version))) == 4


A_VERSION = "v20990101t000000_aaaaaa"
SPOILT = {"id": 0, "name": "spoilt"}
BY_NO_LOADER = [
    ("PUT", "/{index}/_doc/0", SPOILT),
    ("PUT", "/{index}/_create/0", SPOILT),
    ("PUT", "/{dataset}/_doc/0", SPOILT),
    ("POST", "/{index}/_update/0", {"doc": {"name": "spoilt"}}),
    ("DELETE", "/{index}/_doc/0", None),
    ("POST", "/{index}/_update_by_query", {}),
    ("POST", "/{index}/_delete_by_query", {"query": {"match_all": {}}}),
    ("POST", "/_reindex", {"source": {"index": "{other}"}, "dest": {"index": "{registry}"}}),
    ("DELETE", "/{index}", None),
    ("DELETE", "/{registry}", None),
    ("PUT", f"/{{dataset}}~_all~{A_VERSION}", {"aliases": {"{dataset}": {}}}),
    ("POST", "/_aliases", {"actions": [{"remove_index": {"index": "{registry}"}}]}),
    ("POST", "/_aliases", {"actions": [{"remove": {"index": "{index}", "alias": "{dataset}"}}]}),
    ("PUT", "/{index}/_alias/{dataset}", {"filter": {"ids": {}}}),
    ("DELETE", "/{index}/_alias/{dataset}", None),
    ("PUT", "/{index}/_settings", {"index.blocks.write": False}),
    ("PUT", "/{index}/_block/read", None),
    ("PUT", "/{index}/_mapping", {"properties": {"new": {"type": "keyword"}}}),
    ("PUT", "/{registry}/_mapping", {"properties": {"new": {"type": "keyword"}}}),
    ("POST", "/{index}/_close", None),
    ("POST", "/{index}/_forcemerge", None),
    ("PUT", "/{index}/_clone/{index}copy", None),
    ("POST", "/{dataset}~_all~head/_rollover/{index}copy", None),
    ("PUT", "/_cluster/settings", {"persistent": {"action.auto_create_index": True}}),
    ("PUT", "/_index_template/{dataset}", {"index_patterns": ["{dataset}~*"]}),
    ("POST", "/_bulk", [{"delete": {"_index": "{index}", "_id": "0"}}]),
    ("POST", "/{registry}/_bulk", [{"delete": {"_index": "{index}", "_id": "0"}}]),
    ("POST", "/{registry}/_bulk", [{"update": {"_index": "{index}", "_id": "0"}}, {"doc": {"name": "spoilt"}}]),
    ("POST", "/{registry}/_bulk", [{"index": {"_index": "{other}", "_id": "1"}}, SPOILT]),
    ("POST", "/{index},{other},{index}/_search", {}),
    ("POST", "/{other}/_search", {}),
    ("POST", "/_search", {}),
    ("POST", "/{registry}/_msearch", [{"index": "{other}"}, {}]),
    ("GET", "/{other}/_doc/1", None),
]
BY_NO_PUBLISHER = [
    ("PUT", f"/{{index}}/_doc/~{A_VERSION}", SPOILT),
    ("PUT", f"/{{index}}/_create/~{A_VERSION}", SPOILT),
    ("PUT", f"/{{dataset}}~_all~head/_doc/~{A_VERSION}", SPOILT),
    ("PUT", f"/{{registry}}/_doc/~{A_VERSION}", SPOILT),
    ("PUT", f"/{{index}}/_alias/~{A_VERSION}", None),
    ("PUT", f"/{{index}}/_clone/{{dataset}}~b~{A_VERSION}", None),
    ("PUT", f"/{{dataset}}~,{{other}},~{A_VERSION}/_settings", {"index.blocks.write": True}),
    ("PUT", "/{index}/_mapping", {"properties": {"new": {"type": "keyword"}}}),
    ("PUT", "/{index}/_block/read", None),
    ("PUT", "/{other}/_settings", {"index.blocks.write": True}),
    ("POST", "/{index}/_bulk", [{"delete": {"_id": "0"}}]),
    ("POST", "/{index}/_search", {}),
    ("GET", "/{index}/_doc/0", None),
    ("GET", "/{index}/_search", None),
    ("DELETE", "/{index}", None),
]
BY_NO_PRUNER = [
    ("DELETE", f"/{{registry}}/_doc/~{A_VERSION}", None),
    ("DELETE", f"/{{index}}/_alias/~{A_VERSION}", None),
    ("DELETE", f"/{{dataset}}~,{{other}},~{A_VERSION}", None),
    ("DELETE", "/{registry}", None),
    ("DELETE", "/{other}", None),
    ("POST", "/{index}/_search", {}),
    ("PUT", "/{index}/_settings", {"index.blocks.write": False}),
]


@pytest.fixture(scope="module")
def other(cluster):
    """Have an index that is nobody's of these people."""
    name = f"others_{secrets.token_hex(4)}"
    assert cluster("PUT", f"/{name}/_doc/1?refresh=true", {"secret": 1})["result"] == "created"
    yield name
    cluster.delete(name)


@pytest.mark.parametrize("people", ["people_apart"], indirect=True)
class TestApart:
    @pytest.mark.parametrize(
        ("kind", "method", "path", "body"),
        [
            *((RoleKind.LOADER, *each) for each in BY_NO_LOADER),
            *((RoleKind.PUBLISHER, *each) for each in BY_NO_PUBLISHER),
            *((RoleKind.PRUNER, *each) for each in BY_NO_PRUNER),
        ],
    )
    def test_a_role_is_kept_from_all_that_is_not_its_own(
        self, published, other, cluster, caller, kind, method, path, body
    ):
        sink, head = published, published.head(WHOLE)
        words = {"dataset": sink.dataset, "index": names.index(head.version), "other": other}
        words["registry"] = names.registry(sink.dataset)
        status, said = caller(kind)(method, filled(path, words), lines(body, words))
        by_policy, by_setting = '{"Message": "User: arn:aws:iam::', "explicit index in bulk is not allowed"
        assert (status, json.dumps(said)[: len(by_policy)]) == (403, by_policy) or by_setting in str(said), said
        assert sink.head(WHOLE) == head
        assert sorted(sink.read(head.version), key=lambda row: row["id"]) == rows(3)
        assert len(list(sink.records())) == 1
        assert cluster("GET", f"/{other}/_doc/1")["_source"] == {"secret": 1}

    def test_a_denial_is_told_apart_from_what_no_policy_allows(self, published, caller):
        pruner, index = caller(RoleKind.PRUNER), f"{published.dataset}~_all~{A_VERSION}"
        why = {path: pruner("DELETE", path)[1]["Message"] for path in (f"/{index},{index}", f"/{published.dataset}")}
        denied, not_allowed = (said.partition("es:ESHttpDelete ")[2] for said in why.values())
        assert denied == "with an explicit deny in an identity-based policy"
        assert not_allowed == "because no identity-based policy allows the es:ESHttpDelete action"

    def test_nothing_is_allowed_that_is_not_asked_for(self, people, dataset, made, cluster, gate, restore, template):  # noqa: F811
        relay, through = gate(Noting)
        for kind, settings in people.settings.items():
            people.settings[kind] = replace(settings, port=through.port)
        restore("old_months")
        template({"aliases": {"all": {}}}, "~wrong~*")
        use(people, dataset, cluster)
        refused = made()
        template({"aliases": {"all": {}}}, "~registry", dataset=refused)
        with pytest.raises(BadSetting, match="index template"):
            people.sink(RoleKind.OWNER, refused).create()
        asked = {tuple(re.sub(f"{dataset}|{refused}", "any", word) for word in found) for found in relay.noted}
        unused = [
            f"{role.name}: {right}"
            for role in iam.roles([people.sink(RoleKind.LOADER, "any")], people.role)
            for right in role.rights
            if not any(matches(right, role, *each) for each in asked)
        ]
        assert unused == []

    def test_no_document_makes_an_index_that_would_be_in_the_way(self, published, cluster, caller):
        index = f"{published.dataset}~_all~{A_VERSION}~staged"
        for path, method in (
            (f"/{index}/_bulk", "POST"),
            (f"/{names.registry(published.dataset)}~staged/_bulk", "POST"),
        ):
            caller(RoleKind.LOADER)(method, path, b'{"create":{"_id":"0"}}\n{"id":0}\n')
        assert cluster.indices(published.dataset) == sorted(
            [names.index(published.head(WHOLE).version), names.registry(published.dataset)]
        )

    def test_a_forged_record_has_nothing_deleted_that_was_published(self, people, sink):
        load(sink, WHOLE, Origin("Load_1"), rows(3))
        first = sink.head(WHOLE).version
        load(sink, WHOLE, Origin("Load_1"), rows(5))
        forged(sink, first)
        versions.sweep(people.sink(RoleKind.PRUNER, sink.dataset))
        assert sink.count(first) == 3

    def test_what_a_policy_cannot_keep_a_loader_from(self, people, sink, caller):
        """See docs/owners-and-grants.md."""
        with held("of the tests") as claim:
            stage = sink.begin(staged(sink, claim))
        stage.write(part(stage, rows(3)))
        loader, index = caller(RoleKind.LOADER), names.index(stage.version)
        assert loader("POST", f"/{index}~staged/_bulk", b'{"delete":{"_id":"0"}}\n')[1]["errors"] is False
        assert stage.seal().rows == 2

    def test_what_a_policy_cannot_keep_a_publisher_from(self, cluster, caller):
        """See docs/owners-and-grants.md: `_aliases` names indices in its body only."""
        doomed = f"others_{secrets.token_hex(4)}"
        cluster("PUT", f"/{doomed}", {})
        body = json.dumps({"actions": [{"remove_index": {"index": doomed}}]}).encode()
        assert caller(RoleKind.PUBLISHER)("POST", "/_aliases", body)[0] == 200
        assert cluster.indices(doomed) == []


class Noting(Relay):
    """Notes by which policies what is allowed."""

    def __init__(self, *args):
        super().__init__(*args)
        self.noted = set()

    def _refuse_what_no_policy_allows(self, request, role):
        super()._refuse_what_no_policy_allows(request, role)
        path = request.target.partition("?")[0]
        self.noted.add((role, policies.action(request.method), self.config.domain + path))


def matches(right, role, by, action, resource):
    """Tell whether a right of a role was needed for what was asked."""
    wanted, _, pattern = right.replace(role.domain, signature_gate.DOMAIN).partition(" on ")
    return by.endswith(f"/{role.name}") and action == wanted and policies.fits(pattern, resource)


def use(people, dataset, cluster):
    """Have each role do all of its work."""
    owner, loader, pruner = (people.sink(kind, dataset) for kind in (RoleKind.OWNER, RoleKind.LOADER, RoleKind.PRUNER))
    owner.create()
    for sink in (owner, loader, pruner):
        assert dataset in datasets(sink.settings)
    by_month = Origin("Load_201301", family="Load", partition_by=("month",))
    for count in (2, 3):
        load(loader, "201301", by_month, rows(count))
    *_, first, _ = (record.version for record in loader.records(partition="201301"))
    fresh = ElasticsearchCatalog(replace(loader.settings, patience=59), dataset)  # it has not seen the registry yet
    versions.roll_back(fresh, first)
    load(loader, "201301", by_month, rows(3))
    assert list(versions.read(loader, first))
    with pytest.raises(Conflict, match="though its record denies it"):
        loader.delete_rows(forged(loader, first))

    with held("of the tests") as claim, pytest.raises(BadSetting, match="index template"):
        loader.begin(replace(staged(loader, claim), version=new_version(dataset, "wrong")))

    with held("of the tests") as claim:
        stage = loader.begin(staged(loader, claim))
    for _ in range(2):
        stage.write(part(stage, rows(2)))
    notes = [{"part_of": stage.version.id, "rows": 1} for _ in range(1_000)]
    body = "".join(f'{{"create": {{}}}}\n{json.dumps(note)}\n' for note in notes)
    cluster("POST", f"/{names.registry(dataset)}/_bulk?refresh=true", body.encode())
    stage.seal()
    with held("of the tests") as claim:
        left = loader.begin(staged(loader, claim))
    left.write(part(left, rows(2)))
    for each in (stage, left):
        versions.abandon(loader, each.version)
    assert {stage.version, left.version} <= {*versions.sweep(pruner)}
    versions.prune(pruner, first, min_age=timedelta(0))


def forged(sink, version):
    """Let the record of a version deny that it was published; return the version."""
    entry = sink.registry.entry(version)
    assert sink.registry.put(entry, replace(entry.record, state=State.STAGED, publications=()))
    return version


def filled(text, words):
    for word, value in words.items():
        text = text.replace(f"{{{word}}}", value)
    return text


def lines(body, words):
    """Write a body, one of `_bulk` from a list."""
    if isinstance(body, list):
        return "".join(filled(f"{json.dumps(line)}\n", words) for line in body).encode()
    return None if body is None else filled(json.dumps(body), words).encode()


TASKS = """
from luigi_sinks import elasticsearch

class Delays(elasticsearch.CopyToIndex):
    index, connection, owner, id_field = "{dataset}", "{role}", "{role}", "id"
    mapping = {{"id": {{"type": "integer"}}}}
"""


@pytest.fixture
def luigi_sinks(people, dataset, command_of):
    """Run the command for a module of one task, whose connection is the loader's."""
    config = get_config()
    known = {
        key: str(value) for key, value in vars(people.settings[RoleKind.LOADER]).items() if value not in {None, ""}
    }
    sections = {
        f"luigi_sinks.owner.{people.role}": {"elasticsearch_role": people.role},
        f"luigi_sinks.elasticsearch.{people.role}": known,
    }
    config.read_dict(sections)
    yield command_of(TASKS.format(dataset=dataset, role=people.role))
    for section in sections:
        config.remove_section(section)


class TestCommand:
    def test_a_task_loads_and_reloads_with_what_is_printed(self, luigi_sinks, people):
        printed = luigi_sinks("grants", "--format", "iam")
        assert (printed.exit_code, printed.stderr) == (0, "")
        people.attach(json.loads(printed.stdout)["policies"])
        made = luigi_sinks("create", "--credential", people.settings[RoleKind.OWNER].credential)
        assert made.exit_code == 0, made.output
        task = sys.modules[luigi_sinks.module].Delays
        for count in (10, 20):
            loading = type(
                "Delays", (task,), {"docs": lambda self, count=count: ({"id": each} for each in range(count))}
            )
            loading(rerun=str(count)).run()
            assert loading(rerun=str(count)).complete()
        assert len(list(loading(rerun="20").output().rows())) == 20

    def test_check_says_that_policies_are_not_compared_and_that_the_domain_is_as_it_must_be(self, luigi_sinks):
        done = luigi_sinks("grants", "--check", "--format", "iam", "--credential", "signing")
        assert (done.exit_code, done.stdout) == (2, "")
        assert "are not compared; IAM keeps them, and the domain does not show them" in done.stderr
        assert "no server was compared" in done.stderr
