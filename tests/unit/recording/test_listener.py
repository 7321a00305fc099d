"""What our own targets see is recorded with the exact version: of the current run, or of a verb without one."""

from datetime import timedelta

import luigi
import pytest

from luigi_sinks import Origin, dropping, load, recording, releases, versions
from luigi_sinks.contract import Contract, Field, TupleShape
from luigi_sinks.errors import CheckFailed, Conflict
from luigi_sinks.load import Load
from luigi_sinks.recording.events import Column, Dataset, End, Job, Publication, Read, Removal, Unpublication, Write
from luigi_sinks.sqlite import SQLiteSink
from luigi_sinks.target import TargetOptions, VersionedTarget
from luigi_sinks.together import loading_together

CONTRACT = Contract("flights", {"": TupleShape((Field("id", int), Field("carrier", str)))})
ORIGIN = Origin("Flights_1", family="Flights", owner="ops")
ROWS = [(1, "UA"), (2, "AA")]


@pytest.fixture
def sink(tmp_path):
    return SQLiteSink(tmp_path / "sinks", "mariadb", "flights", CONTRACT)


@pytest.fixture
def dataset(sink):
    return Dataset(sink.location.namespace, sink.location.name)


def only(found):
    (one,) = found
    return one


def test_a_load_is_recorded_with_its_figures_and_then_its_publication(lineage, sink, dataset):
    with recording.run("Load") as run:
        load(sink, "_all", ORIGIN, ROWS)
    version = sink.head("_all").version
    _, write, publication, _ = lineage()
    assert (write.run, write.job, write.dataset, write.certainty) == (run.id, Job("luigi", "Load"), dataset, "observed")
    assert (write.partition, write.version, write.rows, write.owner) == ("_all", version.id, 2, "ops")
    assert {"source", "validate", "encode", "wait", "seal", "check"} <= set(write.steps)
    assert [(check.name, check.passed) for check in write.checks] == [("complete", True), ("not_empty", True)]
    assert write.columns == (Column("id", "int"), Column("carrier", "str"))
    assert write.bytes > 0
    assert publication == Publication(
        at=publication.at, dataset=dataset, partition="_all", version=version.id, epoch=1, by=sink.publisher.principal
    )


def test_a_read_is_recorded_with_the_version_and_its_rows(lineage, sink, dataset):
    load(sink, "_all", ORIGIN, ROWS)
    version = sink.head("_all").version
    with recording.run("Use") as run:
        assert len(list(versions.read(sink, version))) == 2
    read = only(lineage(Read))
    assert (read.run, read.dataset, read.version, read.rows) == (run.id, dataset, version.id, 2)
    assert read.certainty == "observed"


def test_a_reader_that_stops_early_has_read_the_version(lineage, sink):
    load(sink, "_all", ORIGIN, ROWS)
    with recording.run("Use"):
        rows = versions.read(sink, sink.head("_all").version)
        next(rows)
        rows.close()
    assert only(lineage(Read)).rows == 1


def test_a_dataset_of_ours_that_is_declared_and_was_read_is_recorded_once_with_its_version(lineage, sink, dataset):
    load(sink, "_all", ORIGIN, ROWS)
    with recording.run("Use") as run:
        run.reads(target())
        list(versions.read(sink, sink.head("_all").version))
    assert [read.certainty for read in lineage(Read)] == ["observed"]
    with recording.run("Use") as run:
        run.reads(target())
    assert [(read.certainty, read.version) for read in lineage(Read)[1:]] == [("declared", "")]
    assert {read.dataset for read in lineage(Read)} == {dataset}


def target(**attributes):
    class FlightsTarget(VersionedTarget):
        store = "mariadb"
        contract = CONTRACT

    found = FlightsTarget("flights", TargetOptions(update_id="Flights_1"))
    vars(found).update(attributes)
    return found


def test_a_load_outside_of_a_run_is_recorded_as_a_publication_alone(lineage, sink):
    load(sink, "_all", ORIGIN, ROWS)
    assert [type(event) for event in lineage()] == [Publication]


def test_a_load_that_fails_its_check_leaves_no_version(lineage, sink):
    with pytest.raises(CheckFailed), recording.run("Load"):
        load(sink, "_all", ORIGIN, [])
    assert lineage(Write) == lineage(Publication) == []
    assert only(lineage(End)).outcome == "failed"


def test_a_version_that_could_not_be_published_is_recorded_as_removed(lineage, sink, monkeypatch):
    def refuse(*_, **__):
        raise Conflict("another one was first")

    monkeypatch.setattr(SQLiteSink, "publish", refuse)
    with pytest.raises(Conflict), recording.run("Load"):
        load(sink, "_all", ORIGIN, ROWS)
    assert lineage(Publication) == []
    assert only(lineage(Removal)).version == only(lineage(Write)).version


def test_a_rollback_and_a_prune_are_recorded_without_a_run(lineage, sink, dataset):
    for _ in range(2):
        load(sink, "_all", ORIGIN, ROWS)
    first, second = (record.version for record in sink.records())
    versions.roll_back(sink, first)
    versions.prune(sink, second, min_age=timedelta(0))
    assert [(each.version, each.epoch, each.is_rollback) for each in lineage(Publication)] == [
        (first.id, 1, False),
        (second.id, 2, False),
        (first.id, 3, True),
    ]
    assert only(lineage(Removal)) == Removal(
        at=lineage(Removal)[0].at, dataset=dataset, partition="_all", version=second.id
    )


def test_a_withdrawal_is_recorded_as_what_readers_see_after_it(lineage, sink, dataset):
    for _ in range(2):
        load(sink, "_all", ORIGIN, ROWS)
    first, second = (record.version for record in sink.records())
    versions.withdraw(sink, second)
    assert [(each.version, each.epoch) for each in lineage(Publication)][2:] == [(first.id, 3)]
    assert lineage(Unpublication) == []
    versions.withdraw(sink, first)
    found = only(lineage(Unpublication))
    assert (found.dataset, found.partition, found.version, found.epoch) == (dataset, "_all", first.id, 4)
    assert found.epoch == sink.head("_all").epoch


def test_a_dataset_that_is_dropped_is_recorded_as_shown_no_more(lineage, sink):
    load(sink, "_all", ORIGIN, ROWS)
    dropping.drop_dataset(sink, really=sink.dataset)
    assert [(each.partition, each.epoch) for each in lineage(Unpublication)] == [("_all", 2)]


def test_the_heads_that_are_recorded_are_those_of_the_registries_after_a_release_and_its_rollback(lineage, sink):
    load(sink, "_all", ORIGIN, ROWS)
    other = SQLiteSink(sink.folder, "neo4j", "delays", CONTRACT)
    with loading_together(
        [Load(each, "_all", ORIGIN, place=each.store) for each in (sink, other)], "nightly"
    ) as writers:
        for writer in writers:
            writer.write(ROWS[0])
    assert recorded_heads(lineage) == {each.location.name: each.head("_all").version.id for each in (sink, other)}
    releases.roll_back(releases.newest([sink, other], "nightly"))
    assert recorded_heads(lineage) == {sink.location.name: sink.head("_all").version.id, other.location.name: None}
    assert sink.head("_all").epoch == 3


def recorded_heads(lineage):
    """Return what readers of each dataset see, by the moves of its head that are recorded."""
    moves = sorted(lineage((Publication, Unpublication)), key=lambda move: move.epoch)
    return {move.dataset.name: move.version if isinstance(move, Publication) else None for move in moves}


def test_the_age_that_a_version_may_have_is_its_targets_or_else_its_runs(lineage, sink):
    with recording.run("Load", max_age=60) as run:
        load(sink, "_all", ORIGIN, ROWS)
        run.outputs = lambda: [luigi.LocalTarget("x"), target(max_age=timedelta(hours=1))]
        load(sink, "_all", ORIGIN, ROWS)
    assert [write.max_age for write in lineage(Write)] == [60, 3600]


def test_a_listener_that_fails_does_not_stop_the_load(lineage, sink, monkeypatch, caplog):
    monkeypatch.setattr(recording.Run, "max_age_of", lambda *_: 1 / 0)
    with recording.run("Load"):
        load(sink, "_all", ORIGIN, ROWS)
    assert sink.head("_all").version is not None
    assert any("lineage cannot be recorded" in message for message in caplog.messages)
