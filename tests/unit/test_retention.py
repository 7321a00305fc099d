"""Which versions a policy keeps, without a store; the contract suite tests the same on each store."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from luigi_sinks.claim import held
from luigi_sinks.errors import BadSetting
from luigi_sinks.record import Withdrawal
from luigi_sinks.retention import Retention, retention, to_drop
from luigi_sinks.testing.transitions import example
from luigi_sinks.version import State, Version

NOW = datetime.now(UTC)


def record(number: int, state: State, partition: str = "_all", **known):
    found, _ = example(state)
    version = Version("d", partition, f"v20260102t030405_{number:06d}")
    at = NOW - timedelta(hours=10) if state is State.RETIRED else None
    return replace(found, version=version, seq=number, **{"retired_at": at, **known})


def dropped(*records, keep=2, hours=1):
    return [each.seq for each in to_drop(records, Retention(keep, timedelta(hours=hours)))]


def history(count, **known):
    return [*(record(number, State.RETIRED, **known) for number in range(1, count)), record(count, State.PUBLISHED)]


def test_the_newest_versions_are_kept_the_head_among_them():
    assert dropped(*history(5)) == [1, 2, 3]
    assert dropped(*history(5), keep=4) == [1]
    assert dropped(*history(5), keep=9) == []


def test_a_head_that_was_rolled_back_to_is_one_of_those_that_are_kept():
    assert dropped(record(1, State.PUBLISHED), *(record(number, State.RETIRED) for number in (2, 3, 4))) == [2, 3]


def test_without_a_head_as_many_are_kept():
    assert dropped(*(record(number, State.RETIRED) for number in (1, 2, 3, 4))) == [1, 2]


def test_what_readers_saw_a_moment_ago_is_kept():
    assert dropped(*history(4, retired_at=NOW - timedelta(hours=2)), hours=3) == []


def test_the_base_of_a_version_is_kept_while_that_is_loaded():
    first, second, *rest = history(5)
    assert dropped(first, second, *rest[:-1], replace(rest[-1], base=first.version.id)) == [1, 2, 3]
    loading = record(6, State.STAGED, base=first.version.id)
    with held(loading.version.id) as claim:
        assert dropped(first, second, *rest, replace(loading, claim=claim)) == [2, 3]
    assert dropped(first, second, *rest, replace(loading, claim=claim)) == [1, 2, 3]


def test_pinned_versions_are_kept_and_withdrawn_ones_are_not():
    first, second, third, *rest = history(5)
    wrong = replace(rest[0], withdrawn=Withdrawal(NOW))
    assert dropped(replace(first, pinned=True), second, third, wrong, rest[1]) == [2, 4]


def test_a_version_that_was_superseded_goes_once_it_is_old_enough_and_takes_no_room():
    superseded = record(3, State.SUPERSEDED, superseded_at=NOW - timedelta(hours=2))
    others = record(1, State.RETIRED), record(2, State.RETIRED), record(4, State.PUBLISHED)
    assert dropped(*others, superseded) == [1, 3]
    assert dropped(*others, superseded, hours=3) == [1]
    assert dropped(*others, replace(superseded, pinned=True)) == [1]


def test_loads_and_what_they_left_are_no_matter_of_a_policy():
    at_work = set(State) - {State.RETIRED, State.PUBLISHED, State.SUPERSEDED}
    others = [record(number, state) for number, state in enumerate(at_work)]
    assert dropped(*others, keep=2, hours=0) == []


@pytest.mark.parametrize("keep", [1, 0, -2, True, 2.0, "2"])
def test_less_than_two_versions_is_no_policy(keep):
    with pytest.raises(BadSetting, match="must be a number from 2 on: the head, and one to go back to"):
        Retention(keep)


@pytest.mark.parametrize("min_age", [timedelta(seconds=-1), timedelta.max, 60, "1h"])
def test_a_time_that_is_none_is_refused(min_age):
    with pytest.raises(BadSetting, match="must be a timedelta that is not negative"):
        Retention(2, min_age)


def test_a_time_without_a_number_has_no_effect_and_is_refused():
    with pytest.raises(BadSetting, match="has no effect without keep; set how many versions to keep"):
        retention(None, timedelta(hours=1))
    assert retention(None, None) is None
    assert retention(3, None) == Retention(3, timedelta(hours=1))
