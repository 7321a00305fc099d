import functools
import subprocess
import sys
from contextvars import copy_context
from datetime import date, timedelta
from pathlib import Path

import luigi
import pytest
from luigi.parameter import ParameterException, ParameterVisibility
from luigi.tools.range import RangeDaily

from luigi_sinks import BulkComplete, VersionedTarget, claim, running, versions
from luigi_sinks.contract import Contract, Field, TupleShape
from luigi_sinks.task import CopyTask, setting
from luigi_sinks.version import State

DAY = date(2013, 1, 31)


DAYS = [date(2013, 1, 30), DAY, date(2013, 2, 1)]


class Target(VersionedTarget):
    store = "memory"

    def __init__(self, name, **options):
        super().__init__(name, options)

    @property
    def contract(self):
        return Contract(self.dataset, {"": TupleShape((Field("id", int),))})


class Copy(CopyTask):
    """A minimal task of a store."""

    table = setting()

    def output(self):
        return Target(self.table, **self._target_options())

    def rows(self):
        return [(1,), (2,)]


class Daily(Copy):
    day = luigi.DateParameter()
    table = "daily"
    partition_by = ("day",)


class Source(luigi.Task):
    done = False

    def complete(self):
        return Source.done

    def run(self):
        Source.done = True


def load_elsewhere(task):
    """Load the output of a task as another process does, to which claims of this one have run out."""
    claim._held_here.clear()
    with copy_context().run(lambda: (running.become(running.Running()), task.output().open("w"))[1]) as sink:
        sink.write((9,))


class Elsewhere(luigi.Task):
    """Another scheduler that completes a task before this one comes to run it."""

    task = luigi.Parameter(significant=False)

    def complete(self):
        return self.task.complete()

    def run(self):
        load_elsewhere(self.task)


def build(*tasks, **options):
    return luigi.build(tasks, local_scheduler=True, no_lock=True, log_level="WARNING", **options)


def range_of(task):
    return RangeDaily(of=task, start=DAYS[0], stop=date(2013, 2, 2), days_back=10**5)


def history(task):
    return [record.state for record in task.output().sink().records()]


@pytest.mark.usefixtures("memory")
class TestRuns:
    def test_a_run_publishes_the_rows_and_makes_the_task_complete(self):
        task = Daily(DAY)
        assert not task.complete()
        assert build(task)
        assert task.complete()
        assert list(task.output().open("r")) == [{"id": 1}, {"id": 2}]

    def test_a_complete_task_is_not_loaded_again(self):
        assert build(Daily(DAY))
        assert build(Daily(DAY))
        assert history(Daily(DAY)) == [State.PUBLISHED]

    def test_a_rerun_under_a_label_loads_exactly_once_more(self):
        assert build(Daily(DAY))
        assert build(Daily(DAY, rerun="late data"))
        assert build(Daily(DAY, rerun="late data"))
        assert history(Daily(DAY)) == [State.RETIRED, State.PUBLISHED]
        assert Daily(DAY).complete()

    def test_a_task_that_another_scheduler_completed_meanwhile_is_not_loaded_again(self, caplog):
        class Overtaken(Daily):
            given = 0

            def requires(self):
                return Elsewhere(self)

            def rows(self):
                Overtaken.given += 1
                return super().rows()

        assert build(Overtaken(DAY))
        assert history(Overtaken(DAY)) == [State.PUBLISHED]
        assert Overtaken.given == 0
        assert "another process published it meanwhile, so it is not loaded again" in caplog.text

    def test_a_load_that_lost_its_claim_to_one_that_completed_the_task_does_not_fail_it(self):
        class Overtaken(Daily):
            def rows(self):
                yield (1,)
                load_elsewhere(self)

        assert build(Overtaken(DAY))
        assert history(Overtaken(DAY)) == [State.FAILED, State.PUBLISHED]

    def test_a_plain_task_that_another_scheduler_completed_meanwhile_is_not_loaded_again(self):
        class Overtaken(luigi.Task):
            def requires(self):
                return Elsewhere(self)

            def output(self):
                return Target("plain", task=self)

            def run(self):
                with self.output().open("w") as sink:
                    sink.write((1,))

        assert build(Overtaken())
        assert history(Overtaken()) == [State.PUBLISHED]

    def test_a_conflict_with_a_load_that_did_not_complete_the_task_still_fails_it(self, caplog):
        class Overtaken(Daily):
            def rows(self):
                yield (1,)
                load_elsewhere(self.clone(rerun="another"))

        assert not build(Overtaken(DAY, rerun="mine"))
        assert "Conflict" in caplog.text
        assert history(Overtaken(DAY)) == [State.FAILED, State.PUBLISHED]

    @pytest.mark.parametrize("run_by", ["hand", "a complete() of its own"])
    def test_a_task_that_is_run_though_it_is_complete_is_loaded_again(self, run_by):
        class Forced(Daily):
            def complete(self):
                return run_by == "hand" and super().complete()

        for _ in range(2):
            Forced(DAY).run() if run_by == "hand" else build(Forced(DAY))
        assert history(Forced(DAY)) == [State.RETIRED, State.PUBLISHED]

    def test_a_failing_run_publishes_nothing_and_the_next_one_works(self):
        class Failing(Daily):
            broken = True

            def rows(self):
                yield (1,)
                if Failing.broken:
                    raise ZeroDivisionError

        assert not build(Failing(DAY))
        assert not Failing(DAY).complete()
        Failing.broken = False
        assert build(Failing(DAY))
        assert history(Failing(DAY)) == [State.FAILED, State.PUBLISHED]

    def test_an_iterator_that_was_partly_read_is_refused(self, caplog):
        class HalfEaten(Daily):
            source = iter([(1,), (2,), (3,), "no row", (5,), (6,)])

            def rows(self):
                return self.source

        task = HalfEaten(DAY)
        for _ in range(2):
            assert not build(task)
        assert "Return a new iterator in each call" in caplog.text
        assert history(task) == [State.FAILED, State.FAILED]

    def test_rows_that_return_none_are_refused_with_an_explanation(self, caplog):
        class Forgetful(Daily):
            def rows(self):
                list(self.input())

        assert not build(Forgetful(DAY))
        assert "rows() returned None" in caplog.text

    @pytest.mark.parametrize("row", [{"id": 1, "name": "one"}, "one", 5])
    def test_one_row_instead_of_several_is_refused_with_an_explanation(self, caplog, row):
        class Lonely(Daily):
            def rows(self):
                return row

        assert not build(Lonely(DAY))
        assert f"rows() returned one {type(row).__name__}; return a list of rows" in caplog.text

    def test_rows_may_return_the_same_list_again(self):
        class FromList(Daily):
            source = ((1,), (2,), None)

            def rows(self):
                return self.source

        assert not build(FromList(DAY))
        FromList.source = ((1,), (2,))
        assert build(FromList(DAY))

    def test_a_dependency_yielded_before_the_load_publishes_once(self):
        Source.done = False

        class Dynamic(Daily):
            def run(self):
                yield Source()
                super().run()

        assert build(Dynamic(DAY))
        assert history(Dynamic(DAY)) == [State.PUBLISHED]

    def test_a_dependency_yielded_within_the_load_abandons_the_first_stage(self):
        Source.done = False

        class Dynamic(Daily):
            def run(self):
                with self.output().open("w") as sink:
                    sink.write((1,))
                    yield Source()

        assert build(Dynamic(DAY))
        assert history(Dynamic(DAY)) == [State.FAILED, State.PUBLISHED]

    def test_a_task_among_the_rows_is_refused(self, caplog):
        class Confused(Daily):
            def rows(self):
                yield Source()

        assert not build(Confused(DAY))
        assert "yield dependencies in run()" in caplog.text

    def test_another_family_may_not_replace_a_partition_unless_declared(self, caplog):
        class Other(Daily):
            pass

        class Declared(Other):
            shared_with = ("Daily",)

        assert build(Daily(DAY))
        assert not build(Other(DAY))
        assert "shared_with = ('Daily',)" in caplog.text
        assert build(Declared(DAY))

    def test_a_task_that_keeps_so_many_versions_deletes_older_ones(self):
        class Tidy(Daily):
            keep = 2
            min_age = timedelta(0)

        for rerun in ("", "a", "b", "c"):
            assert build(Tidy(DAY, rerun=rerun))
        assert build(Tidy(date(2013, 2, 1)))
        records = list(Tidy(DAY).output().sink().records())
        assert [record.state for record in records] == ["dropped", "dropped", "retired", "published", "published"]
        assert Tidy(DAY).complete()

    def test_a_withdrawn_version_makes_its_task_incomplete_also_when_it_is_pruned(self):
        task = Daily(DAY)
        assert build(task)
        sink, version = task.output().sink(), task.output().record().version
        versions.withdraw(sink, version, why="wrong")
        assert not task.complete()
        versions.prune(sink, version, min_age=timedelta(0))
        assert not task.complete()
        assert build(task)
        assert task.complete()
        assert [record.state for record in sink.records()] == ["dropped", "published"]

    def test_an_older_date_never_replaces_a_dataset_of_a_newer_date(self, caplog):
        class Whole(Daily):
            table = "whole"
            partition_by = ()

        assert build(Whole(DAY))
        assert not build(Whole(date(2013, 1, 30)))
        assert "a backfill does not replace it" in caplog.text
        assert Whole(DAY).complete()

    def test_the_settings_of_a_task_reach_its_target(self):
        class Owned(Daily):
            owner = "flight_ops"
            checks = ()

            def rows(self):
                return []

        assert build(Owned(DAY))
        record = Owned(DAY).output().record()
        assert (record.origin.owner, record.rows) == ("flight_ops", 0)


@pytest.mark.usefixtures("memory")
class TestBulkComplete:
    @pytest.fixture(autouse=True)
    def _one_day_done(self, memory):
        assert build(Daily(DAY))

    def test_bulk_complete_with_single_dates(self):
        assert Daily.bulk_complete(iter([DAY, date(2013, 2, 1)])) == [DAY]

    def test_bulk_complete_with_tuples_and_dicts(self):
        assert Daily.bulk_complete([(DAY,), (date(2013, 2, 1),)]) == [(DAY,)]
        assert Daily.bulk_complete([{"day": DAY}]) == [{"day": DAY}]

    def test_bulk_complete_with_a_partial(self):
        class Regional(Daily):
            region = luigi.Parameter()
            table = "regional"
            partition_by = ("day", "region")

        assert build(Regional(DAY, "emea"))
        of = functools.partial(Regional, region="emea")
        elsewhere = functools.partial(Regional, region="apac")
        days = [DAY, date(2013, 2, 1)]
        assert Regional.bulk_complete.__func__(of, map(lambda day: day, days)) == [DAY]
        assert Regional.bulk_complete.__func__(elsewhere, map(lambda day: day, days)) == []

    def test_a_range_runs_only_what_is_missing(self):
        assert build(RangeDaily(of=Daily, start=date(2013, 1, 30), stop=date(2013, 2, 2), days_back=10**5))
        assert len(history(Daily(DAY))) == 3

    def test_a_range_over_a_task_of_ones_own_runs_only_what_is_missing(self):
        class Own(BulkComplete, luigi.Task):
            day = luigi.DateParameter()

            def output(self):
                return {side: Target(side, task=self, partition_by=("day",)) for side in ("left", "right")}

            def run(self):
                for target in self.output().values():
                    with target.open("w") as sink:
                        sink.write((1,))

        Own(DAY).run()
        with Own(date(2013, 1, 30)).output()["left"].open("w") as sink:
            sink.write((1,))
        assert Own.bulk_complete([DAY, date(2013, 1, 30)]) == [DAY]
        assert build(range_of(Own))
        assert Own.bulk_complete(DAYS) == DAYS

    def test_a_range_over_a_wrapper_runs_only_what_is_missing(self):
        class Inner(BulkComplete, luigi.WrapperTask):
            day = luigi.DateParameter()

            def requires(self):
                return {"daily": Daily(self.day)}

        class Everything(Inner):
            def requires(self):
                return [Inner(self.day), Daily(self.day)]

        assert Everything.bulk_complete(DAYS) == [DAY]
        assert build(range_of(Everything))
        assert Everything.bulk_complete(DAYS) == DAYS
        assert len(history(Daily(DAY))) == 3

    def test_a_wrapper_of_other_outputs_is_asked_by_complete(self):
        class Wrapper(BulkComplete, luigi.WrapperTask):
            day = luigi.DateParameter()

            def requires(self):
                return [Source(), Daily(self.day)]

        Source.done = False
        assert Wrapper.bulk_complete([DAY]) == []
        Source.done = True
        assert Wrapper.bulk_complete(DAYS) == [DAY]

    def test_a_complete_of_ones_own_decides(self):
        class Never(Daily):
            def complete(self):
                return False

        assert Never.bulk_complete([DAY]) == []

    @pytest.mark.parametrize("base", [luigi.Task, luigi.WrapperTask])
    def test_a_range_over_a_task_without_bulk_complete_says_what_to_do(self, base, caplog):
        class Own(base):
            day = luigi.DateParameter()

            def requires(self):
                return [Daily(self.day)] if base is luigi.WrapperTask else []

            def output(self):
                return super().output() or Target("own", task=self, partition_by=("day",))

        with pytest.raises(AttributeError, match=r"put luigi_sinks.BulkComplete before luigi.Task"):
            range_of(Own).requires()
        assert not hasattr(Daily(DAY).output(), "path")

    def test_a_task_with_another_kind_of_output_is_checked_by_complete(self):
        class Mixed(Daily):
            def output(self):
                return luigi.LocalTarget("/nowhere/at/all")

        assert Mixed.bulk_complete([DAY]) == []


@pytest.mark.usefixtures("memory")
class TestDeclarations:
    @pytest.mark.parametrize("by", [("day",), ()])
    @pytest.mark.parametrize("significant", [True, False])
    def test_a_task_that_luigi_may_run_for_others_is_refused(self, by, significant):
        class Batched(Copy):
            day = luigi.DateParameter(batch_method=max, significant=significant)
            partition_by = by

        with pytest.raises(ParameterException, match="day has a batch_method"):
            Batched(DAY)

    @pytest.mark.parametrize(
        ("said", "complaint"),
        [
            ({"keep": 1}, "keep = 1 must be a number from 2 on"),
            ({"keep": 2, "min_age": 60}, "min_age = 60 must be a timedelta"),
            ({"min_age": timedelta(1)}, "has no effect without keep"),
        ],
    )
    def test_a_policy_that_cannot_work_is_refused(self, said, complaint):
        with pytest.raises(ParameterException, match=complaint):
            type("Tidy", (Daily,), said)(DAY)

    def test_a_plain_task_that_luigi_may_run_for_others_is_refused(self, caplog):
        class Batched(luigi.Task):
            day = luigi.DateParameter(batch_method=max)

            def output(self):
                return Target("t", task=self, partition_by=("day",))

        assert not build(Batched(DAY), Batched(date(2013, 2, 1)))
        assert "day has a batch_method" in caplog.text

    def test_a_task_that_says_that_it_is_not_batchable_is_accepted(self):
        class Alone(Daily):
            day = luigi.DateParameter(batch_method=max)
            batchable = False

        assert build(*(Alone(day) for day in DAYS))
        assert Alone.bulk_complete(DAYS) == DAYS

    def test_a_task_with_parameters_and_no_partition_by_is_refused_at_once(self):
        class Ambiguous(Copy):
            day = luigi.DateParameter()
            table = "t"

        with pytest.raises(ParameterException, match=r"partition_by = \('day',\).*partition_by = \(\)"):
            Ambiguous(DAY)

    def test_a_parameter_that_overrides_a_setting_is_not_ambiguous(self):
        class Configurable(Copy):
            table = luigi.Parameter()

        assert Configurable(table="t").output().name == "t"

    def test_a_parameter_that_is_not_significant_is_not_ambiguous(self):
        class Chunked(Copy):
            table = "t"
            chunk = luigi.IntParameter(default=5, significant=False)

        assert Chunked().output().partition == "_all"

    def test_an_unknown_partition_parameter_is_refused_with_the_closest_known_one(self):
        class Mistyped(Daily):
            partition_by = ("dya",)

        with pytest.raises(ParameterException, match="did you mean 'day'"):
            Mistyped(DAY)

    def test_a_private_parameter_cannot_choose_the_partition(self):
        class Hidden(Daily):
            account = luigi.Parameter(visibility=ParameterVisibility.PRIVATE)
            partition_by = ("account",)

        with pytest.raises(ParameterException, match="hidden or private"):
            Hidden(DAY, "x")

    def test_a_setting_may_be_a_property(self):
        class Dynamic(Daily):
            @property
            def table(self):
                return f"daily_{self.day.year}"

        assert Dynamic(DAY).output().name == "daily_2013"

    def test_a_password_in_a_section_is_refused_at_start(self, luigi_cfg):
        luigi_cfg("[luigi_sinks.mariadb]\npassword = hunter2\n")
        with pytest.raises(ParameterException, match="credential = NAME") as caught:
            Daily(date(1999, 12, 31))
        assert "hunter2" not in str(caught.value)

    def test_a_task_without_rows_is_refused(self, memory, caplog):
        class Empty(CopyTask):
            table = "t"
            output = Copy.output

        assert not build(Empty())
        assert "define Empty.rows(); it returns the rows to load" in caplog.text


SCRIPT = """
import sys, datetime, luigi
sys.path.insert(0, {folder!r})
from test_task import Daily
if __name__ == "__main__":
    tasks = [Daily(datetime.date(2013, 1, day)) for day in range(1, 7)]
    sys.exit(not luigi.build(tasks, workers=2, local_scheduler=True, no_lock=True))
"""


def test_memory_sinks_serve_two_workers(memory, tmp_path, luigi_cfg):
    config = tmp_path / "two.cfg"
    config.write_text(f"[luigi_sinks]\nlocal = {memory}\n")
    script = SCRIPT.format(folder=str(Path(__file__).parent))
    environment = {"LUIGI_CONFIG_PATH": str(config), "PATH": ""}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment, capture_output=True, timeout=60)
    assert history(Daily(DAY)) == [State.PUBLISHED] * 6


def test_a_mistake_in_a_declaration_makes_the_command_line_fail(memory, tmp_path):
    script = tmp_path / "declared.py"
    script.write_text(
        "import luigi\nfrom luigi_sinks import CopyTask\n"
        "class Ambiguous(CopyTask):\n    day = luigi.DateParameter()\n    table = 't'\n"
        "if __name__ == '__main__':\n    luigi.run()\n"
    )
    command = [sys.executable, script, "Ambiguous", "--day", "2013-01-31", "--local-scheduler"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "no partition_by" in done.stderr
