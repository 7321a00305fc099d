import enum
from array import array
from collections import OrderedDict, UserDict, UserString, deque
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from types import MappingProxyType
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from luigi_sinks.plain import FLAT, MOST_LEVELS, NotPlain, plain

INSTANT = 1_731_437_100_123_456


class Text(str):
    __slots__ = ()


class Number(int):
    __slots__ = ()

    def __int__(self):
        return 0  # which is not what it is


class Real(float):
    __slots__ = ()


class Binary(bytes):
    __slots__ = ()


class Moment(datetime):
    pass


class Day(date):
    pass


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Text("a"), "a"),
        (Colour.RED, "red"),
        (Number(5), 5),
        (Level.HIGH, 3),
        (Real(1.5), 1.5),
        (Binary(b"a"), b"a"),
        (Moment(2013, 1, 31, 5, 6, 7, 8, UTC, fold=1), datetime(2013, 1, 31, 5, 6, 7, 8, UTC, fold=1)),
        (Day(2013, 1, 31), date(2013, 1, 31)),
        (np.str_("a"), "a"),
        (np.int64(-5), -5),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.float32(0.1), float(np.float32(0.1))),
        (np.float64(1.5), 1.5),
        (np.bool_(True), True),
        (np.bytes_(b"a"), b"a"),
        (np.datetime64(INSTANT, "us"), datetime(2024, 11, 12, 18, 45, 0, 123456)),
        (np.datetime64(INSTANT * 1000, "ns"), datetime(2024, 11, 12, 18, 45, 0, 123456)),
        (np.timedelta64(5_000, "ns"), timedelta(microseconds=5)),
        (pd.Timestamp(INSTANT, unit="us"), datetime(2024, 11, 12, 18, 45, 0, 123456)),
        (pd.Timedelta(microseconds=5), timedelta(microseconds=5)),
        (bytearray(b"a"), b"a"),
        (memoryview(b"abc")[1:], b"bc"),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.array(5), 5),
        (np.array(["a", None, {"b": np.int8(1)}], dtype=object), ["a", None, {"b": 1}]),
        (pd.Series([1.5, 2.5]), [1.5, 2.5]),
        (OrderedDict(a=1), {"a": 1}),
        (UserDict(a=[1]), {"a": [1]}),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (deque([1, 2]), [1, 2]),
        (range(3), [0, 1, 2]),
        (array("d", [1.5]), [1.5]),
        ((1, [2]), (1, [2])),
        ({np.str_("a"): {"b": [np.int64(1), bytearray(b"c")]}}, {"a": {"b": [1, b"c"]}}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_equal_to_a_plain_value_becomes_that(value, expected):
    found = plain(value)
    assert found == expected
    assert types_within(found) <= FLAT | {list, dict, tuple}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (pd.Timestamp(INSTANT * 1000 + 789), "is a Timestamp that is finer than datetime"),
        (pd.Timedelta(1, unit="ns"), "is a Timedelta that is finer than timedelta"),
        (np.datetime64(INSTANT * 1000 + 789, "ns"), "has no equal of microseconds; round it"),
        (np.timedelta64(1, "ns"), "has no equal of microseconds; round it"),
        (pd.NaT, "is NaT, a time that is missing; give None"),
        (np.datetime64("NaT"), "give None if it is missing"),
        (np.complex64(1), "is of NumPy's type complex64"),
        (np.longdouble(1), "is of NumPy's type"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_would_become_less_is_refused(value, reason):
    with pytest.raises(NotPlain) as refused:
        plain(value)
    assert reason in refused.value.reason


@pytest.mark.parametrize("value", [{1, 2}, frozenset(), object(), 1j, pd.NA, UserString("ab"), iter([1])])
def test_what_has_no_plain_form_is_left_to_the_type_of_its_field(value):
    assert plain(value) is value
    assert plain([value])[0] is value


@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"a": inner}, lambda inner: (inner,)])
def test_values_are_nested_only_so_deep(wrap):
    value = 1
    for _ in range(MOST_LEVELS):
        value = wrap(value)
    assert plain(value) == value
    for _ in range(3_000):
        value = wrap(value)
    with pytest.raises(NotPlain, match=f"is nested more than {MOST_LEVELS} levels deep"):
        plain(value)


def test_a_value_that_holds_itself_is_refused():
    value = []
    value.append(value)
    with pytest.raises(NotPlain, match="levels deep"):
        plain(value)


flat = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary()),
    *(st.datetimes(), st.dates(), st.times(), st.timedeltas(), st.decimals(allow_nan=False), st.uuids()),
)
nested = st.recursive(flat, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner))


@given(nested)
def test_a_plain_value_is_copied_as_it_is_and_shares_nothing_that_can_change(value):
    found = plain(value)
    assert found == value
    assert types_within(found) == types_within(value)
    assert not {id(each) for each in containers(found)} & {id(each) for each in containers(value)}


def types_within(value):
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return {type(value)}.union(*map(types_within, inner))


def containers(value):
    if isinstance(value, (list, dict)):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ():
        yield from containers(inner)


def test_all_basic_types_stay_what_they_are():
    for value in ("a", 1, 1.5, True, None, b"a", Decimal("1.50"), UUID(int=1), time(1), timedelta(1), date(2013, 1, 1)):
        assert plain(value) is value
