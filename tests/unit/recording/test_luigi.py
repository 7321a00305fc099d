"""Luigi's tasks are recorded by a context around each, which is Luigi's own setting, and by Luigi's events."""

import hashlib
from datetime import date, timedelta
from pathlib import Path
from queue import Queue

import luigi
import pytest
from luigi.configuration import get_config
from luigi.parameter import ParameterVisibility
from luigi.task_register import Register
from luigi.worker import ContextManagedTaskProcess, TaskStatusReporter

from luigi_sinks import config, mariadb, recording
from luigi_sinks.recording import luigi as of_luigi
from luigi_sinks.recording.events import Dataset, End, Interruption, Job, Need, Read, Start, Task, Write

CONTEXT = "luigi_sinks.recording.luigi.TaskContext"


@pytest.fixture(autouse=True)
def _own_names(monkeypatch, luigi_cfg):
    monkeypatch.setattr(of_luigi, "_tasks", {})
    monkeypatch.setattr(of_luigi, "_interruptions", {})
    Register.clear_instance_cache()


def present():
    return get_config().get("worker", "task_process_context", None)


def build(*tasks, **options):
    """Run tasks in this process, as a program does that imported luigi_sinks.recording."""
    recording.switch_on()
    return luigi.build(tasks, local_scheduler=True, log_level="WARNING", **options)


def only(found):
    (one,) = found
    return one


class Quiet(luigi.Task):
    """Complete once it ran; has no output."""

    def complete(self):
        return vars(self).get("is_done", False)

    def run(self):
        self.is_done = True


class TestSwitch:
    def test_the_section_makes_ours_the_context_of_luigi(self, lineage):
        assert recording.switch_on()
        assert present() == CONTEXT

    def test_without_the_section_luigis_setting_stays(self):
        config.use({"luigi_sinks": {}})
        assert not recording.switch_on()
        assert present() is None

    def test_a_users_own_context_is_kept_within_ours(self, lineage):
        get_config().set("worker", "task_process_context", "my.contexts.Timing")
        recording.switch_on()
        recording.switch_on()
        assert present() == "luigi_sinks.recording.luigi.around:my:contexts:Timing"

    @pytest.mark.parametrize("own", [CONTEXT, "luigi_sinks.recording.luigi.around:my:Timing"])
    def test_ours_in_the_file_stays_as_it_is(self, lineage, own):
        get_config().set("worker", "task_process_context", own)
        recording.switch_on()
        assert present() == own

    def test_it_works_with_luigi_toml(self, tmp_path, luigi_cfg):
        luigi_cfg(f'[luigi_sinks.lineage]\nspool = "{tmp_path}/spool"\n[worker]\ntimeout = 9\n', "toml")
        config.use(None)
        assert recording.switch_on()
        assert (present(), get_config().getint("worker", "timeout")) == (CONTEXT, 9)

    def test_a_wrong_section_leaves_luigis_setting_alone(self, said):
        config.use({"luigi_sinks": {"lineage": {"spol": "x"}}})
        assert not recording.switch_on()
        assert present() is None
        assert len(said()) == 1

    def test_a_context_of_another_name_is_not_there(self):
        with pytest.raises(AttributeError, match="has no attribute 'Other'"):
            of_luigi.Other  # noqa: B018


class TestRuns:
    def test_a_task_is_recorded_with_its_public_parameters_and_where_it_ran(self, lineage):
        class Load(Quiet):
            day = luigi.DateParameter()
            key = luigi.Parameter(visibility=ParameterVisibility.PRIVATE)
            code = luigi.Parameter(visibility=ParameterVisibility.HIDDEN)
            api_token = luigi.Parameter()
            owner = "ops"
            max_age = timedelta(hours=1)

        task = Load(date(2013, 1, 2), "a-private-value", "a-hidden-value", "a-token")
        assert build(task)
        start, end = only(lineage(Start)), only(lineage(End))
        assert start.params == {"day": "2013-01-02", "api_token": "[redacted]"}
        assert (start.owner, start.max_age, start.period) == ("ops", 3600.0, "2013-01-02")
        assert (start.orchestrator, start.orchestrator_version) == ("luigi", luigi.__version__)
        assert start.worker == start.parent
        assert start.worker.startswith("Worker(")
        assert start.source.endswith("tests/unit/recording/test_luigi.py")
        assert start.digest == hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
        assert 0 <= start.at - start.build < 60_000_000
        assert (end.run, end.outcome, end.requires) == (start.run, "complete", ())

    def test_the_id_of_a_task_holds_no_secret_of_its_parameters(self, lineage):
        class Load(Quiet):
            api_token = luigi.Parameter()
            month = luigi.Parameter()

        task = Load("abcdefgh", "2013")
        build(task)
        assert "abcdefgh" in task.task_id
        assert only(lineage(Start)).task == Task(Job("luigi", "Load"), f"Load_{task.task_id[-10:]}")

    def test_a_secret_within_a_dict_is_recorded_nowhere(self, lineage):
        class Configured(Quiet):
            db_config = luigi.DictParameter()

        assert build(Configured(db_config={"host": "db.internal", "pw": "hunter2-hunter2"}))
        assert only(lineage(Start)).params == {"db_config": "[redacted]"}
        assert "hunter2" not in str(lineage())

    def test_a_task_that_touches_its_marker_is_recorded_as_the_writer_of_what_it_marks(self, lineage, tmp_path):
        class Marked(luigi.Task):
            def output(self):
                return mariadb.Marker("orders", task=self)

            def run(self):
                self.output().touch()

        assert build(Marked())
        assert only(lineage(Write)).dataset == Dataset("file", f"{tmp_path}/sinks/mariadb.sqlite/orders")

    def test_a_namespace_of_tasks_is_part_of_the_jobs_name(self, lineage):
        class Load(Quiet):
            task_namespace = "flights.nightly"

        build(Load())
        assert only(lineage(Start)).task.job == Job("luigi", "flights.nightly.Load")

    def test_files_are_recorded_as_declared_inputs_and_outputs(self, lineage, tmp_path):
        class File(luigi.Task):
            name = luigi.Parameter()

            def output(self):
                return {"a": luigi.LocalTarget(tmp_path / self.name), "b": [luigi.LocalTarget(tmp_path / "b")]}

            def run(self):
                for name in (self.name, "b"):
                    (tmp_path / name).write_text("123")

        class Use(File):
            def requires(self):
                return File("in")

        build(Use("out"))
        reads, writes = lineage(Read), lineage(Write)
        assert [read.dataset for read in reads] == [Dataset("file", f"{tmp_path}/{name}") for name in ("in", "b")]
        assert [write.dataset.name for write in writes] == [f"{tmp_path}/{name}" for name in ("in", "b", "out", "b")]
        assert {each.certainty for each in (*reads, *writes)} == {"declared"}
        assert (reads[0].version, reads[0].job) == (writes[0].version, Job("luigi", "Use"))

    def test_a_private_value_is_not_in_the_name_of_a_file(self, lineage, tmp_path):
        class Hidden(luigi.Task):
            customer = luigi.Parameter(visibility=ParameterVisibility.PRIVATE)

            def output(self):
                return luigi.LocalTarget(tmp_path / self.customer)

            def run(self):
                (tmp_path / self.customer).write_text("")

        class Use(Quiet):
            def requires(self):
                return Hidden("acme-corp")

        build(Use())
        names = [each.dataset.name for each in (only(lineage(Write)), only(lineage(Read)))]
        assert names == [f"{tmp_path}/[redacted]"] * 2

    def test_a_wrapper_requires_and_reads_nothing(self, lineage, tmp_path):
        class File(luigi.Task):
            def output(self):
                return luigi.LocalTarget(tmp_path / "a")

            def run(self):
                (tmp_path / "a").write_text("")

        class Everything(luigi.WrapperTask):
            def requires(self):
                return File()

        build(Everything())
        assert lineage(Read) == []
        assert only(lineage(End)[1:]).requires == (Task(Job("luigi", "File"), File().task_id),)

    def test_a_task_that_is_asked_whether_it_is_complete_itself_does_not_require_itself(self, lineage, tmp_path):
        (tmp_path / "a").touch()

        class There(luigi.ExternalTask):
            def output(self):
                return luigi.LocalTarget(tmp_path / "a")

        a_process(There()).run()
        assert only(lineage(End)).requires == ()
        assert lineage(Read) == []

    def test_requires_is_not_called_more_often_than_without(self, tmp_path):
        calls = []

        class Use(Quiet):
            name = luigi.Parameter()

            def requires(self):
                calls.append(self.name)
                return Quiet()

        config.use({"luigi_sinks": {}})
        luigi.build([Use("without")], local_scheduler=True, log_level="WARNING")
        config.use({"luigi_sinks": {"lineage": {"spool": str(tmp_path / "spool"), "exit_seconds": 0}}})
        build(Use("with"))
        assert calls.count("with") == calls.count("without") > 0

    def test_an_error_is_recorded_by_its_class(self, lineage):
        class Fails(luigi.Task):
            def run(self):
                raise LookupError("password is hunter2")

        assert not build(Fails())
        end = only(lineage(End))
        assert (end.outcome, end.error, end.message) == ("failed", "LookupError", "")

    def test_each_attempt_is_a_run(self, lineage):
        class Once(Quiet):
            def run(self):
                if not vars(self).setdefault("has_failed", False):
                    self.has_failed = True
                    raise OSError
                super().run()

        assert [build(Once()), build(Once())] == [False, True]
        assert [end.outcome for end in lineage(End)] == ["failed", "complete"]
        assert len({start.run for start in lineage(Start)}) == 2

    def test_a_task_that_finds_a_new_dependency_is_suspended_and_runs_again(self, lineage):
        class Found(Quiet):
            number = luigi.IntParameter()

        class Finds(Quiet):
            def run(self):
                yield Found(1)
                yield [Found(2), Found(3)]
                super().run()

        build(Finds())
        ends = [
            end for end in lineage(End) if end.run in {each.run for each in lineage(Start) if "Finds" in each.task.id}
        ]
        assert [end.outcome for end in ends] == ["suspended", "suspended", "complete"]
        assert [len(end.requires) for end in ends] == [1, 3, 3]

    def test_what_interrupts_the_whole_program_aborts_the_run_and_is_passed_on(self, lineage):
        class Stopped(luigi.Task):
            def run(self):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            build(Stopped())
        assert only(lineage(End)).outcome == "aborted"

    def test_the_process_gets_back_what_was_wrapped(self, lineage):
        process = a_process(Quiet())
        before = process.result_queue, process.check_complete
        process.run()
        assert (process.result_queue, process.check_complete) == before


def a_process(task, context=CONTEXT):
    """Return what runs a task, as a worker makes it."""
    return ContextManagedTaskProcess(context, task, "Worker(pid=1)", Queue(), TaskStatusReporter(None, "", "", None))


class Timing:
    """A context of a user's own, which notes what came to it."""

    said: list[str] = []

    def __init__(self, process):
        self.said.append(process.task.task_id)

    def __enter__(self):
        self.said.append("enter")

    def __exit__(self, kind, error, trace):
        self.said.append(f"exit {kind and kind.__name__}")
        return kind is KeyboardInterrupt


class Breaks(Timing):
    def __enter__(self):
        raise LookupError("no such thing")


class TestUsersContext:
    @pytest.fixture(autouse=True)
    def said(self):
        Timing.said.clear()
        return Timing.said

    def around(self, kind):
        return f"luigi_sinks.recording.luigi.around:{__name__.replace('.', ':')}:{kind.__name__}"

    def test_it_is_entered_and_left_as_without_lineage(self, lineage, said):
        a_process(Quiet(), self.around(Timing)).run()
        assert said == [Quiet().task_id, "enter", "exit None"]
        assert only(lineage(End)).outcome == "complete"

    def test_it_may_suppress_an_error(self, lineage, said):
        class Stopped(luigi.Task):
            def run(self):
                raise KeyboardInterrupt

        a_process(Stopped(), self.around(Timing)).run()
        assert said[-1] == "exit KeyboardInterrupt"
        assert only(lineage(End)).outcome == "aborted"

    def test_what_it_raises_is_raised_as_without_lineage(self, lineage):
        with pytest.raises(LookupError, match="no such thing"):
            a_process(Quiet(), self.around(Breaks)).run()
        assert lineage() == []

    def test_one_that_is_missing_is_the_error_that_it_is_without_lineage(self, lineage):
        with pytest.raises(ModuleNotFoundError):
            a_process(Quiet(), "luigi_sinks.recording.luigi.around:no:such:Context").run()


class TestEvents:
    def test_a_dependency_that_is_discovered_is_a_need(self, lineage):
        class Use(Quiet):
            def requires(self):
                return Quiet()

        build(Use())
        use, quiet = (Task(Job("luigi", task.task_family), task.task_id) for task in (Use(), Quiet()))
        assert only((need.task, need.needs) for need in lineage(Need)) == (use, quiet)

    @pytest.mark.parametrize(
        ("event", "said", "cause"),
        [
            (luigi.Event.PROCESS_FAILURE, "Task Quiet died unexpectedly with exit code -9", "exit code -9"),
            (luigi.Event.PROCESS_FAILURE, "gone", "killed"),
            (luigi.Event.TIMEOUT, "Task Quiet timed out after 5 seconds and was terminated.", "timeout"),
        ],
    )
    def test_the_end_of_a_process_is_recorded_by_its_parent(self, lineage, event, said, cause):
        Quiet().trigger_event(event, Quiet(), said)
        found = only(lineage(Interruption))
        assert (found.task.job.name, found.cause) == ("Quiet", cause)

    def test_an_interruption_that_is_told_again_and_again_is_recorded_once(self, lineage):
        for _ in range(3):
            Quiet().trigger_event(luigi.Event.PROCESS_FAILURE, Quiet(), "with exit code -9")
        assert len(lineage(Interruption)) == 1

    def test_without_the_section_events_do_nothing(self, lineage, tmp_path):
        config.use({"luigi_sinks": {}})
        Quiet().trigger_event(luigi.Event.TIMEOUT, Quiet(), "")
        assert lineage() == []


class TestNeverRaises:
    @pytest.fixture(params=["to_str_params", "owner", "max_age", "output", "everything"])
    def task(self, request, monkeypatch):
        def fails(*_):
            raise RuntimeError(request.param)

        class Odd(Quiet):
            pass

        task = Odd()
        if request.param == "everything":
            monkeypatch.setattr(of_luigi, "Run", fails)
        elif request.param in {"owner", "max_age"}:
            monkeypatch.setattr(Odd, request.param, property(fails), raising=False)
        else:
            monkeypatch.setattr(Odd, request.param, fails)
        return task

    def test_whatever_of_a_task_fails_it_runs_as_without_lineage(self, lineage, task):
        process = a_process(task)
        process.run()
        assert task.complete()
        assert process.result_queue.get(timeout=5)[:2] == (task.task_id, "DONE")

    def test_a_queue_that_gets_something_else_gets_that(self, lineage):
        process = a_process(Quiet())
        queue = process.result_queue
        with of_luigi.TaskContext(process):
            process.result_queue.put("something")
            assert queue.get(timeout=5) == "something"
        assert only(lineage(End)).outcome == "aborted"

    def test_the_context_without_a_section_that_works_says_so_once(self, caplog):
        config.use({"luigi_sinks": {}})
        of_luigi._warn_off.cache_clear()
        for _ in range(2):
            a_process(Quiet()).run()
        said = [message for message in caplog.messages if "lineage" in message]
        assert said == ["tasks of Luigi are not recorded, as there is no section [luigi_sinks.lineage] that works"]


class TestColumnLineage:
    def test_a_task_may_declare_where_its_columns_come_from(self, lineage):
        class Delays(Quiet):
            column_lineage = {"delay": {"flights.departures": ["dep_delay", "arr_delay"]}}

        build(Delays())
        (start,) = (event for event in lineage() if isinstance(event, Start))
        assert start.column_lineage == {"delay": {"flights.departures": ("dep_delay", "arr_delay")}}

    @pytest.mark.parametrize("declared", [3, ["delay"], {"delay": "dep_delay"}, {3: {}}])
    def test_what_it_declares_in_another_form_is_left_out(self, lineage, declared):
        class Delays(Quiet):
            column_lineage = declared

        assert build(Delays())
        (start,) = (event for event in lineage() if isinstance(event, Start))
        assert start.column_lineage == {}
