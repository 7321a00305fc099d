import luigi
import pytest
from luigi.parameter import ParameterException
from sqlalchemy import Column, Integer

from luigi_sinks import ReleaseTask, versions
from luigi_sinks.errors import BadSetting
from luigi_sinks.mariadb import CopyToTable
from luigi_sinks.version import State

pytestmark = pytest.mark.usefixtures("memory")


class OfNightly(luigi.Task):
    def output(self):
        return luigi.LocalTarget("/dev/null")


class Numbers(CopyToTable):
    until = luigi.IntParameter()
    partition_by = ("until",)
    columns = [Column("n", Integer, primary_key=True)]

    def requires(self):
        return OfNightly()

    def rows(self):
        return ({"n": n} for n in range(self.until))


class Firsts(Numbers):
    table = "firsts"


class Seconds(Numbers):
    table = "seconds"


class Broken(Numbers):
    table = "broken"

    def rows(self):
        raise ZeroDivisionError


class Nightly(ReleaseTask):
    until = luigi.IntParameter()
    release = "nightly"
    kinds = (Firsts, Seconds)

    def members(self):
        return [kind(until=self.until) for kind in self.kinds]


class Fails(Nightly):
    kinds = (Firsts, Broken)


class Reader(luigi.Task):
    def requires(self):
        return Nightly(until=3)

    def output(self):
        return self.input()

    def run(self):
        raise AssertionError


def test_a_release_task_publishes_what_its_members_load_and_completes_them():
    assert luigi.build([Nightly(until=3)], local_scheduler=True)
    assert [member.complete() for member in (Firsts(until=3), Seconds(until=3))] == [True, True]
    assert {member.output().record().release.name for member in Nightly(until=3).members()} == {"nightly"}
    assert list(Firsts(until=3).output().rows()) == [{"n": 0}, {"n": 1}, {"n": 2}]


def test_a_release_task_of_which_a_member_fails_publishes_nothing():
    assert not luigi.build([Fails(until=3)], local_scheduler=True)
    assert not Firsts(until=3).complete()
    assert [record.state for record in Firsts(until=3).output().sink().records()] == [State.FAILED]


def test_a_release_task_requires_what_its_members_require():
    assert Nightly(until=3).deps() == [OfNightly(), OfNightly()]


def test_a_complete_release_task_is_not_run_again():
    Nightly(until=3).run()
    Nightly(until=3).run()
    assert len(list(Firsts(until=3).output().sink().records())) == 1
    assert Nightly.bulk_complete([3, 4]) == [3]


def test_a_release_task_is_incomplete_after_a_member_was_withdrawn_and_then_loads_all_again():
    Nightly(until=3).run()
    target = Firsts(until=3).output()
    versions.withdraw(target.sink(), target.record().version)
    assert not Nightly(until=3).complete()
    Nightly(until=3).run()
    assert Nightly(until=3).complete()


def test_a_task_that_requires_a_release_waits_for_it():
    luigi.build([Reader()], local_scheduler=True)
    assert Reader().complete()


class Unnamed(Nightly):
    release = ""


class OfOthers(Nightly):
    kinds = (OfNightly,)

    def members(self):
        return [OfNightly()]


class Loading(Firsts):
    def run(self):
        yield OfNightly()


class OfLoading(Nightly):
    kinds = (Loading,)


def test_a_release_task_without_a_name_is_refused():
    with pytest.raises(ParameterException, match="Unnamed: release = '' must be a name, such as 'nightly'"):
        Unnamed(until=3)


@pytest.mark.parametrize("kind", [OfOthers, OfLoading])
def test_a_member_that_is_not_loaded_by_its_rows_is_refused(kind):
    with pytest.raises(BadSetting, match=r"cannot be in release nightly, since it is not loaded by its rows\(\) alone"):
        kind(until=3).output()


class Alone(Firsts):
    release = "nightly"


def test_a_copy_task_with_a_release_is_refused_with_the_way_out():
    with pytest.raises(ParameterException, match=r"release: remove it: a task publishes alone\. Return the task from"):
        Alone(until=3)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"owner": 5}, "^Nightly: owner = 5 must be a NAME of"),
        ({"keep": 2, "rows": lambda self: ()}, "keep, rows: set it in the tasks that members"),
    ],
)
def test_what_a_release_would_not_honour_is_refused(attributes, message):
    with pytest.raises(ParameterException, match=message):
        type("Nightly", (Nightly,), attributes)(until=1)


@pytest.mark.parametrize("members", [None, Firsts(until=3)])
def test_members_that_are_no_tasks_are_refused_with_an_explanation(members):
    task = type("Wrong", (Nightly,), {"members": lambda self: members})(until=3)
    for act in (task.requires, task.output, task.complete, task.run):
        with pytest.raises(BadSetting, match=rf"Wrong.members\(\) returned one {type(members).__name__}; return"):
            act()
