"""Indices are exactly what was asked for on OpenSearch too, whatever templates the cluster has."""

import pytest

from luigi_sinks import BadSetting

ADDED = {
    "aliases all": {"aliases": {"all": {}}},
    "settings search.default_pipeline": {"settings": {"search.default_pipeline": "any"}},
    "mappings._source": {"mappings": {"_source": {"excludes": ["name"]}}},
}


@pytest.fixture
def template(cluster, dataset):
    """Return a function that makes an index template for the indices of versions, or of another pattern."""
    made = []

    def make(content, pattern="~_all~*", *, dataset=dataset, **others):
        made.append(f"/_index_template/{dataset}_{len(made)}")
        body = {"index_patterns": [f"{dataset}{pattern}"], "template": content, "priority": 10, **others}
        assert cluster("PUT", made[-1], body)["acknowledged"]

    yield make
    for path in made:
        cluster("DELETE", path)


@pytest.mark.parametrize("what", ADDED)
def test_a_load_whose_index_a_template_would_change_is_refused_by_the_templates_name(
    what, template, make_sink, load_ids, cluster, dataset
):
    template(ADDED[what])
    with pytest.raises(BadSetting, match=f"index template '{dataset}_0' gives index {dataset}~_all~v.* {what}, which"):
        load_ids(make_sink(), [1])
    template({}, "~*", priority=20)
    load_ids(make_sink(), [1, 2])
    assert cluster.ids(dataset) == [1, 2]


def test_pipelines_and_shards_of_a_template_are_overridden(template, make_sink, load_ids, cluster, dataset):
    template({"settings": {"final_pipeline": "none", "default_pipeline": "none", "number_of_shards": 3}}, "~*")
    load_ids(make_sink(), [1, 2])
    assert cluster.ids(dataset) == [1, 2]
    ((_, found),) = cluster("GET", f"/{dataset}").items()
    assert found["settings"]["index"]["number_of_shards"] == "1"


def test_a_template_for_data_streams_is_named(template, make_sink, load_ids, dataset):
    template({}, "~registry", data_stream={})
    with pytest.raises(
        BadSetting, match=f"template '{dataset}_0' gives index {dataset}~registry the form of a data str"
    ):
        load_ids(make_sink(), [1])
