import re
from datetime import date, datetime, timedelta
from enum import Enum
from pathlib import Path

import luigi
import pytest
from hypothesis import given
from hypothesis import strategies as st
from luigi import date_interval
from luigi.parameter import ParameterVisibility

from luigi_sinks.errors import BadSetting
from luigi_sinks.partition import decode, encode
from luigi_sinks.version import WHOLE

TEXT = luigi.Parameter()
texts = st.text(max_size=12)


@pytest.mark.parametrize(
    ("parameter", "value", "partition"),
    [
        (luigi.MonthParameter(), date(2013, 1, 1), "201301"),
        (luigi.DateParameter(), date(2013, 1, 31), "20130131"),
        (luigi.YearParameter(), date(2013, 1, 1), "2013"),
        (luigi.DateHourParameter(), datetime(2013, 1, 31, 7), "2013013107"),
        (luigi.DateMinuteParameter(), datetime(2013, 1, 31, 7, 5), "201301310705"),
        (luigi.DateSecondParameter(), datetime(2013, 1, 31, 7, 5, 9), "20130131070509"),
        (luigi.IntParameter(), -7, "_2d7"),
        (luigi.Parameter(), "emea", "emea"),
        (luigi.Parameter(), "a_b", "a_5fb"),
        (luigi.Parameter(), "EMEA", "_45_4d_45_41"),
        (luigi.Parameter(), "", "_z"),
    ],
)
def test_dates_are_encoded_as_digits_and_other_values_are_escaped(parameter, value, partition):
    assert encode([parameter], [value]) == partition
    assert decode([parameter], partition) == (value,)


class Colour(Enum):
    RED = 1
    BLUE = 2


GIVEN = [
    (luigi.ListParameter(), ["a"], ["b"]),
    (luigi.ListParameter(), [], [[]]),
    (luigi.ListParameter(), ["a", ["b", {"c": [1]}]], ["a", ["b", {"c": [2]}]]),
    (luigi.TupleParameter(), ((1, 2), (3, 4)), ((1, 2), (3, 5))),
    (luigi.DictParameter(), {"a": {"b": ["c"]}}, {"a": {"b": ["d"]}}),
    (luigi.EnumParameter(enum=Colour), Colour.RED, Colour.BLUE),
    (luigi.EnumListParameter(enum=Colour), [Colour.RED, Colour.BLUE], [Colour.BLUE, Colour.RED]),
    (luigi.ChoiceListParameter(choices=["a", "b"]), ["a"], ["a", "b"]),
    (luigi.ChoiceParameter(choices=["a", "b"]), "a", "b"),
    (luigi.BoolParameter(), True, False),
    (luigi.BoolParameter(parsing=luigi.BoolParameter.EXPLICIT_PARSING), True, False),
    (luigi.FloatParameter(), 0.1, 0.2),
    (luigi.NumericalParameter(var_type=int, min_value=0, max_value=9), 3, 4),
    (luigi.OptionalParameter(), None, "a"),
    (luigi.OptionalListParameter(), ["a"], None),
    (luigi.OptionalIntParameter(), None, 0),
    (luigi.TimeDeltaParameter(), timedelta(days=1, hours=2), timedelta(days=1)),
    (luigi.DateIntervalParameter(), date_interval.Week(2013, 5), date_interval.Month(2013, 2)),
    (luigi.PathParameter(), Path("a/b"), Path("a_b")),
    (luigi.MonthParameter(), date(2013, 1, 31), date(2013, 2, 1)),
    (luigi.DateHourParameter(), datetime(2013, 1, 31, 7, 30), datetime(2013, 1, 31, 8)),
    (luigi.DateMinuteParameter(interval=15), datetime(2013, 1, 31, 7, 5), datetime(2013, 1, 31, 7, 15)),
]


@pytest.mark.parametrize(("parameter", "value", "other"), GIVEN, ids=lambda each: type(each).__name__)
def test_a_value_of_each_kind_of_parameter_chooses_a_partition_and_comes_back(parameter, value, other):
    class Task(luigi.Task):
        chosen = parameter

    first, second = Task(chosen=value).chosen, Task(chosen=other).chosen
    assert encode([parameter], [first]) != encode([parameter], [second])
    for each in (first, second):
        if "_h_" not in (partition := encode([parameter], [each])):
            assert decode([parameter], partition) == (each,)


def test_no_value_is_encoded_as_the_id_of_the_whole_dataset():
    assert encode([], []) == WHOLE
    assert encode([TEXT], ["all"]) != WHOLE
    assert encode([TEXT], [WHOLE]) != WHOLE
    assert decode([], WHOLE) == ()


@given(st.lists(texts, min_size=2, max_size=2), st.lists(texts, min_size=2, max_size=2))
def test_different_values_have_different_ids(one, other):
    same = encode([TEXT, TEXT], one) == encode([TEXT, TEXT], other)
    assert same == (one == other)


def test_values_with_the_same_joined_text_have_different_ids():
    assert encode([TEXT, TEXT], ["a_b", "c"]) != encode([TEXT, TEXT], ["a", "b_c"])


@given(st.lists(texts, min_size=1, max_size=3))
def test_every_id_is_valid_in_every_store(values):
    assert re.fullmatch(r"[a-z0-9_]{1,30}", encode([TEXT] * len(values), values))


@given(st.lists(texts, min_size=1, max_size=3))
def test_an_id_that_is_not_shortened_can_be_decoded(values):
    parameters = [TEXT] * len(values)
    partition = encode(parameters, values)
    if "_h_" not in partition:
        assert decode(parameters, partition) == tuple(values)


@given(st.dates(min_value=date(1000, 1, 1)))
def test_every_date_can_be_decoded(day):
    assert decode([luigi.DateParameter()], encode([luigi.DateParameter()], [day])) == (day,)


def test_a_long_id_keeps_a_readable_slug():
    assert encode([TEXT], ["a rather long name of a region"]).startswith("a_rather_long")


def test_a_hidden_parameter_cannot_choose_the_partition():
    with pytest.raises(BadSetting, match="hidden"):
        encode([luigi.Parameter(visibility=ParameterVisibility.PRIVATE)], ["x"])


def test_a_parameter_that_does_not_parse_what_it_serializes_cannot_choose_the_partition():
    with pytest.raises(BadSetting, match="parses this as another value"):
        encode([luigi.TimeDeltaParameter()], [timedelta(milliseconds=5)])
