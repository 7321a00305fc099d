"""Documents, names and settings that only the server can refuse, and how the errors read."""

import re

import pytest

from luigi_sinks import BadRow, BadSetting, CheckFailed, State
from luigi_sinks.record import Head

REFUSED = {
    "a date that does not exist": ({"type": "date"}, "2013-02-30", "value"),
    "a date in another format": ({"type": "date", "format": "dd/MM/yyyy"}, "2013-01-31", "value"),
    "a value of a type that the contract leaves to the server": ({"type": "integer_range"}, {"gte": "x"}, "value"),
    "text that is too long in bytes only": ({"type": "keyword"}, "é" * 20_000, "value"),
    "a point that is no point": ({"type": "geo_point"}, "nowhere!", "value"),
    "a point off the globe": ({"type": "geo_point"}, [181, 0], "value"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_the_server_refuses(case, make_sink, load_rows):
    declaration, value, field = REFUSED[case]
    sink = make_sink(mapping={"id": {"type": "integer"}, "value": declaration})
    good = [{"id": number} for number in range(20)]
    with pytest.raises(BadRow) as caught:
        load_rows(sink, [*good, {"id": 99, "value": value}, {"id": 100}])
    assert (caught.value.dataset, caught.value.row, caught.value.field) == (sink.dataset, 21, field)
    assert len(str(caught.value)) < 600
    assert sink.head("_all") == Head()
    load_rows(sink, good)


def test_a_field_inside_another_is_named_by_its_path(make_sink, load_rows):
    sink = make_sink(mapping={"leg": {"properties": {"day": {"type": "date"}}}}, id_field="")
    with pytest.raises(BadRow, match=r"row 2, field 'leg\.day'"):
        load_rows(sink, [{"leg": {"day": "2013-01-31"}}, {"leg": {"day": "2013-02-31"}}])


def test_an_index_where_the_alias_should_be_is_said_and_left_alone(sink, dataset, cluster, load_rows):
    cluster("PUT", f"/{dataset}")
    with pytest.raises(
        BadSetting, match=f"readers are to use {dataset} as an alias, but there is an index of this name. Adopt"
    ):
        load_rows(sink, [{"id": 1}])
    assert cluster.indices(dataset) == [dataset]


def test_an_alias_that_stands_for_something_else_is_said(sink, dataset, cluster, load_rows):
    cluster("PUT", f"/{dataset}_old", {"aliases": {dataset: {}}})
    with pytest.raises(BadSetting, match=f"it stands for {dataset}_old"):
        load_rows(sink, [{"id": 1}])


@pytest.mark.parametrize("end", ["old", "a~b~c"])
def test_an_index_that_is_no_version_is_named(sink, dataset, cluster, load_rows, end):
    cluster("PUT", f"/{dataset}~{end}", {"aliases": {dataset: {}, f"{dataset}~_all~head": {}}})
    for look in (sink.heads, lambda: sink.head("_all"), sink.create, lambda: load_rows(sink, [{"id": 1}])):
        with pytest.raises(BadSetting, match=f"index {dataset}~{end} has an alias .* one of its versions; remove that"):
            look()


def test_a_field_that_another_partition_holds_as_another_type_is_refused(make_sink, load_rows):
    mapping = {"id": {"type": "integer"}, "name": {"type": "integer"}}
    sink, other = make_sink(), make_sink(mapping=mapping, allow_change=("name", "amount"))
    load_rows(sink, [{"id": 1, "name": "one"}], "201301")
    with pytest.raises(BadSetting, match="field 'name' is declared as integer, and partition 201301 holds it as keyw"):
        load_rows(other, [{"id": 2, "name": 2}], "201302")
    load_rows(other, [{"id": 1, "name": 1}], "201301")
    assert len(list(other.records())) == 2


FAILURES = {
    "rows that end in an error": (lambda: ({"id": 1, "name": 2 // row} for row in (1, 0)), ZeroDivisionError),
    "a row that is wrong": (lambda: [{"id": 1, "name": 1}, {"id": 2, "name": "two"}], BadRow),
    "no rows": (list, CheckFailed),
}


@pytest.mark.parametrize("what", FAILURES)
def test_a_first_load_that_fails_freezes_nothing(what, make_sink, load_rows, cluster, dataset):
    rows, error = FAILURES[what]
    wrong, right = make_sink(mapping={"id": {"type": "long"}, "name": {"type": "integer"}}), make_sink()
    for partition in ("201301", "201302"):
        with pytest.raises(error):
            load_rows(wrong, rows(), partition)
    assert cluster.indices(dataset) == [f"{dataset}~registry"]
    for partition in ("201302", "201301"):
        load_rows(right, [{"id": int(partition), "name": "one"}], partition)
    assert cluster.count(dataset) == 2
    assert [(record.state, record.schema == right.declared) for record in right.records()] == [
        *(2 * [(State.FAILED, False)]),
        *(2 * [(State.PUBLISHED, True)]),
    ]


def test_a_mapping_that_the_server_refuses_leaves_a_failed_record(make_sink, load_rows):
    sink = make_sink(mapping={"id": {"type": "integr"}}, id_field="")
    with pytest.raises(BadSetting, match="the cluster refuses the mapping or the settings"):
        load_rows(sink, [{"id": 1}])
    assert [record.state for record in sink.records()] == ["failed"]


def test_more_partitions_than_the_cluster_has_shards_for_ask_for_a_coarser_one(make_sink, load_rows):
    sink = make_sink(number_of_shards=1_020)
    with pytest.raises(BadSetting, match=re.escape("the cluster takes no more shards")) as caught:
        load_rows(sink, [{"id": 1}])
    assert "coarser partition" in str(caught.value)


def test_settings_of_the_user_are_in_force_once_the_version_is_sealed(make_sink, dataset, cluster, load_rows):
    sink = make_sink(number_of_shards=2, number_of_replicas=1, refresh_interval="7s")
    load_rows(sink, [{"id": number} for number in range(50)])
    ((_, body),) = cluster("GET", f"/{dataset}/_settings").items()
    found = body["settings"]["index"]
    assert (found["number_of_shards"], found["number_of_replicas"], found["refresh_interval"]) == ("2", "1", "7s")
    assert cluster.count(dataset) == 50


def test_without_settings_an_index_gets_the_servers_defaults_back(sink, dataset, cluster, load_rows):
    load_rows(sink, [{"id": 1}])
    ((_, body),) = cluster("GET", f"/{dataset}/_settings").items()
    assert "refresh_interval" not in body["settings"]["index"]
    assert body["settings"]["index"]["number_of_replicas"] == "1"
