"""Indices are exactly what was asked for, whatever templates the cluster has."""

import secrets

import pytest

from luigi_sinks import BadSetting, State
from luigi_sinks.record import Head

ROWS = [{"id": 1, "name": "b", "amount": 1.5}, {"id": 2, "name": "a", "amount": None}]
ADDED = {
    "aliases all": {"aliases": {"all": {}}},
    "settings codec": {"settings": {"codec": "best_compression"}},
    "settings max_result_window": {"settings": {"max_result_window": 5}},
    "settings mapping.source.mode": {"settings": {"index": {"mapping.source.mode": "synthetic"}}},
    "mappings._source": {"mappings": {"_source": {"excludes": ["name"]}}},
    "mappings.runtime": {"mappings": {"runtime": {"seen": {"type": "long"}}}},
    "mappings.dynamic_templates": {"mappings": {"dynamic_templates": [{"any": {"mapping": {"type": "text"}}}]}},
    "mappings.properties.more": {"mappings": {"properties": {"more": {"type": "keyword"}}}},
}
OVERRIDDEN = {
    "pipelines": {"settings": {"default_pipeline": "a_pipeline", "final_pipeline": "a_pipeline"}},
    "shards": {"settings": {"number_of_shards": 3, "number_of_replicas": 2, "refresh_interval": "7s"}},
    "a field": {"mappings": {"properties": {"name": {"type": "keyword", "ignore_above": 3}}}},
}


@pytest.fixture
def template(cluster, dataset):
    """Return a function that makes an index template, and names it."""
    made = []

    def make(content, patterns=("*",), kind="_index_template", **others):
        made.append(f"/{kind}/{dataset}_{secrets.token_hex(2)}")
        body = {"template": content, "priority": 10, **others} if kind == "_index_template" else content
        patterns = [f"{dataset}{'~' if pattern == '*' else ''}{pattern}" for pattern in patterns]
        assert cluster("PUT", made[-1], {"index_patterns": patterns, **body})["acknowledged"]
        return made[-1].rpartition("/")[2]

    yield make
    for path in made:
        cluster("DELETE", path)


@pytest.mark.parametrize("what", ADDED)
def test_a_load_whose_index_a_template_would_change_is_refused_by_the_templates_name(
    what, template, sink, load_rows, cluster, dataset
):
    name = template(ADDED[what], ["~_all~*"])
    with pytest.raises(
        BadSetting, match=f"index template '{name}' gives index {dataset}~_all~v.* {what}.* for \"{dataset}~"
    ):
        load_rows(sink, ROWS)
    assert sink.head("_all") == Head()
    assert cluster.indices(dataset) == [f"{dataset}~registry"]
    template({}, priority=20)
    load_rows(sink, ROWS)
    assert cluster.documents(dataset) == {"1": ROWS[0], "2": ROWS[1]}


@pytest.mark.parametrize("what", OVERRIDDEN)
def test_a_template_is_overridden_where_the_request_can(what, template, sink, load_rows, cluster, dataset):
    template(OVERRIDDEN[what], ["~_all~*"] if what == "a field" else ["*"])
    load_rows(sink, ROWS)
    assert cluster.documents(dataset) == {"1": ROWS[0], "2": ROWS[1]}
    ((_, body),) = cluster("GET", f"/{dataset}").items()
    assert body["settings"]["index"]["number_of_shards"] == "1"
    assert body["mappings"]["properties"]["name"] == {"type": "keyword"}


def test_a_template_of_the_older_kind_is_named_too(template, sink, load_rows):
    content = {"mappings": {"properties": {"name": {"type": "keyword", "copy_to": "amount"}}}}
    name = template(content, ["~_all~*"], "_template")
    with pytest.raises(
        BadSetting, match=rf"index template '{name}' gives .* mappings\.properties\.name\.copy_to, which"
    ):
        load_rows(sink, ROWS)


def test_a_component_of_a_template_is_named_too(template, sink, load_rows, cluster, dataset):
    assert cluster("PUT", f"/_component_template/{dataset}", {"template": ADDED["aliases all"]})["acknowledged"]
    name = template({}, composed_of=[dataset])
    with pytest.raises(BadSetting, match=f"index template '{name}' and '{dataset}' gives .* aliases all, which"):
        load_rows(sink, ROWS)
    cluster("DELETE", f"/_index_template/{name}")
    cluster("DELETE", f"/_component_template/{dataset}")


@pytest.mark.parametrize("pattern", ["~registry", "~_all~*"])
def test_a_template_for_data_streams_is_named(pattern, template, sink, load_rows, dataset):
    name = template({}, [pattern], data_stream={})
    with pytest.raises(
        BadSetting, match=f"template '{name}' gives index {dataset}{pattern[:5]}.* form of a data stream"
    ):
        load_rows(sink, ROWS)


@pytest.mark.parametrize("what", ["aliases all", "mappings._source"])
def test_a_registry_that_others_see_or_change_is_refused_at_each_load(
    what, template, sink, load_rows, cluster, dataset
):
    name = template(ADDED[what], ["~registry"])
    with pytest.raises(BadSetting, match=f"index template '{name}' gives index {dataset}~registry {what}, which"):
        load_rows(sink, ROWS)
    cluster("DELETE", f"/_index_template/{name}")
    with pytest.raises(BadSetting, match=f"index {dataset}~registry has {what}, which luigi_sinks did not ask for"):
        load_rows(sink, ROWS)
    cluster("DELETE", f"/{dataset}~registry")
    load_rows(sink, ROWS)


def test_a_setting_that_the_user_wrote_too_is_no_templates_doing(template, make_sink, load_rows):
    template({"settings": {"codec": "best_compression", "mapping": {"total_fields": {"limit": 500}}}}, ["~_all~*"])
    sink = make_sink(codec="best_compression", index={"mapping": {"total_fields.limit": 500}})
    load_rows(sink, ROWS)
    assert [record.state for record in sink.records()] == [State.PUBLISHED]


def test_what_the_server_fills_in_for_a_field_is_no_templates_doing(template, make_sink, load_rows):
    template({"settings": {"number_of_shards": 3}})
    fields = {"vector": {"type": "dense_vector", "dims": 2}, "typed": {"type": "completion"}}
    sink = make_sink(mapping={"id": {"type": "integer"}, **fields})
    load_rows(sink, [{"id": 1, "vector": [1.0, 0.5], "typed": "x"}])
