"""Airflow's own scheduler runs tasks in processes of their own, which it stops, and which are killed.

LUIGI_SINKS_AIRFLOW_RUNS says how many loads run; `make airflow` has 200.
"""

import os
import signal

import pytest

from luigi_sinks.version import State
from tests.airflow_connections import Sampler, left
from tests.airflow_home import CONNECTIONS
from tests.airflow_services import AT_ONCE, wait

RUNS = int(os.environ.get("LUIGI_SINKS_AIRFLOW_RUNS", "20"))
SECONDS_A_RUN = 20
MOST_OF_A_LOAD = 6
"""Connections that one load has at most: its writers, who publishes, and who renews its claim."""

pytestmark = pytest.mark.timeout(600 + RUNS * SECONDS_A_RUN)


@pytest.fixture
def catalog(airflow):
    """Return a function that opens a dataset which the tasks load."""
    return airflow.catalog


@pytest.fixture
def records(airflow):
    """Return a function that returns the versions of a partition which is loaded slowly."""
    return lambda partition: list(airflow.catalog("neo4j", "slow").records(partition=partition))


def test_loads_of_many_tasks_are_published_unless_they_fail_and_leave_no_connection(services, catalog):
    with Sampler(services.pids) as sampler:
        assert services.run("many", RUNS * SECONDS_A_RUN) == "failed"
    heads = [head for store in CONNECTIONS.values() for head in catalog(store, "many").heads().values()]
    ended = list(services.home.states("many").values())
    assert len(heads) == RUNS - RUNS // 10
    assert (ended.count("success"), ended.count("failed")) == (RUNS - RUNS // 10, RUNS // 10)
    assert all(0 < sampler.most[store] <= AT_ONCE * MOST_OF_A_LOAD for store in CONNECTIONS.values()), sampler.most
    seen = set().union(*sampler.seen.values())
    assert not seen & left()


def test_a_dag_that_waits_for_a_dataset_reads_exactly_the_versions_that_were_published(services, catalog, records):
    runs = [services.trigger("producer", number=number) for number in range(3)]
    assert [services.end_of("producer", run) for run in runs] == ["success"] * 3
    services.home.tell("moved")
    wait(lambda: len(services.home.told("consumed")) == len(runs))
    rows = dict(services.home.told("consumed"))
    loaded = {record.version.id: record.origin.params["run_id"] for record in catalog("neo4j", "produced").records()}
    assert {version: loaded[version] for version in rows} == loaded
    numbers = {run: str(number) for number, run in enumerate(runs)}
    assert {loaded[version]: found for version, found in rows.items()} == {
        run: [["Airport", {"faa": number}]] for run, number in numbers.items()
    }


def test_a_task_that_is_told_to_end_abandons_its_load(services, records):
    run = services.trigger("stopped")
    (pid,) = wait(lambda: services.home.told("stopped"))
    os.kill(pid, signal.SIGTERM)
    assert services.end_of("stopped", run) == "failed"
    assert [record.state for record in records("stopped")] == [State.FAILED]


def test_airflow_alone_would_publish_what_a_task_loads_that_is_told_to_end(services, records):
    run = services.trigger("control")
    (pid,) = wait(lambda: services.home.told("control"))
    os.kill(pid, signal.SIGTERM)
    assert services.end_of("control", run) == "success"
    assert [record.state for record in records("control")] == [State.PUBLISHED]


def test_a_task_that_is_marked_as_failed_abandons_its_load(services, records):
    run = services.trigger("marked")
    wait(lambda: services.home.told("marked"))
    services.mark_failed("marked", run, "marked")
    assert services.end_of("marked", run) == "failed"
    wait(lambda: [record.state for record in records("marked")] == [State.FAILED])


def test_a_retry_publishes_at_once_what_a_killed_try_on_another_host_had_begun(services, records):
    run = services.trigger("killed")
    (pid,) = wait(lambda: services.home.told("killed"))
    os.kill(pid, signal.SIGKILL)
    assert services.end_of("killed", run) == "success"
    first, second = records("killed")
    assert (first.state, second.state) == (State.FAILED, State.PUBLISHED)
    assert (first.claim.host, first.origin.update_id) == ("another-host", second.origin.update_id)
    assert second.published_at < first.claim.until


def test_leases_are_revoked_when_the_task_ends(services, vault, catalog):
    assert services.run("leases") == "success"
    assert catalog("mariadb", "leased").head("_all").record.rows == 1
    assert vault.taken
    assert vault.revoked == vault.taken


def test_the_example_loads_a_graph_and_a_second_dag_reads_it(services, tmp_path, catalog):
    flights = [("EWR", "IAH"), ("LGA", "IAH"), ("EWR", "IAH")]
    (tmp_path / "2013-01.csv").write_text("\n".join(["origin,dest", *map(",".join, flights)]))
    assert services.run("load_routes", folder=str(tmp_path), month="2013-01") == "success"
    assert catalog("neo4j", "routes").head("201301").record.origin.owner == "flight_ops"
    wait(lambda: services.home.returned("busiest_routes"))
    assert services.home.returned("busiest_routes")["busiest"] == ["EWR-IAH: 2", "LGA-IAH: 1"]


def test_the_dags_of_the_page_load_a_table_and_count_its_rows(services, catalog):
    assert services.run("load_departures", logical_date="2013-01-31T00:00:00Z") == "success"
    assert catalog("mariadb", "departures").head("20130131").record.rows == 1
    wait(lambda: services.home.states("count_departures").get("count") == "success")
