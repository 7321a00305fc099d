"""An index of OpenSearch, or of an alias there, becomes a dataset by signed requests."""

import json

import pytest

from luigi_sinks import Origin, load, versions
from luigi_sinks.adoption import adopt
from luigi_sinks.elasticsearch.adoption import ExistingIndex
from luigi_sinks.elasticsearch.declaration import declare
from luigi_sinks.version import WHOLE
from tests.integration.opensearch.conftest import MAPPING

ORIGIN = Origin("Items_1", family="Items")


@pytest.mark.parametrize("is_alias", [False, True])
def test_an_index_becomes_the_first_version_that_later_loads_replace(cluster, settings, dataset, make_sink, is_alias):
    index = f"{dataset}-2020" if is_alias else dataset
    aliases = {dataset: {}} if is_alias else {}
    cluster("PUT", f"/{index}", {"mappings": {"properties": MAPPING}, "aliases": aliases})
    lines = [line for n in range(9) for line in ({"index": {"_id": str(n)}}, {"id": n, "name": "x", "amount": 1.5})]
    cluster("POST", f"/{index}/_bulk?refresh=true", "".join(f"{json.dumps(line)}\n" for line in lines).encode())
    assert declare(settings, dataset).code.splitlines()[-1] == "id_field = 'id'"
    sink = make_sink()
    adopted = adopt(ExistingIndex(sink), WHOLE, ORIGIN).record
    assert cluster.ids(dataset) == list(range(9))
    assert list(cluster("GET", f"/{dataset}")) == [f"{dataset}~_all~{adopted.version.id}"]
    assert cluster("POST", f"/{dataset}/_doc", {"id": 1})["status"] == 403
    load(sink, WHOLE, ORIGIN, [{"id": 70, "name": "new", "amount": None}])
    assert cluster.ids(dataset) == [70]
    versions.roll_back(sink, adopted.version)
    assert cluster.ids(dataset) == list(range(9))
