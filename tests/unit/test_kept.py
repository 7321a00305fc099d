"""What a store would give back otherwise is found: field by field where the type is known, and in any JSON."""

from collections import OrderedDict
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Literal
from uuid import UUID

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.json import decode

from luigi_sinks import BadRow
from luigi_sinks.contract import Contract, Field, TupleShape
from luigi_sinks.kept import as_json, change, change_in_json
from luigi_sinks.plain import MOST_LEVELS

CHANGED = [
    (float, 2**53 + 1),
    (float, -(2**63) + 1),
    (float, Decimal("0.1")),
    (float | None, Decimal("1E-400")),
    (datetime, "2024-12-31T23:59:59.9999999"),
    (datetime, "2024-12-31 23:59:59,0000001Z"),
    (datetime, "2024-12-31T23:59:59.123456000001"),
    (time, "23:59:59.9999995"),
    (list[time], ["12:00:00", "23:59:59.9999995"]),
    (list[float], [1, 2**53 + 1]),
    (list[int], {1, 2}),
    (list[str], frozenset({"a"})),
]
KEPT = [
    (float, 2**53, 2.0**53),
    (float, 2**70, 2.0**70),
    (float, Decimal("0.5"), 0.5),
    (float, -0.0, 0.0),
    (Decimal, 0.1, Decimal("0.1")),
    (Decimal, "1.50", Decimal("1.5")),
    (datetime, "2024-12-31T23:59:59.999999000", datetime(2024, 12, 31, 23, 59, 59, 999_999)),
    (datetime, "2024-12-31T23:59:59.1Z", datetime(2024, 12, 31, 23, 59, 59, 100_000, tzinfo=UTC)),
    (time, "23:59:59.999999", time(23, 59, 59, 999_999)),
    (date, "2024-02-29", date(2024, 2, 29)),
    (UUID, "00000000000000000000000000000001", UUID(int=1)),
    (bytes, bytearray(b"x"), b"x"),
    (list[float], (1, 2.5), [1.0, 2.5]),
    (list[date], ["2024-02-29"], [date(2024, 2, 29)]),
]


def accept(kind, value):
    contract = Contract("d", {"": TupleShape((Field("id", int), Field("it", kind)))})
    ((_, kept),), _ = contract.accept("", [(1, value)], 1)
    return kept


@pytest.mark.parametrize(("kind", "value"), CHANGED)
def test_a_value_that_its_field_would_change_is_refused(kind, value):
    with pytest.raises(BadRow) as caught:
        accept(kind, value)
    assert (caught.value.row, caught.value.field) == (1, "it")


@pytest.mark.parametrize(("kind", "value", "kept"), KEPT)
def test_another_spelling_of_the_same_value_is_taken(kind, value, kept):
    assert accept(kind, value) == kept


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (float, Decimal("sNaN")),
        (date, "2024-01-0\ud800"),
        (Literal["a"], "a\ud800"),
        (UUID, "\ud800"),
        (Decimal, "1\udfff"),
        (list[time], ["12:00:00", "\ud800"]),
    ],
)
def test_a_value_on_which_the_validation_itself_fails_is_refused_by_name(kind, value):
    with pytest.raises(BadRow) as caught:
        accept(kind, value)
    assert (caught.value.row, caught.value.field) == (1, "it")


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), Decimal("1E+400"), float("nan")])
def test_a_number_that_is_not_finite_is_refused_whatever_its_type(value):
    with pytest.raises(BadRow, match=r"field 'it': .* the field takes finite numbers only"):
        accept(Annotated[float, msgspec.Meta(ge=-9.5, le=9.5)], value)


@given(st.integers() | st.decimals(allow_nan=False) | st.fractions())
def test_a_float_is_kept_of_exactly_those_numbers_that_it_can_hold(number):
    try:
        kept = msgspec.convert(number, float) if not isinstance(number, Fraction) else float(number)
    except (msgspec.ValidationError, OverflowError):
        return
    assert (change(number, kept) is None) == (kept == number)


@pytest.mark.parametrize(
    "value",
    [
        "\ud800",
        {"\udfff": 1},
        10**5_000,
        float("nan"),
        float("-inf"),
        (1,),
        {1},
        b"x",
        bytearray(b"x"),
        Decimal(1),
        Fraction(1, 2),
        1j,
        UUID(int=1),
        timedelta(1),
        date(2024, 1, 1),
        datetime(2024, 1, 1),
        time(1),
        object(),
        {1: 1},
        {1: 1, "1": 2},
        {True: 1},
        {(1, 2): 1},
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("place", [lambda value: value, lambda value: {"a": [1, {"b": value}]}], ids=["outside", "in"])
def test_json_keeps_no_such_value(value, place):
    assert "which JSON would change; give" in change_in_json(place(value))


def test_json_that_is_nested_too_deeply_is_refused():
    value = []
    for _ in range(100_000):
        value = [value]
    assert "is nested more than 100 levels deep" in change_in_json(value)


@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"a": inner}])
@pytest.mark.parametrize("beside", [[], [[]] * 200, ["[{" * 200]], ids=["alone", "among many", "among brackets"])
def test_json_is_nested_up_to_the_limit_however_many_lists_it_holds(wrap, beside):
    value = 1
    for _ in range(MOST_LEVELS - 1):
        value = wrap(value)
    assert decode(as_json([value, *beside])) == [value, *beside]
    assert "is nested more than 100 levels deep" in change_in_json([wrap(value), *beside])


def test_json_has_values_of_the_basic_types():
    given = {"a": [np.float64(1.5), bytearray(b"x").decode()], "b": OrderedDict(c=[np.int64(1)])}
    copy = decode(as_json(given))
    assert copy == {"a": [1.5, "x"], "b": {"c": [1]}}
    assert type(copy["a"][0]) is float


PLAIN = st.none() | st.booleans() | st.integers(-(10**40), 10**40) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(PLAIN | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


@settings(max_examples=40, deadline=None)
@given(JSON)
def test_json_is_kept_as_it_is(value):
    assert change_in_json(value) is None
    assert change_in_json(OrderedDict(any=value)) is None
