import contextlib
import gc
import pickle
from datetime import date, timedelta

import luigi
import pytest

from luigi_sinks import config, versions
from luigi_sinks.completeness import complete
from luigi_sinks.contract import Contract, Field, TupleShape
from luigi_sinks.errors import BadRow, BadSetting, Conflict
from luigi_sinks.record import Origin
from luigi_sinks.target import VersionedTarget
from luigi_sinks.version import State

pytestmark = pytest.mark.usefixtures("memory")


class Target(VersionedTarget):
    """A minimal target of a store."""

    store = "memory"

    def __init__(self, name="d", **options):
        super().__init__(name, options)

    @property
    def contract(self):
        return Contract(self.dataset, {"": TupleShape((Field("id", int),), key=("id",))})


class Daily(luigi.Task):
    day = luigi.DateParameter()
    note = luigi.Parameter(default="", significant=False)


class Named(luigi.Task):
    name = luigi.Parameter()


def target(**options):
    return Target(update_id="today", **options)


def history():
    return [record.state for record in target().sink().records()]


def test_a_stale_bare_target_is_refused():
    with pytest.raises(
        BadSetting, match="neither task nor update_id, so a task could take the version of another task"
    ):
        Target()


def test_an_origin_identifies_the_output_of_what_is_no_task():
    origin = Origin("dag.load_1", family="dag.load", period="2013-01-01", owner="flight_ops")
    made = Target(origin=origin, partition="north")
    with made.open("w") as writer:
        writer.write((1,))
    assert (made.record().origin, made.owner, made.exists()) == (origin, "flight_ops", True)


@pytest.mark.parametrize(
    "also", [{"update_id": "x"}, {"task": Named(name="x")}, {"rerun": "x"}, {"owner": "x"}, {"partition_by": ("x",)}]
)
def test_an_origin_beside_what_says_the_same_is_refused(also):
    with pytest.raises(BadSetting, match=f"target 'd' has origin and {next(iter(also))}, which says the same; keep"):
        Target(origin=Origin("dag.load_1"), **also)


@pytest.mark.parametrize(("name", "value"), [("origin", "dag.load_1"), ("takes_over", 1)])
def test_an_origin_is_an_origin_and_whether_a_try_takes_over_is_true_or_false(name, value):
    with pytest.raises(BadSetting, match=f"dataset 'd': {name} = {value!r} must be"):
        target(**{name: value})


def test_columns_that_may_change_are_named():
    with pytest.raises(BadSetting, match=r"target 'd': allow_change = True must name columns, such as"):
        Target(update_id="x", allow_change=True)


def test_a_policy_that_cannot_work_is_refused_with_the_targets_name():
    with pytest.raises(BadSetting, match="target 'd': keep = 1 must be a number from 2 on"):
        target(keep=1)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"chekcs": ()}, "target 'd': chekcs is no option; did you mean 'checks'"),
        ({"task": Daily(day=date(2013, 1, 1)), "partition_by": "day"}, "has task and update_id"),
        ({"partition_by": "day"}, "has partition_by and no task whose parameters it names; set partition"),
    ],
)
def test_an_option_that_would_have_no_effect_is_refused(options, complaint):
    with pytest.raises(BadSetting, match=complaint):
        target(**options)


def test_a_label_makes_a_target_without_a_task_load_again():
    first, again = target(), target(rerun="corrected")
    for each in (first, again):
        with each.open("w") as writer:
            writer.write((1,))
    assert [record.origin.rerun for record in again.sink().records()] == ["", "corrected"]
    assert again.exists()
    assert not target(rerun="another").exists()


@pytest.mark.parametrize("char", ["\n", "\x1b", "\u200d", "\u202e", "\u2029"])
def test_a_name_with_a_character_that_is_not_seen_is_refused(char):
    class Odd(luigi.Task):
        task_namespace = f"a{char}b"

    for options in ({"name": f"d{char}"}, {"owner": f"o{char}"}):
        with pytest.raises(BadSetting, match=rf"U\+{ord(char):04X}, which is not seen") as caught:
            target(**options)
        assert char not in str(caught.value)
    with pytest.raises(BadSetting, match="which is not seen"):
        Target(task=Odd())


@pytest.mark.parametrize("section", ["audits", "leasse", "owners.ops", "Audit"])
def test_a_section_that_nothing_reads_is_refused(memory, section):
    config.use({"luigi_sinks": {"local": str(memory)}, f"luigi_sinks.{section}": {"required": True}})
    with pytest.raises(BadSetting, match=rf"\[luigi_sinks.{section}\] in the configuration is read by nothing"):
        target().exists()
    config.use({"luigi_sinks": {"local": str(memory), "memory": {"of_ones_own": "store"}}})
    assert not target().exists()


def test_a_target_with_an_update_id_exists_once_it_is_published():
    assert not target().exists()
    with target().open("w") as sink:
        sink.write((1,))
        assert not target().exists()
    assert target().exists()
    assert not Target(update_id="tomorrow").exists()
    assert not target(partition="emea").exists()


def test_a_target_still_exists_after_another_version_replaced_it():
    for update_id in ("today", "tomorrow"):
        with Target(update_id=update_id).open("w") as sink:
            sink.write((1,))
    assert target().exists()
    assert history() == [State.RETIRED, State.PUBLISHED]


def test_a_version_is_read_by_any_target_with_its_update_id():
    for update_id, row in (("today", (1,)), ("tomorrow", (2,))):
        with Target(update_id=update_id).open("w") as sink:
            sink.write(row)
    with target().open("r") as rows:
        assert list(rows) == [{"id": 1}]
    assert next(Target(update_id="tomorrow").open()) == {"id": 2}


def test_an_output_that_was_never_published_cannot_be_read():
    with pytest.raises(FileNotFoundError, match="nothing has been published yet"):
        target().open("r")


def test_a_version_whose_rows_are_deleted_exists_but_cannot_be_read():
    for update_id in ("today", "tomorrow"):
        with Target(update_id=update_id).open("w") as sink:
            sink.write((1,))
    versions.prune(target().sink(), target().record().version, min_age=timedelta(0))
    assert target().exists()
    with pytest.raises(FileNotFoundError, match="its rows have been deleted"):
        target().open("r")


def test_a_task_identifies_its_target():
    task = Daily(date(2013, 1, 31))
    mine = Target(task=task, partition_by=("day",))
    assert (mine.partition, mine.origin.update_id) == ("20130131", task.task_id)
    assert mine.origin.params == {"day": "2013-01-31"}
    whole = Target(task=task, partition_by=())
    assert (whole.partition, whole.origin.period) == ("_all", "2013-01-31")


def test_partition_by_may_be_a_single_name():
    assert Target(task=Daily(date(2013, 1, 31)), partition_by="day").partition == "20130131"


def test_a_target_of_a_task_with_parameters_needs_partition_by():
    with pytest.raises(BadSetting, match=r"partition_by = \('day',\).*partition_by = \(\)"):
        Target(task=Daily(date(2013, 1, 31)))


@pytest.mark.parametrize("options", [{"rerun": "late\ud800"}, {"partition_by": ("name",)}])
def test_a_parameter_with_a_lone_surrogate_is_refused(options):
    task = Named("\ud800" if "partition_by" in options else "x")
    with pytest.raises(BadSetting, match="surrogate"):
        Target(task=task, **{"partition_by": (), **options})


@pytest.mark.parametrize("partition", ["2013-01", "EMEA", "", "x" * 31])
def test_a_partition_id_that_is_not_valid_in_every_store_is_refused(partition):
    with pytest.raises(BadSetting, match="a-z, 0-9 and _"):
        target(partition=partition)


def test_a_clean_exit_publishes():
    with target().open("w") as sink:
        sink.write((1,))
    assert history() == [State.PUBLISHED]


def test_a_clean_close_publishes_once():
    sink = target().open("w")
    sink.write((1,))
    sink.close()
    sink.close()
    assert history() == [State.PUBLISHED]
    with pytest.raises(ValueError, match="closed"):
        sink.write((2,))


def test_an_exception_in_the_block_abandons():
    with pytest.raises(ZeroDivisionError), target().open("w") as sink:
        sink.write((1,))
        raise ZeroDivisionError
    assert history() == [State.FAILED]


def test_close_in_a_finally_block_does_not_publish_half_a_load():
    def half():
        sink = target().open("w")
        try:
            sink.write((1,))
            raise ZeroDivisionError
        finally:
            sink.close()

    with pytest.raises(ZeroDivisionError):
        half()
    assert history() == [State.FAILED]


def test_contextlib_closing_does_not_publish_half_a_load():
    with pytest.raises(ZeroDivisionError), contextlib.closing(target().open("w")) as sink:
        sink.write((1,))
        raise ZeroDivisionError
    assert history() == [State.FAILED]


def test_a_generator_that_is_closed_within_the_block_abandons():
    def steps():
        with target().open("w") as sink:
            sink.write((1,))
            yield

    running = steps()
    next(running)
    running.close()
    assert history() == [State.FAILED]


def test_a_load_within_an_exception_handler_publishes():
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        sink = target().open("w")
        sink.write((1,))
        sink.close()
    assert history() == [State.PUBLISHED]


def test_a_writer_that_is_never_closed_abandons_with_a_warning(caplog):
    sink = target().open("w")
    sink.write((1,))
    del sink
    gc.collect()
    assert history() == [State.FAILED]
    assert "was never closed" in caplog.text


def test_a_load_that_cannot_begin_does_not_warn_about_its_writer(caplog):
    with target().open("w") as sink:
        sink.write((1,))
        with pytest.raises(Conflict):
            target().open("w")
    gc.collect()
    assert "never closed" not in caplog.text


def test_an_error_that_the_block_catches_still_abandons():
    with pytest.raises(BadRow), target().open("w") as sink:
        sink.write((1,))
        with contextlib.suppress(BadRow):
            sink.write(None)
    assert history() == [State.FAILED]


def test_raising_after_a_clean_close_leaves_it_published():
    with pytest.raises(ZeroDivisionError), target().open("w") as sink:
        sink.write((1,))
        sink.close()
        raise ZeroDivisionError
    assert target().exists()


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="use 'r' or 'w'"):
        target().open("a")


def test_a_target_can_be_sent_to_another_process():
    with target().open("w") as sink:
        sink.write((1,))
    assert pickle.loads(pickle.dumps(target())).exists()


def test_many_targets_are_looked_up_with_one_query_per_dataset():
    made = [Target(update_id=u, partition=u) for u in ("a", "b")] + [Target("other", update_id="a", partition="a")]
    for one in made:
        with one.open("w") as sink:
            sink.write((1,))
    others = [
        Target(update_id="b"),
        Target(update_id="c", partition="a"),
        Target("third", update_id="a", partition="a"),
    ]
    asked = [*made, *others]
    assert complete(asked) == [True, True, True, False, False, False] == [one.exists() for one in asked]


def test_of_several_reruns_the_head_is_read_or_else_the_latest():
    for rerun, row in (("", (1,)), ("a", (2,)), ("b", (3,))):
        with labelled(rerun).open("w") as sink:
            sink.write(row)
    assert [next(labelled(rerun).open()) for rerun in ("", "a", "b")] == [{"id": 3}, {"id": 2}, {"id": 3}]
    store, second = target().sink(), labelled("a").record()
    store.publish(second.version, replacing=store.head("_all"))
    assert next(labelled("").open()) == {"id": 2}


def test_a_rerun_is_complete_only_under_its_own_label():
    with labelled("a").open("w") as sink:
        sink.write((1,))
    assert [labelled(rerun).exists() for rerun in ("", "a", "b")] == [True, True, False]
    assert complete([labelled("a"), labelled("b")]) == [True, False]


def labelled(rerun):
    return Target(task=Whole(), partition_by=(), rerun=rerun)


class Whole(luigi.Task):
    pass


@pytest.mark.parametrize("name", [None, ""])
def test_a_dataset_without_a_name_is_refused_with_the_settings_that_name_it(name):
    with pytest.raises(BadSetting, match="set table, index or graph"):
        Target(name, update_id="a")
