"""The rules for the states of a version, without a store; the contract suite tests them on each store."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from luigi_sinks import record as rules
from luigi_sinks import removal, superseding
from luigi_sinks.errors import Conflict
from luigi_sinks.record import Origin, Pointer, Publication
from luigi_sinks.testing.transitions import CHANGES, REFUSALS, RULES, STATES, example, message
from luigi_sinks.version import State, Version

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("state", STATES)
def test_each_rule_changes_refuses_or_leaves_alone_a_version_in_each_state(state, rule):
    record, head = example(state)
    if rule in REFUSALS[state]:
        with pytest.raises(Conflict) as refused:
            RULES[rule](record, head)
        assert str(refused.value) == message(record.version, state, rule)
    elif rule in CHANGES[state]:
        changed = RULES[rule](record, head)
        assert changed != record
        assert changed.state is CHANGES[state][rule]
    else:
        assert RULES[rule](record, head) == record


def test_every_state_has_an_example_and_every_rule_something_to_change_or_refuse():
    assert {record.state for record, _ in map(example, STATES)} == set(State)
    used = {rule for table in (CHANGES, REFUSALS) for by_rule in table.values() for rule in by_rule}
    assert used == RULES.keys() - {"retire"}  # which does what the pointer says, in a test of its own


def test_the_version_that_the_pointer_names_is_published_whatever_its_record_says():
    for state in STATES:
        record, _ = example(state)
        seen = rules.as_pointed(record, Pointer(record.version, 7), at=NOON)
        assert (seen.state, seen.retired_at, seen.is_complete) == (State.PUBLISHED, None, True)


def test_a_publication_that_is_only_known_from_the_pointer_is_noted_with_its_epoch():
    record, _ = example(State.VALIDATED)
    seen = rules.as_pointed(record, Pointer(record.version, 7), at=NOON)
    assert seen.publications == (Publication(7, NOON, why="found as the head"),)


def test_a_publication_that_is_known_is_not_noted_twice():
    record, _ = example(State.RETIRED)
    assert rules.as_pointed(record, Pointer(record.version, 1)).publications == record.publications


def test_a_published_version_that_the_pointer_does_not_name_is_retired():
    record, _ = example(State.PUBLISHED)
    seen = rules.as_pointed(record, Pointer(Version("d", "_all", "another"), 2), at=NOON)
    assert (seen.state, seen.retired_at) == (State.RETIRED, NOON)


def test_the_head_is_not_retired():
    record, head = example(State.PUBLISHED)
    assert rules.retire(record, head, at=NOON) == record


def test_a_publication_counts_the_moves_of_the_head():
    record, _ = example(State.VALIDATED)
    head = Pointer(Version("d", "_all", "another"), 4)
    published = rules.publish(record, head, replacing=head, publication=Publication(0, NOON, "loader", "a fix"))
    assert published.publications == (Publication(5, NOON, "loader", "a fix"),)


@pytest.mark.parametrize("seen", [Pointer(None, 1), Pointer(Version("d", "_all", "another"), 3)])
def test_a_publication_over_another_head_than_was_seen_is_a_conflict(seen):
    record, _ = example(State.VALIDATED)
    head = Pointer(Version("d", "_all", "another"), 4)
    with pytest.raises(Conflict, match="the head moved on to d/_all/another meanwhile; nothing was published"):
        rules.publish(record, head, replacing=seen, publication=Publication(0, NOON))


def test_a_version_that_is_published_again_is_no_longer_retired():
    record, head = example(State.RETIRED)
    published = rules.publish(record, head, replacing=head, publication=Publication(0, NOON))
    assert (published.retired_at, len(published.publications)) == (None, 2)
    assert published.published_at == record.published_at


def test_a_withdrawn_version_is_not_complete_and_cannot_be_published():
    record, head = example(State.RETIRED)
    withdrawn = replace(record, withdrawn=rules.Withdrawal(NOON))
    assert not withdrawn.is_complete
    with pytest.raises(Conflict, match="is retired; it is withdrawn and cannot be published"):
        rules.publish(withdrawn, head, replacing=head, publication=Publication(0, NOON))


def test_a_version_that_was_left_is_dropped_as_one_that_failed():
    record, head = example("left")
    dropping = removal.begin_drop(record, head)
    assert removal.cancel_drop(dropping, head) == record
    assert removal.end_drop(dropping, head).state is State.DROPPED
    assert not removal.end_drop(dropping, head).is_complete


def test_a_version_is_superseded_only_where_readers_see_another():
    record, head = example(State.VALIDATED)
    with pytest.raises(Conflict, match="is validated; it cannot be superseded"):
        superseding.supersede(record, head)
    superseded = superseding.supersede(record, Pointer(Version("d", "_all", "another"), 4))
    assert (superseded.state, superseded.is_complete, superseded.publications) == (State.SUPERSEDED, True, ())


def test_a_superseded_version_stays_complete_without_its_rows_and_not_once_it_is_withdrawn():
    record, head = example(State.SUPERSEDED)
    dropping = removal.begin_drop(record, head)
    assert removal.cancel_drop(dropping, head) == record
    assert removal.end_drop(dropping, head).is_complete
    assert not replace(record, withdrawn=rules.Withdrawal(NOON)).is_complete


def test_an_output_is_complete_for_its_task_and_for_its_label():
    record, _ = example(State.PUBLISHED)
    labelled = replace(record, origin=replace(record.origin, rerun="again"))
    assert labelled.answers(Origin("Load_1"))
    assert labelled.answers(Origin("Load_1", rerun="again"))
    assert not record.answers(Origin("Load_1", rerun="again"))
    assert not record.answers(Origin("Load_2"))
