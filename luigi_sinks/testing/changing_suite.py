"""Contract tests of a sink that makes versions of changes: subclass `ChangingSuite` beside `SinkSuite`."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from luigi_sinks import pruning, versions
from luigi_sinks.checks import not_empty
from luigi_sinks.errors import BadRow, BadSetting, Conflict, SinkError
from luigi_sinks.load import load, loading
from luigi_sinks.retention import Retention
from luigi_sinks.sink import Catalog, Sink
from luigi_sinks.testing.transitions import ORIGIN, WHOLE
from luigi_sinks.testing.whole_suite import rows
from luigi_sinks.version import Version


class ChangingSuite:
    """Tests that a version can be made of the head and of changed rows."""

    def make_sink(self, dataset: str) -> Sink:
        """Return a sink for a dataset without loads, as for `SinkSuite`."""
        raise NotImplementedError

    @pytest.fixture
    def changing(self) -> Sink:
        """Return a sink for a new dataset."""
        return self.make_sink(f"suite_{secrets.token_hex(4)}")

    def test_changed_rows_replace_those_of_the_head_and_the_others_stay(self, changing: Sink) -> None:
        first = change(changing, rows(5))
        assert changing.record(first).base == ""
        second = change(changing, [row(1, "new"), row(7, "more")], [3, (4,), {"id": 99}])
        assert ids(changing, second) == {0: "name 0", 1: "new", 2: "name 2", 7: "more"}
        assert ids(changing, first) == {number: f"name {number}" for number in range(5)}
        record = changing.record(second)
        assert (record.base, record.rows) == (first.id, 4)

    def test_a_row_that_is_given_stays_though_its_key_is_deleted(self, changing: Sink) -> None:
        change(changing, rows(3))
        assert ids(changing, change(changing, [row(1, "new")], [1, 1, 2])) == {0: "name 0", 1: "new"}

    def test_changes_may_be_deletes_alone_or_nothing(self, changing: Sink) -> None:
        change(changing, rows(3))
        assert list(ids(changing, change(changing, [], [1]))) == [0, 2]
        assert list(ids(changing, change(changing, []))) == [0, 2]
        assert ids(changing, change(changing, [], [0, 2], checks=())) == {}

    def test_a_key_that_repeats_among_the_changes_is_refused(self, changing: Sink) -> None:
        first = change(changing, rows(3))
        with pytest.raises(BadRow, match="repeats the key 1 of row 1"):
            change(changing, [row(1, "a"), row(1, "b")])
        assert changing.head(WHOLE).version == first

    def test_a_deleted_key_of_another_type_is_refused(self, changing: Sink) -> None:
        change(changing, rows(3))
        with pytest.raises(BadRow, match=r"row 2, field 'id'"):
            change(changing, [], [1, "two"])

    def test_changes_of_a_head_that_moved_meanwhile_are_not_published(self, changing: Sink) -> None:
        first, _ = change(changing, rows(3)), change(changing, [row(2, "new")])
        with pytest.raises(Conflict, match="the head moved on"), changes(changing) as writer:  # noqa: PT012 - one load
            writer.write(row(1, "new"))
            changing.publish(first, replacing=changing.head(WHOLE))
        assert changing.head(WHOLE).version == first

    def test_versions_that_others_were_made_from_are_pruned(self, changing: Sink) -> None:
        made = [change(changing, rows(3)), *(change(changing, [row(number, "new")]) for number in range(3))]
        pruner = self.pruner(changing)
        plan = pruning.plan_prune(pruner, Retention(2, timedelta(0)))
        assert plan.versions == made[:2]
        assert pruning.prune_all(pruner, plan) == made[:2]
        assert ids(changing, made[2]) == {0: "new", 1: "new", 2: "name 2"}
        assert ids(changing, made[3]) == {0: "new", 1: "new", 2: "new"}
        assert ids(changing, change(changing, [], [0])) == {1: "new", 2: "new"}

    def test_what_a_load_is_made_from_is_kept_until_that_has_ended(self, changing: Sink) -> None:
        made = [change(changing, rows(count)) for count in (3, 4, 5)]
        changing.publish(made[0], replacing=changing.head(WHOLE))
        pruner, policy = self.pruner(changing), Retention(2, timedelta(0))
        with pytest.raises(Conflict, match="the head moved on"), changes(changing) as writer:  # noqa: PT012 - one load
            writer.write(row(1, "new"))
            changing.publish(made[2], replacing=changing.head(WHOLE))
            changing.publish(made[1], replacing=changing.head(WHOLE))
            assert pruning.plan_prune(pruner, policy).drops == ()
            with pytest.raises(Conflict, match=f"{made[0]} is being copied by a load; it is not deleted"):
                versions.prune(pruner, made[0], min_age=timedelta(0))
        assert ids(changing, made[0]) == {number: f"name {number}" for number in range(3)}
        assert [each.version for each in pruning.plan_prune(pruner, policy).drops] == [made[0]]

    def pruner(self, sink: Sink) -> Catalog:
        """Return the dataset's catalog for a login that may delete."""
        return sink


class ChangingColumnSuite(ChangingSuite):
    """Tests what becomes of the rows of a head whose columns are declared otherwise now."""

    def with_columns(self, sink: Sink, *allow_change: str, **columns: str | None) -> Sink:
        """Return the sink with other columns, as for `ColumnSuite`."""
        raise NotImplementedError

    @pytest.mark.parametrize("kind", ["time", "whole"])
    def test_rows_that_a_type_does_not_hold_are_not_kept(self, changing: Sink, kind: str) -> None:
        wide = self.with_columns(changing, weight="long")
        first = change(wide, [{**each, "weight": 2**40} for each in rows(3)])
        other = self.with_columns(changing, "weight", weight=kind)
        with pytest.raises(BadSetting, match=r"'weight'.*load the whole once, without changes_by_key"):
            change(other, [])
        assert other.head(WHOLE).version == first
        assert [each["weight"] for each in other.read(first)] == [2**40] * 3
        value = {"time": "2026-01-02", "whole": 7}[kind]
        load(other, WHOLE, ORIGIN, [{**each, "weight": value} for each in rows(3)])
        assert ids(other, change(other, [{**row(1, "new"), "weight": value}], [0])) == {1: "new", 2: "name 2"}

    def test_rows_without_a_value_that_they_must_have_are_not_kept(self, changing: Sink) -> None:
        first = change(changing, rows(3))
        wider = self.with_columns(changing, weight="whole")
        with pytest.raises(SinkError, match=r"'weight'.*load the whole once, without changes_by_key"):
            change(wider, [{**row(1, "new"), "weight": 1}])
        assert wider.head(WHOLE).version == first


def row(number: int, name: str) -> dict[str, Any]:
    """Return a row of the suite's dataset."""
    return {"id": number, "name": name, "amount": None}


def changes(sink: Sink, **options: Any) -> Any:
    """Begin a load of changes."""
    return loading(sink, WHOLE, ORIGIN, changes_by_key=True, **{"checks": (not_empty,), **options})


def change(sink: Sink, given: Iterable[Any], deleted: Iterable[Any] = (), **options: Any) -> Version:
    """Publish a version of the head and these changes; return it."""
    with changes(sink, **options) as writer:
        for each in given:
            writer.write(each)
        for key in deleted:
            writer.delete(key)
    head = sink.head(WHOLE).version
    assert head is not None
    return head


def ids(sink: Sink, version: Version) -> dict[int, str]:
    """Return the names in a version by their keys, in order."""
    found = {each["id"]: each["name"] for each in sink.read(version)}
    return dict(sorted(found.items()))
