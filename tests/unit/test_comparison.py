"""Rows that a store hands over one by one are compared on disk."""

import tracemalloc
from datetime import date
from decimal import Decimal

from luigi_sinks.comparison import Diff, Difference, compared


def of(*rows, kind=""):
    return [(kind, row) for row in rows]


def test_rows_without_a_key_are_compared_as_wholes_and_counted():
    before = of({"a": 1}, {"a": 1}, {"a": 1}, {"a": 2}, {"a": 3})
    after = of({"a": 1}, {"a": 3}, {"a": 4}, {"a": 4})
    assert compared(before, after, {}, examples=9) == Diff(
        added=2,
        removed=3,
        examples=(Difference("", None, {"a": 4}), Difference("", {"a": 1}, None), Difference("", {"a": 2}, None)),
    )


def test_each_kind_is_compared_by_its_own_key():
    before = of({"id": 1, "x": 1}, kind="A") + of({"id": 1, "x": 1}, kind="B")
    after = of({"id": 1, "x": 2}, kind="A") + of({"id": 1, "x": 2}, kind="B")
    found = compared(before, after, {"A": ["id"]}, examples=9)
    assert (found.added, found.removed, found.changed) == (1, 1, 1)
    assert {each.kind for each in found.examples if each.before and each.after} == {"A"}


def test_a_key_of_several_fields_and_of_any_type_finds_its_row():
    row = {"day": date(2013, 1, 1), "price": Decimal("1.50"), "n": 1}
    found = compared(of(row), of({**row, "n": 2}), {"": ["day", "price"]}, examples=1)
    assert found.changed == 1
    assert found.examples == (
        Difference("", {"day": "2013-01-01", "price": "1.50", "n": 1}, {"day": "2013-01-01", "price": "1.50", "n": 2}),
    )


def test_the_order_of_fields_does_not_matter():
    assert compared(of({"a": 1, "b": 2}), of({"b": 2, "a": 1}), {}, examples=1).is_empty


def test_rows_whose_fields_have_no_names_are_compared_as_wholes():
    assert compared(of((1, "a")), of((1, "b")), {"": ["id"]}, examples=0) == Diff(added=1, removed=1)


def test_memory_does_not_grow_with_the_rows():
    def rows(count, last):
        return (("", {"id": n, "name": f"name {n}" * 5, "x": last}) for n in range(count))

    def peak(count):
        tracemalloc.start()
        found = compared(rows(count, 1), rows(count, 2), {"": ["id"]}, examples=3)
        assert (found.changed, len(found.examples)) == (count, 3)
        high = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return high

    few, many = peak(10_000), peak(60_000)
    assert many < 1.5 * few
