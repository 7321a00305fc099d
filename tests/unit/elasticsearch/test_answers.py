"""A response of status 200 that is not what the call returns is an error of ours, whichever call it is."""

import re
from pathlib import Path

import pytest

from luigi_sinks.elasticsearch import ElasticsearchSettings, answers
from luigi_sinks.errors import Unavailable

SETTINGS = ElasticsearchSettings(host="127.0.0.1", credential="any", product="opensearch")
PACKAGE = Path(answers.__file__).parent
RIGHT = {
    "bulk": ({}, {"errors": True, "items": [{"a": {"status": 201}}, {"a": {"status": 409}}]}),
    "cluster.get_component_template": ({}, {"component_templates": [{"name": "a", "component_template": {}}]}),
    "cluster.get_settings": ({}, {"persistent": {}, "transient": {}}),
    "cluster.health": (
        {},
        {
            "active_shards": 1,
            "active_primary_shards": 1,
            "initializing_shards": 0,
            "unassigned_shards": 0,
            "number_of_data_nodes": 1,
        },
    ),
    "close_point_in_time": ({}, {"succeeded": True}),
    "count": ({}, {"count": 1, "_shards": {"total": 1, "failed": 0}}),
    "create": ({}, {"_id": "1", "result": "created"}),
    "get": ({}, {"_id": "1", "_source": {}}),
    "index": ({}, {"_id": "1", "result": "updated"}),
    "indices.add_block": ({}, {"acknowledged": True, "shards_acknowledged": True, "indices": []}),
    "indices.clone": ({}, {"acknowledged": True}),
    "indices.create": ({}, {"acknowledged": True}),
    "indices.delete": ({}, {"acknowledged": True}),
    "indices.get": ({}, {"a": {"aliases": {}, "mappings": {}, "settings": {}}}),
    "indices.get_alias": ({}, {"a": {"aliases": {}}}),
    "indices.get_index_template": (
        {},
        {"index_templates": [{"name": "b", "index_template": {"index_patterns": []}}]},
    ),
    "indices.get_mapping": ({}, {"a": {"mappings": {}}}),
    "indices.get_template": ({}, {"a": {"index_patterns": []}}),
    "indices.put_mapping": ({}, {"acknowledged": True}),
    "indices.put_settings": ({}, {"acknowledged": True}),
    "indices.refresh": ({}, {"_shards": {"total": 1, "failed": 0}}),
    "indices.update_aliases": ({}, {"acknowledged": True}),
    "mget": ({}, {"docs": [{}]}),
    "open_point_in_time": ({}, {"id": "a"}),
    "search": (
        {"sort": ["seq"], "seq_no_primary_term": True, "aggs": {}},
        {
            "hits": {"hits": [{"_id": "1", "_source": {}, "sort": [], "_seq_no": 1, "_primary_term": 1}]},
            "aggregations": {"a": {"buckets": [{"key": "a"}]}},
        },
    ),
    "security.get_role": ({}, {"a": {}}),
}
"""What is given to each call, and what it returns."""


EMPTY = {"indices.get", "indices.get_alias", "indices.get_mapping", "indices.get_template", "security.get_role"}
"""Calls that may find nothing; what they find is called `a` here."""


def others(value):
    """Yield a value with null in the place of each thing in it, at any depth, and without each of its fields."""
    if isinstance(value, dict):
        for name in value:
            rest = {key: each for key, each in value.items() if key != name}
            yield from [rest] if name != "a" else []
            yield from ({**rest, name: changed} for changed in (None, *others(value[name])))
    elif isinstance(value, list):
        for place, each in enumerate(value):
            yield from ([*value[:place], changed, *value[place + 1 :]] for changed in (None, *others(each)))


def test_each_call_of_the_store_is_known():
    called = {
        name
        for file in PACKAGE.glob("*.py")
        for name in re.findall(r"\bes\.((?:indices\.|cluster\.|security\.)?\w+)\(", file.read_text())
    }
    assert called == {*answers.FORMS, "bulk", "search"} == set(RIGHT)


@pytest.mark.parametrize("name", RIGHT)
def test_what_a_call_returns_is_taken(name):
    given, body = RIGHT[name]
    assert answers.checked(SETTINGS, name, given, body) is body


@pytest.mark.parametrize("name", RIGHT)
def test_anything_else_is_refused(name):
    given, body = RIGHT[name]
    wrong = [[], "", "<html>", None, 1, True, [body], *others(body), *([] if name in EMPTY else [{}])]
    for answer in wrong:
        with pytest.raises(Unavailable, match=f"what came is not the response to {name}, so it is not OpenSearch's"):
            answers.checked(SETTINGS, name, given, answer)


@pytest.mark.parametrize("body", [{"errors": False}, {"errors": False, "took": 1}])
def test_a_bulk_without_errors_needs_no_items(body):
    assert answers.checked(SETTINGS, "bulk", {}, body) is body
