from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import IntEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from luigi_sinks.contract import Contract, Field, TupleShape
from luigi_sinks.errors import BadRow

SHAPE = TupleShape(
    (
        Field("id", int),
        Field("carrier", Annotated[str, Meta(max_length=2)]),
        Field("day", date | None),
        Field("even", int, lambda value: f"is odd: {value}" if value % 2 else None),
    ),
    key=("carrier", "id"),
)
CONTRACT = Contract("flights", {"": SHAPE})
GOOD = {"id": 1, "carrier": "UA", "day": None, "even": 2}


def accept(*rows):
    return CONTRACT.accept("", rows, 101)[0]


def refused(row):
    with pytest.raises(BadRow) as caught:
        accept(GOOD, row)
    assert (caught.value.dataset, caught.value.row) == ("flights", 102)
    return caught.value


def test_dicts_become_tuples_in_the_order_of_the_fields():
    assert accept({"even": 2, "day": None, "carrier": "UA", "id": 1}) == [(1, "UA", None, 2)]


def test_tuples_are_accepted_unchanged():
    assert accept((1, "UA", date(2013, 1, 1), 2)) == [(1, "UA", date(2013, 1, 1), 2)]


def test_a_date_may_be_given_as_iso_text():
    assert accept({**GOOD, "day": "2013-01-31"})[0][2] == date(2013, 1, 31)


def test_accept_also_returns_the_rows_as_lines_of_json():
    assert CONTRACT.accept("", [GOOD, GOOD], 1)[1] == 2 * b'[1,"UA",null,2]\n'


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        ({"id": "1"}, "id", "expected a whole number (int), got str '1'"),
        ({"id": 1.0}, "id", "expected a whole number (int), got float 1.0"),
        ({"id": True}, "id", "expected a whole number (int), got bool True"),
        ({"id": None}, "id", "expected a whole number (int), got None"),
        ({"carrier": "UAL"}, "carrier", "is 3 characters long; the field takes at most 2"),
        ({"carrier": "A\0"}, "carrier", "NUL"),
        ({"carrier": "A\ud83d"}, "carrier", "surrogate"),
        ({"day": "31.1.2013"}, "day", "expected a date (YYYY-MM-DD text or datetime.date), got str '31.1.2013'"),
        ({"even": 3}, "even", "is odd: 3"),
    ],
)
def test_a_wrong_value_is_named_by_row_and_field(change, field, reason):
    error = refused({**GOOD, **change})
    assert error.field == field
    assert reason in error.reason


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        (Annotated[int, Meta(le=9)], 30, "is 30; the field takes at most 9"),
        (Annotated[int, Meta(ge=-9)] | None, -30, "is -30; the field takes at least -9"),
        (
            Annotated[float, Meta(ge=-9, le=9)],
            float("nan"),
            "is nan; the field takes finite numbers only; give None where there is no value",
        ),
        (Annotated[float, Meta(ge=-9, le=9)], 9.5, "is 9.5; the field takes numbers up to 9.0"),
        (Annotated[bytes, Meta(min_length=2)], b"a", "is 1 bytes long; the field takes at least 2"),
        (Decimal, "a", "expected an exact number (Decimal, int, or text such as '12.50'), got str 'a'"),
        (date, "", "expected a date (YYYY-MM-DD text or datetime.date), got str ''; give None where there is no value"),
        (int | None, Decimal("1.50"), "expected a whole number (int) or None, got Decimal 1.50"),
        (UUID, "a", "expected a UUID (its text or uuid.UUID), got str 'a'"),
        (time, "5:00", "expected a time of day (HH:MM:SS text or datetime.time), got str '5:00'"),
        (datetime, "2013", "expected a time (YYYY-MM-DDTHH:MM:SS text or datetime.datetime), got str '2013'"),
        (
            Annotated[datetime, Meta(tz=False)],
            datetime(2013, 1, 31, tzinfo=UTC),
            (
                "has a time zone, which the field does not keep: datetime 2013-01-31 00:00:00+00:00; "
                "convert it to UTC, and remove the zone"
            ),
        ),
        (Literal["a", "b"], "c", "is 'c', which is not one of the choices"),
        (list[int], [1, "x"], "expected a whole number (int), got str 'x'"),
        (dict[str, int], {1: 2}, "has a key that is not text; give dicts with text keys"),
        (float, 10**400, "is 100000000000000000...0000000000000000000; the field takes numbers up to about 1.8e308"),
        (int, "x" * 1000, "expected a whole number (int), got str 'xxxxxxxxxxxxxxxxx...xxxxxxxxxxxxxxxxxx'"),
    ],
)
@pytest.mark.parametrize("as_row", [dict, lambda pairs: tuple(value for _, value in pairs)], ids=["dict", "tuple"])
def test_a_wrong_value_is_explained_in_plain_words(kind, value, reason, as_row):
    contract = Contract("d", {"": TupleShape((Field("id", int), Field("value", kind)))})
    with pytest.raises(BadRow) as caught:
        contract.accept("", [as_row([("id", 1), ("value", value)])], 1)
    assert (caught.value.field, caught.value.reason) == ("value", reason)


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        (datetime | None, pd.NaT, "is NaT, a time that is missing; give None"),
        (datetime, pd.Timestamp(1_731_437_100_123_456_789), "is a Timestamp that is finer than datetime"),
        (timedelta, np.timedelta64(1, "ns"), "has no equal of microseconds"),
    ],
)
def test_a_time_of_pandas_that_is_missing_or_too_fine_is_explained(kind, value, reason):
    with pytest.raises(BadRow) as caught:
        Contract("d", {"": TupleShape((Field("value", kind),))}).accept("", [(value,)], 1)
    assert reason in caught.value.reason


class Text(str):
    __slots__ = ()


class Level(IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (str, Text("a"), "a"),
        (str, np.str_("a"), "a"),
        (int, Level.HIGH, 3),
        (int, np.int64(5), 5),
        (float, np.float64(1.5), 1.5),
        (float, np.float32(1.5), 1.5),
        (bool, np.bool_(True), True),
        (datetime, pd.Timestamp(2013, 1, 31), datetime(2013, 1, 31)),
        (list[str], [Text("a")], ["a"]),
        (list[int], np.array([1, 2]), [1, 2]),
        (dict[str, Any], {"a": [np.int64(1), Text("b")]}, {"a": [1, "b"]}),
    ],
)
def test_values_of_subclasses_and_of_numpy_become_the_basic_ones_that_they_equal(kind, value, expected):
    contract = Contract("d", {"": TupleShape((Field("value", kind),))})
    for row in ((value,), {"value": value}):
        accepted, _ = contract.accept("", [row], 1)
        assert accepted == [(expected,)]
        assert type(accepted[0][0]) is type(expected)


def test_a_number_that_python_does_not_write_is_not_shown():
    contract = Contract("d", {"": TupleShape((Field("value", str),))})
    with pytest.raises(BadRow, match=r"expected text \(str\), got int too long to show"):
        contract.accept("", [(10**5000,)], 1)


def test_an_unknown_field_is_named_with_the_closest_known_one():
    error = refused({**GOOD, "carier": "UA"})
    assert "did you mean 'carrier'?" in error.reason
    assert str(error).endswith("did you mean 'carrier'? Nothing was published")


def test_a_field_that_is_missing_is_named():
    row = dict(GOOD)
    del row["day"]
    assert refused(row).field == "day"


def test_a_field_that_replaces_another_is_named_as_unknown():
    row = {**GOOD, "days": None}
    del row["day"]
    assert refused(row).field == "days"


def test_a_tuple_of_another_length_is_refused():
    assert "3 values for 4 fields" in refused((1, "UA", None)).reason


def test_an_escaped_nul_that_is_plain_text_passes():
    shape = TupleShape((Field("text", str),))
    assert Contract("d", {"": shape}).accept("", [(r"\u0000",)], 1)[0] == [(r"\u0000",)]


def test_nul_within_a_list_or_a_key_of_a_mapping_is_found():
    contract = Contract("d", {"": TupleShape((Field("any", object),))})
    for value in (["a\0"], {"a\0": 1}, {"a": [{"b": "c\0"}]}):
        with pytest.raises(BadRow):
            contract.accept("", [(value,)], 1)


@given(st.lists(st.tuples(st.text(max_size=4), st.one_of(st.none(), st.text()))))
def test_text_passes_unchanged_or_is_refused(rows):
    contract = Contract("d", {"": TupleShape((Field("a", str), Field("b", str | None)))})
    dirty = any(value is not None and ("\0" in value or not _is_text(value)) for row in rows for value in row)
    try:
        accepted, _ = contract.accept("", rows, 1)
    except BadRow:
        assert dirty
    else:
        assert not dirty
        assert accepted == rows


def _is_text(value):
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def test_the_error_says_that_nothing_was_published():
    assert str(refused({**GOOD, "id": "x"})) == (
        "flights: row 102, field 'id': expected a whole number (int), got str 'x'; nothing was published"
    )


def test_a_key_consists_of_its_fields_in_order():
    assert SHAPE.key_of((1, "UA", None, 2)) == ("UA", 1)


def test_the_first_row_that_repeats_a_key_is_found():
    rows = accept(GOOD, {**GOOD, "id": 2}, {**GOOD, "day": "2013-01-01"})
    assert CONTRACT.first_repeat("", rows) == (2, 0)
    assert CONTRACT.first_repeat("", rows[:2]) is None


@pytest.mark.parametrize("missing", [pd.NA, float("nan"), ""])
def test_what_stands_for_a_missing_value_elsewhere_is_refused_with_the_way_out(missing):
    contract = Contract("d", {"": TupleShape((Field("x", int | None),))})
    with pytest.raises(BadRow, match=r"row 1, field 'x': expected .* got .*; give None where there is no value"):
        contract.accept("", [(missing,)], 1)
