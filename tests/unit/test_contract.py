from datetime import date
from typing import Annotated

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


def test_accept_also_returns_the_size_in_bytes():
    assert CONTRACT.accept("", [GOOD, GOOD], 1)[1] == len(b'[[1,"UA",null,2],[1,"UA",null,2]]')


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        ({"id": "1"}, "id", "Expected int, got str"),
        ({"id": 1.0}, "id", "Expected int, got float"),
        ({"id": True}, "id", "Expected int, got bool"),
        ({"id": None}, "id", "Expected int, got None"),
        ({"carrier": "UAL"}, "carrier", "length <= 2"),
        ({"carrier": "A\0"}, "carrier", "NUL"),
        ({"carrier": "A\ud83d"}, "carrier", "surrogate"),
        ({"day": "31.1.2013"}, "day", "Invalid RFC3339 encoded date"),
        ({"even": 3}, "even", "is odd: 3"),
    ],
)
def test_a_wrong_value_is_named_by_row_and_field(change, field, reason):
    error = refused({**GOOD, **change})
    assert error.field == field
    assert reason in error.reason


def test_an_unknown_field_is_named_with_the_closest_known_one():
    assert "did you mean 'carrier'?" in refused({**GOOD, "carier": "UA"}).reason


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
        "flights: row 102, field 'id': Expected int, got str; nothing was published"
    )


def test_a_key_consists_of_its_fields_in_order():
    assert SHAPE.key_of((1, "UA", None, 2)) == ("UA", 1)


def test_the_first_row_that_repeats_a_key_is_found():
    rows = accept(GOOD, {**GOOD, "id": 2}, {**GOOD, "day": "2013-01-01"})
    assert CONTRACT.first_repeat("", rows) == 2
    assert CONTRACT.first_repeat("", rows[:2]) is None
