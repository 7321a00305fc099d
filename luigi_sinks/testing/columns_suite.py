"""Contract tests of what becomes of a dataset whose columns are declared otherwise than before."""

from __future__ import annotations

from typing import Any

import pytest

from luigi_sinks import versions
from luigi_sinks.errors import BadSetting
from luigi_sinks.sink import Sink
from luigi_sinks.testing.suite import SinkSuite
from luigi_sinks.testing.transitions import WHOLE
from luigi_sinks.testing.whole_suite import rows


class ColumnSuite(SinkSuite):
    """The contract suite for a sink that knows its columns, which may change."""

    def with_columns(self, sink: Sink, *allow_change: str, **columns: str | None) -> Sink:
        """Return the sink with columns that are added or replaced, dropped where the type is None.

        A type is "whole", "long" or "time": an integer of 32 or 64 bits, a date.
        """
        raise NotImplementedError

    def test_a_new_column_is_loaded_and_older_versions_are_read_without_it(self, sink: Sink) -> None:
        first = self.load(sink, rows(3))
        wider = self.with_columns(sink, weight="whole")
        second = self.load(wider, [{**row, "weight": row["id"]} for row in rows(2)])
        assert self.read(wider, second) == [{**row, "weight": row["id"]} for row in rows(2)]
        assert self.read(wider, first) == rows(3)
        versions.roll_back(wider, first)
        assert self.read(sink, first, catalog=self.catalog(wider)) == rows(3)

    def test_a_column_grows_and_holds_larger_values(self, sink: Sink) -> None:
        small, large = self.with_columns(sink, weight="whole"), self.with_columns(sink, weight="long")
        first = self.load(small, [{**row, "weight": 7} for row in rows(2)])
        second = self.load(large, [{**row, "weight": 2**40} for row in rows(2)])
        assert [row["weight"] for row in self.read(large, first)] == [7, 7]
        assert [row["weight"] for row in self.read(large, second)] == [2**40, 2**40]

    @pytest.mark.parametrize(("weight", "value"), [(None, None), ("time", "2026-01-02")])
    def test_what_can_break_readers_must_be_allowed(self, sink: Sink, weight: str | None, value: Any) -> None:
        self.must_be_allowed(sink, weight, value)

    def test_a_type_that_holds_less_must_be_allowed(self, sink: Sink) -> None:
        self.must_be_allowed(sink, "whole", 5)

    def test_another_partition_is_compared_with_the_newest_head(self, sink: Sink) -> None:
        self.load(sink, rows(2), "201301")
        wider = self.with_columns(sink, weight="whole")
        self.load(wider, [{**row, "weight": 1} for row in rows(2)], "201302")
        with pytest.raises(BadSetting, match="is no longer declared"):
            self.load(sink, rows(2), "201301")
        self.load(wider, [{**row, "weight": 1} for row in rows(2)], "201301")

    def test_a_column_that_comes_back_holds_what_is_loaded_then(self, sink: Sink) -> None:
        wider = self.with_columns(sink, weight="whole")
        first = self.load(wider, [{**row, "weight": 1} for row in rows(2)])
        second = self.load(self.with_columns(sink, self.column("weight")), rows(2))
        third = self.load(wider, [{**row, "weight": 3} for row in rows(2)])
        assert [row["weight"] for row in self.read(wider, first)] == [1, 1]
        assert self.read(wider, second) == rows(2)
        assert [row["weight"] for row in self.read(wider, third)] == [3, 3]

    def must_be_allowed(self, sink: Sink, weight: str | None, value: Any) -> None:
        """Assert that a column of 64-bit integers can be dropped, or get this type, only where its name allows it."""
        first = self.load(self.with_columns(sink, weight="long"), [{**row, "weight": 2**40} for row in rows(2)])
        name, refused = self.column("weight"), self.with_columns(sink, weight=weight)
        given = [{**row, **({"weight": value} if weight else {})} for row in rows(3)]
        with pytest.raises(BadSetting, match=rf"column '{name}'.*set allow_change = \('{name}',\)"):
            self.load(refused, given)
        assert refused.head(WHOLE).version == first
        second = self.load(self.with_columns(sink, name, weight=weight), given)
        assert len(self.read(sink, second)) == 3
        assert [row["weight"] for row in self.read(refused, first)] == [2**40, 2**40]

    def column(self, name: str) -> str:
        """Return how errors name a column."""
        return f"{self.kind}.{name}" if self.kind else name
