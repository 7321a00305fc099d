"""Releases over two SQLite files, which stand for two stores, and over two datasets of one file."""

import os
from dataclasses import replace

import pytest

from luigi_sinks import Head, Origin, load, settling, stores, together, versions
from luigi_sinks.completeness import complete
from luigi_sinks.contract import Contract, Field, TupleShape
from luigi_sinks.errors import BadRow, BadSetting, Conflict
from luigi_sinks.events import Action, Outcome
from luigi_sinks.listeners import listen, stop_listening
from luigi_sinks.record import Withdrawal
from luigi_sinks.release import Member, Release
from luigi_sinks.sqlite import SQLiteCatalog
from luigi_sinks.target import VersionedTarget
from luigi_sinks.version import WHOLE, State

pytestmark = pytest.mark.usefixtures("memory")


class Target(VersionedTarget):
    """A minimal target; each store is a file of its own."""

    def __init__(self, name, store, **options):
        self.store = store
        super().__init__(name, {"update_id": name, **options})

    @property
    def contract(self):
        return Contract(self.dataset, {"": TupleShape((Field("id", int),), key=("id",))})


def flights(**options):
    return Target("flights", "one", **options)


def delays(**options):
    return Target("delays", "two", **options)


def airports(**options):
    return Target("airports", "two", **options)


def release(*targets, count=1, name="nightly"):
    with together(*targets, release=name) as writers:
        for writer in writers:
            for number in range(count):
                writer.write((number,))


def killed(act):
    """Do something in a process that dies, or ends, and wait for it."""
    pid = os.fork()
    if pid == 0:
        try:
            act()
        finally:
            os._exit(1)
    os.waitpid(pid, 0)


def dying(monkeypatch, call, *, before=0):
    """Let a process die instead of the call of this method after so many of them."""
    whole, left = getattr(SQLiteCatalog, call), [None] * before

    def dies(self, *args, **kwargs):
        if not left:
            os._exit(9)
        left.pop()
        return whole(self, *args, **kwargs)

    monkeypatch.setattr(SQLiteCatalog, call, dies)


def head(target):
    return target.sink().head(WHOLE)


def states(target):
    return [record.state for record in target.sink().records()]


def test_the_versions_of_a_release_become_heads_together_and_name_it():
    release(flights(), delays(), count=2)
    assert [list(target.rows()) for target in (flights(), delays())] == [[{"id": 0}, {"id": 1}]] * 2
    records = [head(target).record for target in (flights(), delays())]
    assert [record.release.name for record in records] == ["nightly"] * 2
    assert records[0].release == records[1].release
    assert [member.version for member in records[0].release.members] == [record.version for record in records]
    assert {record.publications[-1].why for record in records} == {"release nightly"}
    assert complete([flights(), delays()]) == [True, True]


def test_listeners_are_told_of_all_loads_before_the_first_publication():
    told = []
    listen(told.append)
    release(flights(), delays())
    stop_listening(told.append)
    assert [(event.action, event.outcome, event.version.dataset) for event in told] == [
        (Action.LOAD, Outcome.BEGUN, "flights"),
        (Action.LOAD, Outcome.BEGUN, "delays"),
        (Action.LOAD, Outcome.SUCCESS, "delays"),
        (Action.LOAD, Outcome.SUCCESS, "flights"),
        (Action.PUBLISH, Outcome.SUCCESS, "flights"),
        (Action.PUBLISH, Outcome.SUCCESS, "delays"),
    ]


def test_an_error_in_the_block_publishes_nothing():
    release(flights())
    before = head(flights())
    with pytest.raises(ZeroDivisionError), together(flights(), delays(), release="nightly") as (first, _):
        first.write((1,))
        raise ZeroDivisionError
    assert (head(flights()), head(delays())) == (before, Head())
    assert (states(flights()), states(delays())) == ([State.PUBLISHED, State.FAILED], [State.FAILED])


def test_a_bad_row_of_one_dataset_publishes_none():
    with pytest.raises(BadRow), together(flights(), delays(), release="nightly") as (first, second):
        first.write((1,))
        second.write(("one",))
    assert (head(flights()), head(delays())) == (Head(), Head())


def test_a_release_that_loses_one_publication_is_taken_back_and_says_which():
    for target in (flights(), delays()):
        load(target.sink(), WHOLE, target.origin, [(7,)])
    before = head(flights()).version
    with (
        pytest.raises(Conflict, match=r"release nightly failed: delays/.* the head moved on to .* is taken back"),
        together(flights(), delays(), release="nightly") as writers,
    ):
        for writer in writers:
            writer.write((1,))
        other = head(delays())
        versions.withdraw(delays().sink(), other.version)  # the head moves
    assert (head(flights()).version, head(flights()).epoch) == (before, 3)
    assert states(flights()) == [State.PUBLISHED, State.RETIRED]
    assert states(delays()) == [State.RETIRED, State.FAILED]
    taken = list(flights().sink().records())[-1]
    assert (taken.is_complete, taken.release.is_settled) == (False, True)
    assert taken.withdrawn.why.startswith("release nightly failed: delays/")


def test_what_is_taken_back_gives_way_to_what_it_replaced_even_if_that_is_not_the_newest():
    first, second = (_loaded(flights(), number) for number in (1, 2))
    versions.roll_back(flights().sink(), first)
    _loaded(delays(), 1)
    with pytest.raises(Conflict), together(flights(), delays(), release="nightly") as writers:
        for writer in writers:
            writer.write((1,))
        versions.withdraw(delays().sink(), head(delays()).version)
    assert head(flights()).version == first != second


def _loaded(target, number):
    load(target.sink(), WHOLE, target.origin, [(number,)])
    return head(target).version


LOOKS = {
    "exists": lambda target: target.exists(),
    "the records of many outputs": lambda target: complete([target]),
    "a load": lambda target: load(target.sink(), WHOLE, target.origin, [(5,)]),
    "a sweep": lambda target: versions.sweep(target.sink()),
    "a sweep of the partition": lambda target: versions.sweep(target.sink(), partition=WHOLE),
    "a rollback": lambda target: versions.roll_back(target.sink(), next(target.sink().records()).version),
    "a pin": lambda target: versions.pin(target.sink(), next(target.sink().records()).version),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
@pytest.mark.parametrize("at", [flights, delays])
def test_the_next_look_finishes_a_release_that_died_between_two_publications(monkeypatch, look, at):
    for target in (flights(), delays()):
        _loaded(target, 1)
    with monkeypatch.context() as patched:
        dying(patched, "publish_all", before=1)
        killed(lambda: release(flights(), delays(), count=2))
    assert (states(flights())[1], states(delays())[1]) == (State.PUBLISHED, State.VALIDATED)
    look(at())
    assert states(flights())[1] in {State.PUBLISHED, State.RETIRED}
    assert states(delays())[1] in {State.PUBLISHED, State.RETIRED}
    assert [record.is_complete for target in (flights(), delays()) for record in target.sink().records()] == [
        True
    ] * len(states(flights()) + states(delays()))


def test_outputs_are_incomplete_until_their_release_is_published(monkeypatch):
    with monkeypatch.context() as patched:
        dying(patched, "publish_all", before=1)
        killed(lambda: release(flights(), delays()))
    assert not head(flights()).record.is_complete
    assert flights().exists()


@pytest.mark.parametrize("at", [flights, delays])
def test_the_next_look_gives_up_a_release_that_died_before_its_first_publication(monkeypatch, at):
    with monkeypatch.context() as patched:
        dying(patched, "publish_all")
        killed(lambda: release(flights(), delays()))
    assert not at().exists()
    assert (head(flights()), head(delays())) == (Head(), Head())
    (record,) = delays().sink().records()
    assert (record.state, record.is_publishable) == (State.VALIDATED, False)
    release(flights(), delays())
    assert (states(flights()), states(delays())) == ([State.FAILED, State.PUBLISHED],) * 2


@pytest.mark.parametrize("at", [flights, delays])
def test_the_next_look_takes_back_a_release_whose_next_head_has_moved(monkeypatch, at):
    _loaded(flights(), 1), _loaded(delays(), 1)
    before, moved = head(flights()).version, head(delays())
    with monkeypatch.context() as patched:
        dying(patched, "publish_all", before=1)
        killed(lambda: release(flights(), delays()))
    sink = delays().sink()
    sink.change(moved.version, lambda record, _: replace(record, withdrawn=_withdrawal(record)))
    sink.unpublish(moved.version, replacing=moved)
    at().exists()
    assert head(flights()).version == before
    assert states(delays()) == [State.RETIRED, State.VALIDATED]
    assert [record.is_unsettled for target in (flights(), delays()) for record in target.sink().records()] == [
        False
    ] * 4


def _withdrawal(record):
    return Withdrawal(record.staged_at)


@pytest.mark.parametrize("writes", range(14))
def test_a_release_that_died_while_it_was_taken_back_is_taken_back_by_the_next_look(monkeypatch, writes):
    _loaded(flights(), 1), _loaded(delays(), 1)
    before = head(flights()).version

    def conflicts():
        with together(flights(), delays(), release="nightly") as writers:
            for writer in writers:
                writer.write((1,))
            versions.withdraw(delays().sink(), head(delays()).version)
            dying(monkeypatch, "transaction", before=writes)

    killed(conflicts)
    flights().exists() if writes % 2 else delays().exists()
    assert (head(flights()).version, head(delays()).version) == (before, None)
    assert [record.is_complete for record in flights().sink().records()] == [True, False]


def test_datasets_of_one_database_are_published_in_one_step(monkeypatch):
    steps = []
    publish_all = SQLiteCatalog.publish_all

    def counted(self, moves, **options):
        steps.append([version.dataset for version, _ in moves])
        return publish_all(self, moves, **options)

    monkeypatch.setattr(SQLiteCatalog, "publish_all", counted)
    release(delays(), flights(), airports())
    assert steps == [["delays", "airports"], ["flights"]]


def test_of_datasets_of_one_database_none_is_published_if_one_cannot_be():
    _loaded(airports(), 1)
    with pytest.raises(Conflict), together(delays(), airports(), release="nightly") as writers:
        for writer in writers:
            writer.write((1,))
        versions.withdraw(airports().sink(), head(airports()).version)
    assert head(delays()) == Head()
    assert states(delays()) == [State.FAILED]


def test_a_record_cannot_draw_other_datasets_into_its_release():
    other = _loaded(delays(), 1)
    forged = _loaded(flights(), 1)
    members = (Member("one", forged), Member("two", other))
    flights().sink().change(forged, lambda record, _: replace(record, release=Release("forged", members)))
    flights().exists()
    assert head(delays()).version == other
    assert head(delays()).record.is_complete


@pytest.mark.parametrize("target", [5, None, "flights", Target, [flights]])
def test_what_is_no_target_is_refused_by_name(target):
    refusal = f"release 'nightly': together was given one {type(target).__name__}, which is not a target; pass"
    with pytest.raises(BadSetting, match=refusal), together(target, release="nightly"):
        pass


def test_a_release_needs_a_name_and_targets_of_different_outputs():
    with pytest.raises(BadSetting, match="needs a name"), together(flights(), release=None):
        pass
    with pytest.raises(BadSetting, match="needs a name, and at least one target"), together(release="nightly"):
        pass
    with pytest.raises(BadSetting, match="needs a name"), together(flights(), release=""):
        pass
    with (
        pytest.raises(BadSetting, match="release nightly: two targets write flights/_all, and readers would see one"),
        together(flights(), flights(rerun="again"), release="nightly"),
    ):
        pass
    with (
        pytest.raises(BadSetting, match="release nightly: flights has older = 'superseded', which completes an output"),
        together(flights(older="superseded"), release="nightly"),
    ):
        pass
    assert states(flights()) == []


def test_a_live_release_is_left_alone():
    with together(flights(), delays(), release="nightly") as writers:
        for writer in writers:
            writer.write((1,))
        settling.settle_everywhere(flights().sink())
        assert not flights().exists()
    assert flights().exists()


def test_a_place_is_opened_by_its_key(memory):
    release(flights(), delays())
    assert stores.open_at("two", "delays") == SQLiteCatalog(memory, "two", "delays")


def test_a_load_after_a_release_is_of_none():
    release(flights(), delays())
    load(flights().sink(), WHOLE, Origin("flights"), [(1,)])
    assert head(flights()).record.release is None
