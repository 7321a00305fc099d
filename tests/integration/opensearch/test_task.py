"""Tasks as users write them, for OpenSearch."""

import luigi
import pytest

from luigi_sinks.credentials.provider import PROVIDER
from luigi_sinks.elasticsearch import CopyToIndex, ElasticsearchTarget, Marker
from luigi_sinks.testing import servers
from luigi_sinks.testing.servers import state as states


@pytest.fixture
def flights(dataset):
    class Flights(CopyToIndex):
        month = luigi.Parameter()
        partition_by = ("month",)
        connection = "opensearch"
        index = dataset
        mapping = {"id": {"type": "integer"}, "month": {"type": "keyword"}}
        settings = {"number_of_replicas": 0}
        id_field = "id"

        def docs(self):
            for number in range(5):
                yield {"id": int(self.month) * 10 + number, "month": self.month}

    return Flights


def test_a_task_loads_by_signed_requests_and_is_complete(flights, cluster, dataset):
    task = flights(month="201301")
    assert not task.complete()
    assert luigi.build([task, flights(month="201302")], local_scheduler=True)
    assert task.complete()
    assert cluster.count(dataset) == 10
    assert flights.bulk_complete(["201301", "201302", "201303"]) == ["201301", "201302"]


def test_a_marker_exists_once_it_was_touched(dataset, cluster):
    first, second = (Marker(dataset, update_id=each, connection="opensearch") for each in ("first", "second"))
    assert not first.exists()
    for _ in range(2):
        first.touch()
    assert (first.exists(), second.exists()) == (True, False)
    assert list(cluster.indices(f"{dataset}~marks")) == [f"{dataset}~marks"]


@pytest.fixture
def as_a_container(monkeypatch):
    """Be what AWS says of a container: no key lies anywhere."""
    servers.up(["aws"])
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    for name, value in servers.AWS.variables(states.find().place(servers.AWS)).items():
        monkeypatch.setenv(name, value)
    PROVIDER.forget()


@pytest.mark.usefixtures("as_a_container")
def test_a_task_signs_by_keys_that_aws_hands_out(flights, cluster, dataset):
    assert luigi.build([flights(month="201301")], local_scheduler=True)
    assert cluster.count(dataset) == 5


def test_tasks_in_children_of_luigi_load_too(flights, cluster, dataset):
    assert luigi.build([flights(month=f"20130{month}") for month in range(1, 4)], local_scheduler=True, workers=2)
    assert cluster.count(dataset) == 15


def test_the_output_of_a_plain_task_is_written_and_read(dataset):
    class Delays(luigi.Task):
        def output(self):
            mapping = {"carrier": {"type": "keyword"}, "delay": {"type": "float"}}
            return ElasticsearchTarget(dataset, task=self, mapping=mapping, connection="opensearch")

        def run(self):
            with self.output().open("w") as sink:
                sink.write({"carrier": "UA", "delay": 3.5})

    task = Delays()
    assert luigi.build([task], local_scheduler=True)
    with task.output().open("r") as rows:
        assert list(rows) == [{"carrier": "UA", "delay": 3.5}]
