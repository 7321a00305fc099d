"""Tables line up, times are in UTC, and JSON has times that programs read."""

import json

import pytest

from luigi_sinks import BadSetting
from luigi_sinks.cli.lineage_text import as_json, parse, shown, table, took
from luigi_sinks.lineage.network import RunNode
from luigi_sinks.lineage.questions.staleness import Reader, Stale

AT = 1_700_000_000_000_000


def test_columns_line_up_and_empty_ones_are_left_out():
    assert table(("a", "empty", "b"), [("long value", "", "x"), ("y", "", "z")]).splitlines() == [
        "a           b",
        "long value  x",
        "y           z",
    ]


def test_characters_that_are_not_seen_are_shown_as_numbers():
    assert "\\u000a" in table(("a",), [("two\nlines",)])


def test_json_has_times_in_utc_and_null_for_unknown_ones():
    answer = (Stale("a", "team", AT, AT + 5, 0.5, ("job",), (Reader("other", "", 0),)),)
    (found,) = json.loads(as_json(answer))
    assert found["updated"] == "2023-11-14T22:13:20Z"
    assert found["stale_from"] == "2023-11-14T22:13:20.000005Z"
    assert found["readers"] == [{"job": "other", "owner": "", "last": None}]
    assert found["max_age"] == 0.5


def test_a_run_that_goes_on_has_no_end_in_json():
    assert json.loads(as_json((RunNode("r", "t", AT),)))[0]["ended"] is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.0002, "1 ms"),
        (0.055, "55 ms"),
        (1, "1.0 s"),
        (9.4, "9.4 s"),
        (59.6, "1m 0s"),
        (60, "1m 0s"),
        (3_599, "59m 59s"),
        (3_600, "1h 0m"),
        (90_000, "1d 1h"),
    ],
)
def test_durations_have_two_units_at_most(seconds, text):
    assert took(seconds) == text


def test_a_time_without_a_zone_is_in_utc():
    assert parse("2023-11-14T22:13:20") == parse("2023-11-15T00:13:20+02:00") == AT
    assert shown(AT) == "2023-11-14 22:13:20Z"
    assert shown(0) == ""


def test_what_is_no_time_is_an_error_that_shows_one():
    with pytest.raises(BadSetting, match=r"'yesterday' is not a time; write it as 2026-11-27 or"):
        parse("yesterday")
