"""A block of any program is recorded as a run, and does what it does without that."""

import os
import socket
import threading
from datetime import timedelta

import pytest

from luigi_sinks import config, recording, redaction
from luigi_sinks.errors import BadRow, Unavailable
from luigi_sinks.recording import recorder, runs
from luigi_sinks.recording.events import (
    Certainty,
    Dataset,
    End,
    Ended,
    Job,
    Lost,
    Need,
    Read,
    Start,
    Task,
    Write,
)


def clean(**options):
    return recording.run("Clean", "Clean 2013-01", **options)


def only(found):
    (one,) = found
    return one


def test_a_block_is_recorded_from_its_start_to_its_end(lineage):
    with clean(
        params={"month": 1, "api_token": "abc"},
        requires=[("Fetch", "Fetch 2013-01")],
        owner="ops",
        max_age=timedelta(days=1),
        orchestrator="airflow",
        parent="dag_run_7",
        period="2013-01",
    ) as run:
        pass
    start, end = lineage()
    task = Task(Job("luigi", "Clean"), "Clean 2013-01")
    assert start == Start(
        at=start.at,
        run=run.id,
        task=task,
        params={"month": "1", "api_token": "[redacted]"},
        requires=(Task(Job("luigi", "Fetch"), "Fetch 2013-01"),),
        owner="ops",
        orchestrator="airflow",
        parent="dag_run_7",
        period="2013-01",
        host=socket.gethostname(),
        pid=os.getpid(),
        max_age=86400.0,
    )
    assert end == End(at=end.at, run=run.id, outcome=Ended.COMPLETE)
    assert start.at <= end.at


def test_a_job_without_parameters_is_a_task_of_the_same_name(lineage):
    with recording.run("Clean"):
        pass
    assert only(lineage(Start)).task == Task(Job("luigi", "Clean"), "Clean")


def test_ids_of_runs_are_uuids_whose_order_is_that_of_time():
    ids = [runs.new_id() for _ in range(50)]
    assert len(set(ids)) == 50
    assert [each[:13] for each in ids] == sorted(each[:13] for each in ids)
    assert {each[14] for each in ids} == {"7"}


def test_an_error_passes_and_makes_the_run_failed_and_its_message_is_not_kept(lineage):
    with pytest.raises(ValueError, match="hunter2"), clean():
        raise ValueError("the key is hunter2")
    end = only(lineage(End))
    assert (end.outcome, end.error, end.message) == ("failed", "ValueError", "")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (Unavailable("db does not answer"), "db does not answer"),
        (BadRow("t", 3, "id", "is 'abc'"), "row 3, field 'id'"),
    ],
)
def test_the_message_of_our_own_error_is_kept_without_what_rows_held(lineage, error, message):
    with pytest.raises(type(error)), clean():
        raise error
    assert only(lineage(End)).message == message


@pytest.mark.parametrize("lineage_settings", [{"messages": True}])
@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("disk full", "disk full"),
        ("sent my-held-secret-token", "sent [redacted]"),
        ("could not connect: password=hunter2", "[redacted]"),
    ],
)
def test_messages_of_others_are_kept_where_that_is_wanted_and_without_secrets(lineage, said, message):
    redaction.hold("my-held-secret-token")
    with pytest.raises(ValueError), clean():  # noqa: PT011 - whatever it says
        raise ValueError(said)
    assert only(lineage(End)).message == message


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_ends_a_block_without_being_an_error_makes_the_run_aborted(lineage, error):
    with pytest.raises(error), clean():
        raise error
    assert only(lineage(End)).outcome == "aborted"


def test_a_block_that_waits_for_something_is_suspended(lineage):
    with pytest.raises(runs.Suspended), clean():
        raise runs.Suspended
    end = only(lineage(End))
    assert (end.outcome, end.error) == ("suspended", "")


def test_a_configuration_with_the_same_lineage_records_into_the_same_file(lineage, tmp_path):
    with clean():
        known = {name: config.section(name) for name in config.section_names()}
        with config.using({**known, "luigi_sinks.mariadb.other": {"host": "127.0.0.1"}}), clean():
            pass
    assert len(lineage(End)) == 2
    assert len(list((tmp_path / "spool").glob("*.spool"))) == 1


def test_plain_data_that_are_declared_are_recorded_with_their_versions_at_the_end(lineage, tmp_path):
    (tmp_path / "in").write_text("123")
    with clean(owner="ops", max_age=60) as run:
        run.reads(tmp_path / "in", "s3://bucket/key")
        (tmp_path / "out").write_text("12345")
        run.writes(Dataset("kafka://broker:9092", "topic"), tmp_path / "out")
        assert lineage(Read) == []
    job = Job("luigi", "Clean")
    file, thing = lineage(Read)
    assert (file.run, file.job, file.dataset, file.certainty) == (
        run.id,
        job,
        Dataset("file", f"{tmp_path}/in"),
        "declared",
    )
    assert file.version.endswith("s3")
    assert (thing.dataset, thing.version) == (Dataset("s3://bucket", "key"), "")
    topic, out = lineage(Write)
    assert (topic.dataset.name, topic.version, topic.owner, topic.max_age) == ("topic", "", "ops", 60.0)
    assert out.version.endswith("s5")


def test_data_without_a_name_are_left_out_and_the_rest_is_recorded(lineage):
    class Broken:
        def __fspath__(self):
            raise OSError

    with clean() as run:
        run.reads(Broken(), None, "/data/a")
    assert [read.dataset.name for read in lineage(Read)] == ["/data/a"]


def test_at_most_a_thousand_inputs_are_recorded_and_the_versions_of_a_hundred(lineage, tmp_path):
    (tmp_path / "a").write_text("")
    with clean() as run:
        run.reads(*[tmp_path / "a" for _ in range(10)], *[f"/no/{number}" for number in range(2_000)])
        run.writes(*[str(tmp_path / f"x{number}/../a{'' if number % 2 else number}") for number in range(2_000)])
    assert len(lineage(Read)) == 1_000
    assert len(lineage(Write)) == 1_000
    assert [bool(read.version) for read in lineage(Read)][:2] == [True, False]


def test_an_end_names_five_hundred_tasks_and_the_others_are_needs(lineage):
    tasks = [Task(Job("luigi", "Fetch"), f"Fetch {number:04}") for number in range(1_200)]
    run = runs.Run(recorder.active(), Task(Job("luigi", "All"), "All"))
    run.end(Ended.COMPLETE, tasks)
    named = [*only(lineage(End)).requires, *(need.needs for need in lineage(Need))]
    assert sorted(named) == tasks
    assert len(only(lineage(End)).requires) == 500


def test_without_the_section_a_block_runs_and_nothing_is_recorded(tmp_path):
    config.use({"luigi_sinks": {}})
    with clean() as run:
        run.reads("/data/a")
    assert run.recorder is None


def test_a_spool_that_cannot_be_written_does_not_change_what_the_block_does(lineage, tmp_path, caplog):
    (tmp_path / "spool").write_text("no folder")
    with clean() as run:
        run.reads("/data/a")
        done = True
    assert done
    (warning,) = [record for record in caplog.records if record.name == "luigi_sinks.lineage"]
    assert "must be a folder with mode 0700" in warning.getMessage()


def test_a_fact_that_is_none_does_not_change_what_the_block_does_and_is_counted_as_lost(lineage):
    with clean(orchestator="airflow"):
        done = True
    assert done
    assert only(lineage(Lost)).count == 1


def test_a_run_is_current_within_its_block_and_in_threads_that_the_block_starts(lineage):
    found = []
    with clean() as run:
        assert runs.current() is run
        with recording.run("Inner") as inner:
            assert runs.current() is inner
        assert runs.current() is run
        thread = threading.Thread(target=lambda: found.append(runs.current()))
        thread.start()
        thread.join()
    assert found == [run]
    assert runs.current() is None


def test_a_thread_of_none_of_two_runs_has_no_current_run(lineage):
    found = []
    with clean(), recording.run("Other"):
        thread = threading.Thread(target=lambda: found.append(runs.current()))
        thread.start()
        thread.join()
    assert found == [None]


def test_certainty_tells_what_is_declared(lineage):
    with clean() as run:
        run.reads("/data/a")
    assert only(lineage(Read)).certainty is Certainty.DECLARED


def test_a_secret_in_the_name_of_a_run_or_of_what_it_requires_is_left_out(lineage):
    with recording.run("F", "F mysql://u:hunter2@h/x", requires=[("G", "G password=hunter2")]):
        pass
    start = only(lineage(Start))
    assert (start.task.id, start.requires[0].id) == ("[redacted]", "[redacted]")
