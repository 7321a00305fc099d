import json
from datetime import timedelta

import luigi
import pytest

from luigi_sinks import CopyTask, VersionedTarget, audit, running, versions
from luigi_sinks.contract import Contract, Field, TupleShape
from luigi_sinks.credentials.provider import PROVIDER
from luigi_sinks.errors import BadRow, BadSetting, Conflict, CredentialError
from luigi_sinks.sqlite import SQLiteStage


class Target(VersionedTarget):
    store = "memory"
    contract = Contract("d", {"": TupleShape((Field("id", int),))})


class Numbers(CopyTask):
    count = luigi.IntParameter(default=3)
    partition_by = ()
    owner = "flight_ops"

    def output(self):
        return Target("d", self._target_options())

    def rows(self):
        return ((number,) for number in range(self.count))


class Words(Numbers):
    def rows(self):
        yield ("a secret word",)


@pytest.fixture(autouse=True)
def audit_into(luigi_cfg, tmp_path):
    """Return a function that sets the path of the audit log; by default a writable one."""

    def configure(path, **settings):
        said = "".join(f"{key} = {value}\n" for key, value in settings.items())
        luigi_cfg(f"[luigi_sinks]\nlocal = {tmp_path}/data\n[luigi_sinks.audit]\npath = {path}\n{said}")
        audit.forget_settings()

    (tmp_path / "audit").mkdir()
    configure(tmp_path / "audit" / "log")
    yield configure
    PROVIDER.forget()
    audit.forget_settings()


@pytest.fixture
def lines(tmp_path):
    return lambda: [json.loads(line) for line in (tmp_path / "audit" / "log").read_text().splitlines()]


def build(*tasks):
    return luigi.build(tasks, local_scheduler=True)


def test_a_load_has_begin_success_and_publication_lines_in_the_audit_log(lines):
    assert build(Numbers())
    version = str(Numbers().output().record().version)
    of_it = [line for line in lines() if line.get("version") == version]  # an exchange of another thread is logged too
    told = [(line["action"], line["outcome"], line["version"], line.get("rows")) for line in of_it]
    assert told == [
        ("load", "begun", version, None),
        ("load", "success", version, 3),
        ("publish", "success", version, 3),
    ]


def test_each_audit_line_has_the_task_and_its_owner(lines):
    assert build(Numbers())
    said = {(line["task_family"], line["task_id"], line["owner"], line["dataset"]) for line in lines()}
    assert said == {("Numbers", Numbers().task_id, "flight_ops", "d")}
    assert len({line["correlation"] for line in lines()}) == 1


def test_a_failed_load_is_audited_without_values_of_its_rows(lines):
    with pytest.raises(BadRow):
        Words().run()
    assert [f"{line['action']} {line['outcome']}" for line in lines()] == [
        "load begun",
        "abandon success",
        "load failure",
    ]
    assert lines()[-1]["reason"] == "BadRow: row 1, field 'id'"
    assert "secret word" not in json.dumps(lines())


def test_a_user_defined_error_is_audited_by_type_only(lines):
    def broken(self):
        yield (1,)
        raise ValueError("password=hunter2")

    with pytest.raises(ValueError, match="hunter2"):
        type("Broken", (Numbers,), {"rows": broken})().run()
    assert lines()[-1]["reason"] == "ValueError"


@pytest.fixture
def two_versions():
    """Load twice, and return the sink and both versions; the first is retired."""
    assert build(Numbers())
    assert build(Numbers(rerun="again"))
    sink = Numbers().output().sink()
    return sink, *(record.version for record in sink.records())


def test_a_version_that_is_published_again_is_the_head_and_audited(two_versions, lines):
    sink, first, second = two_versions
    versions.roll_back(sink, first)
    assert sink.head(first.partition).version == first
    assert {record.version: record.state for record in sink.records()} == {first: "published", second: "retired"}
    told = [(line["action"], line["outcome"], line["version"]) for line in lines()[-2:]]
    assert told == [("rollback", "begun", str(first)), ("rollback", "success", str(first))]


def test_publishing_the_head_again_leaves_it_the_head(two_versions):
    sink, _, head = two_versions
    versions.roll_back(sink, head)
    assert sink.head(head.partition).version == head
    assert sink.head(head.partition).record.state == "published"


def test_a_prune_is_audited(two_versions, lines):
    sink, first, _ = two_versions
    versions.prune(sink, first, min_age=timedelta(0))
    assert next(sink.records()).state == "dropped"
    assert [(line["action"], line["outcome"]) for line in lines()[-2:]] == [("prune", "begun"), ("prune", "success")]


def test_a_refused_prune_is_audited(two_versions, lines):
    sink, _, head = two_versions
    with pytest.raises(Conflict):
        versions.prune(sink, head, min_age=timedelta(0))
    assert [(line["action"], line["outcome"]) for line in lines()[-2:]] == [("prune", "begun"), ("prune", "failure")]


@pytest.mark.parametrize("act", [versions.roll_back, versions.prune])
@pytest.mark.parametrize("kind", [str, lambda version: Numbers().output().record()], ids=["text", "record"])
def test_an_argument_that_is_not_a_version_is_refused_with_the_fix_and_not_audited(two_versions, lines, act, kind):
    sink, first, _ = two_versions
    before = lines()
    with pytest.raises(
        TypeError, match=rf"{act.__name__} takes a version and was given a (str|Record); pass record\.version"
    ):
        act(sink, kind(first))
    assert lines() == before


def test_without_a_required_audit_log_nothing_is_rolled_back(two_versions, audit_into, tmp_path):
    sink, first, second = two_versions
    audit_into(tmp_path / "gone" / "log", required="true")
    with pytest.raises(CredentialError, match="nothing is done that is not recorded"):
        versions.roll_back(sink, first)
    assert sink.head(second.partition).version == second


def test_a_required_audit_log_needs_a_path(luigi_cfg):
    luigi_cfg("[luigi_sinks.audit]\nrequired = true\n")
    audit.forget_settings()
    with pytest.raises(BadSetting, match="required = true needs a path"):
        audit.require(audit.Entry("load"))


def test_a_plain_tasks_target_is_opened_for_the_tasks_owner_and_read_for_its_reader():
    class Plain(luigi.Task):
        owner = "flight_ops"

    class Reader(luigi.Task):
        owner = "analysts"

    mine = Target("d", {"task": Plain()})
    assert mine.owner == mine.origin.owner == "flight_ops"
    for task, owner in ((Reader(), "analysts"), (Plain(), "flight_ops")):
        running.become(running.Running(task.task_id, task.task_family, task.owner))
        assert mine.owner == owner
    running.become(running.Running())


def test_without_a_required_audit_log_nothing_is_staged(audit_into, tmp_path):
    audit_into(tmp_path / "gone" / "log", required="true")
    with pytest.raises(CredentialError, match="nothing is done that is not recorded"):
        Numbers().run()
    assert list(Numbers().output().sink().records()) == []


def test_a_required_audit_log_that_fails_during_a_load_prevents_publication(audit_into, tmp_path, monkeypatch):
    audit_into(tmp_path / "audit" / "log", required="true")
    seal = SQLiteStage.seal

    def seal_and_lose_the_log(stage):
        (tmp_path / "audit").rename(tmp_path / "away")
        return seal(stage)

    monkeypatch.setattr(SQLiteStage, "seal", seal_and_lose_the_log)
    with pytest.raises(CredentialError, match="nothing is done that is not recorded"):
        Numbers().run()
    assert not Numbers().complete()
    assert [record.state for record in Numbers().output().sink().records()] == ["failed"]


def test_an_optional_audit_log_that_fails_causes_one_warning(audit_into, tmp_path, caplog):
    audit_into(tmp_path / "gone" / "log")
    Numbers().run()
    assert Numbers().complete()
    warnings = [record.message for record in caplog.records if record.name == "luigi_sinks.credentials"]
    assert [warning[:33] for warning in warnings] == ["the audit log cannot be written ("]
