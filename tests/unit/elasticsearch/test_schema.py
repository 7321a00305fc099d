"""The contract that follows from a mapping, without a server."""

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from luigi_sinks import BadRow, BadSetting
from luigi_sinks.elasticsearch import ElasticsearchTarget
from luigi_sinks.elasticsearch.schema import parse_schema

RIGHT = {
    "byte": [-128, 127, None, [1, None, 2]],
    "long": [-(2**63), 2**63 - 1],
    "unsigned_long": [0, 2**64 - 1, [1, 2]],
    "half_float": [65_504, -1.5],
    "float": [3.4e38, 1, None],
    "double": [1.7e308, [0.5, 1]],
    "scaled_float": [1.25],
    "boolean": [True, [False, None]],
    "keyword": ["", "x" * 32_766, ["a", "b"]],
    "text": ["x" * 100_000],
    "date": ["2013", "2013-01-31", "2013-01-31T05:00:00.123Z", 1_359_590_400_000, date(2013, 1, 31), ["2013-01", None]],
    "ip": ["10.0.0.1", "::1", ["::1"]],
    "geo_point": [{"lat": "1", "lon": 2.5}, [2.5, 1], "1,2.5", "u33d", {"type": "Point", "coordinates": [1, 2]}, None],
    "binary": [b"x", "eA==", [b"x", None]],
    "flattened": [{"any": ["thing"]}],
    "a_type_of_tomorrow": [{"x": 1}, "y", 3],
}
WRONG = {
    "byte": [128, -129, 1.5, "5", True, [1, "2"]],
    "long": [2**63],
    "unsigned_long": [-1, 2**64, "5", True],
    "half_float": [65_505],
    "float": [3.5e38, math.inf, "1.5"],
    "scaled_float": [math.nan],
    "boolean": ["true", 1],
    "keyword": [5, "x" * 32_767, b"x", {"a": 1}],
    "date": [
        datetime(1890, 1, 1, tzinfo=ZoneInfo("Europe/Zurich")),
        "20130131",
        "1359590400000",
        "31/01/2013",
        1.5,
        True,
        ["2013", "soon"],
    ],
    "ip": ["10.0.0.256", "localhost", 5],
    "double": [math.nan, -math.inf, 2**53 + 1, [0.5, -(2**53) - 1], Decimal("0.5"), {0.5}],
    "text": [{"a"}, Decimal(1)],
    "binary": [5, [b"x", 5]],
    "geo_point": [{"lat": math.nan, "lon": 0}, (1, 2), [Decimal(1), 2]],
}
CHANGED_BY_JSON = [
    math.nan,
    math.inf,
    (1, 2),
    {1, 2},
    frozenset(),
    b"x",
    Decimal("1.0"),
    UUID(int=1),
    timedelta(hours=1),
    date(2013, 1, 31),
    datetime(2013, 1, 31, tzinfo=UTC),
    object(),
    {1: "x"},
    {1: "x", "1": "y"},
    {None: 1},
]
UNCHECKED = {
    "flattened": {"type": "flattened"},
    "a range": {"type": "double_range"},
    "a type of tomorrow": {"type": "a_type_of_tomorrow"},
    "an object that is not indexed": {"type": "object", "enabled": False, "properties": {"a": {"type": "long"}}},
    "an object without fields": {"type": "nested"},
    "an object that takes any field": {"type": "object", "dynamic": False, "properties": {"a": {"type": "long"}}},
    "a field that may be malformed": {"type": "long", "ignore_malformed": True},
}


@pytest.mark.parametrize("declared", UNCHECKED)
@pytest.mark.parametrize("value", CHANGED_BY_JSON, ids=lambda value: type(value).__name__)
def test_what_json_would_change_is_refused_in_every_type_that_the_contract_does_not_know(declared, value):
    for inner in (value, {"any": {"deep": [value]}}, [1, value]):
        with pytest.raises(BadRow) as caught:
            accept({"f": UNCHECKED[declared]}, [{}, {"f": inner}])
        assert (caught.value.row, caught.value.field) == (2, "f")


@pytest.mark.parametrize("declared", UNCHECKED)
def test_what_json_keeps_is_accepted_in_every_type_that_the_contract_does_not_know(declared):
    for value in (None, -0.0, 10**30, "x", [], [[1], {"a": None}], {"gte": 1.5, "lte": True}):
        assert accept({"f": UNCHECKED[declared]}, [{"f": value}]) == [{"f": value}]


def test_a_value_inside_a_field_is_refused_by_its_path():
    mapping = {"leg": {"properties": {"price": {"type": "double"}}}}
    with pytest.raises(BadRow, match=r"row 2, field 'leg\.price': is a Decimal, which would be kept as text"):
        accept(mapping, [{"leg": {"price": 1}}, {"leg": [{"price": 1}, {"price": Decimal("0.5")}]}])


@pytest.mark.parametrize("kind", RIGHT)
def test_right_values_are_accepted_as_they_are(kind):
    for value in RIGHT[kind]:
        assert accept({"f": {"type": kind}}, [{"f": value}]) == [{"f": value}]


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_values_are_refused_by_row_and_field(kind):
    for value in WRONG[kind]:
        with pytest.raises(BadRow) as caught:
            accept({"f": {"type": kind}}, [{"f": None}, {"f": value}])
        assert (caught.value.row, caught.value.field) == (2, "f"), value


def test_a_format_of_the_users_leaves_the_text_of_dates_to_the_server():
    assert accept({"f": {"type": "date", "format": "yyyyMMdd"}}, [{"f": "20130131"}])


def test_a_keyword_with_ignore_above_may_be_of_any_length():
    assert accept({"f": {"type": "keyword", "ignore_above": 256}}, [{"f": "x" * 40_000}])


def test_dates_of_python_read_back_as_text():
    shape = parse_schema("x", {"f": {"type": "date"}}, {}, "").contract("x").shapes[""]
    assert shape.as_given({"f": datetime(2013, 1, 31, 5, tzinfo=UTC)}) == {"f": "2013-01-31T05:00:00Z"}


@pytest.mark.parametrize("name", ["object", "nested"])
def test_fields_inside_fields_are_checked_and_named_by_their_path(name):
    mapping = {"legs": {"type": name, "properties": {"from": {"type": "keyword"}, "no": {"type": "short"}}}}
    accept(mapping, [{"legs": {"from": "EWR"}}, {"legs": [{"no": 1}, None]}, {"legs": None}, {}])
    for wrong, field in (({"no": "1"}, "legs.no"), ([{"no": 1}, {"no": 1.5}], "legs.no"), ({"form": 1}, "legs.form")):
        with pytest.raises(BadRow) as caught:
            accept(mapping, [{}, {"legs": wrong}])
        assert (caught.value.row, caught.value.field) == (2, field)


def test_an_object_of_its_own_rules_is_left_to_the_server():
    assert accept({"f": {"type": "object", "enabled": False}}, [{"f": {"any": 1}}])
    assert accept({"f": {"dynamic": True, "properties": {"a": {"type": "long"}}}}, [{"f": {"b": 1}}])


def test_names_that_are_no_names_of_python_are_fields_like_others():
    mapping = {"@timestamp": {"type": "date"}, "from": {"type": "keyword"}, "f0": {"type": "long"}}
    with pytest.raises(BadRow, match="field '@timestamp'"):
        accept(mapping, [{"@timestamp": "x", "from": "y"}])


def test_an_unknown_field_is_refused_with_what_was_meant():
    with pytest.raises(BadRow, match="field 'carier': is unknown; did you mean 'carrier'"):
        accept({"carrier": {"type": "keyword"}}, [{"carier": "UA"}])


def test_a_field_whose_name_is_no_text_is_refused():
    with pytest.raises(BadRow, match="row 1: holds a name that is no text"):
        accept({"f": {"type": "long"}}, [{5: 1}])


@pytest.mark.parametrize("value", [None, "", "x" * 513, "é" * 257, 5, ["a"]])
def test_an_id_must_be_text_that_fits(value):
    mapping = {"key": {"type": "keyword"}, "f": {"type": "long"}}
    accept(mapping, [{"key": "é" * 256}], id_field="key")
    with pytest.raises(BadRow, match="row 1, field 'key'"):
        accept(mapping, [{"key": value}], id_field="key")


def test_a_tuple_has_the_order_of_the_mapping():
    mapping = {"a": {"type": "long"}, "b": {"type": "keyword"}}
    assert accept(mapping, [(1, "x")]) == [{"a": 1, "b": "x"}]
    with pytest.raises(BadRow, match=r"row 1: has 3 values for 2 fields \(a, b\)"):
        accept(mapping, [(1, "x", 2)])


def test_a_mapping_may_be_given_whole_or_as_its_properties():
    properties = {"a": {"type": "long"}}
    assert (
        parse_schema("x", properties, {}, "").mapping == parse_schema("x", {"properties": properties}, {}, "").mapping
    )
    assert parse_schema("x", {"properties": {"type": "keyword"}}, {}, "").properties == {
        "properties": {"type": "keyword"}
    }


@pytest.mark.parametrize(
    ("mapping", "id_field", "words"),
    [
        (None, "", "set mapping"),
        ({}, "", "set mapping"),
        ({"a": {"type": "long"}}, "b", "id_field = 'b' must be a keyword or an integer"),
        ({"a": {"type": "float"}}, "a", "id_field = 'a' must be a keyword or an integer"),
        ({"a": "long"}, "", "field 'a' has no type"),
        ({"a.b": {"type": "long"}}, "", "field 'a.b': use text without dots"),
        ({"a": {"properties": {"b": {}}}}, "", "field 'a.b' has no type"),
        ({'a"b': {"type": "long"}}, "", "without quotation marks"),
        ({"a": {"properties": {"b\\": {"type": "long"}}}}, "", "without quotation marks"),
        ({"a\n": {"type": "long"}}, "", "without quotation marks"),
        ({"a": {"properties": {"b\u202e": {"type": "long"}}}}, "", r"contains the character U\+202E"),
        ({"dynamic": True, "properties": {"a": {"type": "long"}}}, "", "always strict"),
        ({"_source": {"enabled": False}, "properties": {"a": {"type": "long"}}}, "", "_source"),
    ],
)
def test_a_declaration_that_cannot_work_is_refused(mapping, id_field, words):
    with pytest.raises(BadSetting, match=words):
        parse_schema("flights", mapping, {}, id_field)


def test_settings_may_be_nested_or_dotted():
    nested = parse_schema("x", {"a": {"type": "long"}}, {"index": {"number_of_shards": 2}}, "")
    dotted = parse_schema("x", {"a": {"type": "long"}}, {"index.number_of_shards": 2}, "")
    assert nested.settings == dotted.settings == {"number_of_shards": 2}


@pytest.mark.parametrize("name", ["Flights", "_flights", "-f", "a b", "a,b", "a~b", "a*", "", "x" * 193, "é" * 97])
def test_a_name_that_no_alias_can_have_is_refused(name):
    with pytest.raises(BadSetting, match="index"):
        ElasticsearchTarget(name, mapping={"a": {"type": "long"}}, update_id="1")


def accept(mapping, rows, id_field=""):
    accepted, _ = parse_schema("x", mapping, {}, id_field).contract("x").accept("", rows, 1)
    return accepted


REFUSED_SETTINGS = {
    "a mode that stores no _source": {"mode": "logsdb"},
    "a time series": {"index": {"mode": "time_series"}},
    "a _source that is made up again": {"index.mapping.source.mode": "synthetic"},
    "no _source": {"mapping": {"source": {"mode": "disabled"}}},
    "a _source without vectors": {"mapping.exclude_source_vectors": True},
    "a _source that is made up again on OpenSearch": {"derived_source.enabled": True},
    "a pipeline": {"index": {"default_pipeline": "enrich"}},
    "a pipeline at the end": {"final_pipeline": "enrich"},
    "a pipeline for answers": {"search.default_pipeline": "cut"},
    "an index that wildcards find": {"hidden": False},
    "a block": {"blocks": {"write": True}},
    "a policy": {"lifecycle.name": "delete-after-a-day"},
    "a policy of OpenSearch": {"plugins.index_state_management.policy_id": "delete"},
}


@pytest.mark.parametrize("what", REFUSED_SETTINGS)
def test_settings_that_would_change_documents_or_hide_or_delete_an_index_are_refused(what):
    with pytest.raises(BadSetting, match=r"index 'x': remove \S+ = .* from settings: "):
        parse_schema("x", {"id": {"type": "long"}}, REFUSED_SETTINGS[what], "")


def test_settings_that_change_nothing_are_taken_in_any_form():
    given = {
        "index": {"mapping": {"source.mode": "stored"}},
        "mode": "standard",
        "analysis": {"filter": {"a": {"b": 1}}},
    }
    schema = parse_schema("x", {"id": {"type": "long"}}, given, "")
    assert schema.settings == {"mapping.source.mode": "stored", "mode": "standard", "analysis.filter.a.b": 1}


@pytest.mark.parametrize("name", ["_source", "_routing"])
def test_a_mapping_that_changes_documents_or_asks_for_routing_is_refused(name):
    with pytest.raises(BadSetting, match=name):
        parse_schema("x", {"properties": {"id": {"type": "long"}}, name: {"required": True}}, {}, "")


@pytest.mark.parametrize("name", ["_id", "_source"])
def test_a_name_of_the_server_in_a_document_points_at_id_field(name):
    with pytest.raises(BadRow, match="name that field by id_field = 'f'") as caught:
        parse_schema("x", {"f": {"type": "keyword"}}, {}, "f").contract("x").accept("", [{"f": "a", name: "b"}], 1)
    assert caught.value.field == name
