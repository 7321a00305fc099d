"""Tasks of a DAG load real servers, by `airflow dags test`: all of them in one process."""

import pytest

from luigi_sinks import config
from luigi_sinks.neo4j import Neo4jSettings, connection
from luigi_sinks.version import State
from tests.airflow_home import CONNECTIONS

DAG = "loads"
OF_RUN = """
MATCH (r:LineageRun)-[:OF]->(t:LineageTask) WHERE r.job ENDS WITH $job
RETURN r.outcome AS outcome, r.owner AS owner, r.parent AS parent, r.error AS error,
       COLLECT { MATCH (t)-[:REQUIRES]->(other) RETURN other.key } AS requires,
       COLLECT { MATCH (v:LineageVersion {run: r.key}) RETURN v.key } AS wrote,
       COLLECT { MATCH (r)-[:READ]->(v:LineageVersion) RETURN v.key } AS read
ORDER BY r.started"""


@pytest.fixture(scope="module", autouse=True)
def log(airflow):
    """Run the DAG, some of whose tasks fail, and return its log."""
    return airflow.run("dags", "test", DAG, check=False)


@pytest.fixture
def catalog(airflow):
    """Return a function that opens a dataset which the tasks load."""
    return airflow.catalog


@pytest.fixture
def runs(airflow):
    """Return a function that returns what lineage's graph knows of the runs of a task."""
    settings = config.read_connection(Neo4jSettings, "neo4j")
    return lambda task: connection.query(settings, OF_RUN, job=f"{airflow.namespace}/{DAG}.{task}")


def test_each_task_ends_as_its_load_does(airflow):
    failed = {task for task, state in airflow.states(DAG).items() if state != "success"}
    assert failed == {"breaks", "by_password", "without_columns"}


def test_a_version_says_which_task_of_which_run_loaded_it_for_whom(airflow, catalog):
    ((run, date),) = airflow.ask("SELECT run_id, logical_date FROM dag_run WHERE dag_id = ?", DAG)
    record = catalog("mariadb", "departures").head("p2").record
    assert (record.origin.family, record.origin.update_id) == ("loads.mapped", f"loads.mapped {run} 1")
    assert record.origin.owner == "flight_ops"
    assert record.origin.period[:19] == date[:19].replace(" ", "T")
    assert record.origin.params["try_number"] == "1"
    assert record.rows == 1


def test_the_only_role_that_may_edit_a_dag_is_the_team_of_its_tasks_without_an_owner(airflow):
    assert airflow.returned(DAG)["of_the_only_editor"] == "weather"


def test_an_operator_gets_its_arguments_templated_and_what_it_asks_of_the_context(airflow, catalog):
    assert catalog("neo4j", "airports").head("_all").record.rows == 20
    ((date,),) = airflow.ask("SELECT date(logical_date) FROM dag_run WHERE dag_id = ?", DAG)
    assert airflow.told("logical") == [date]


def test_a_task_that_fails_publishes_nothing(catalog):
    assert catalog("neo4j", "broken").head("_all").version is None
    assert [record.state for record in catalog("neo4j", "broken").records()] == [State.FAILED]


def test_a_later_try_loads_what_the_first_one_did_not(catalog):
    first, second = catalog("mariadb", "again").records()
    assert (first.state, second.state) == (State.FAILED, State.PUBLISHED)
    assert first.origin.update_id == second.origin.update_id
    assert [record.origin.params["try_number"] for record in (first, second)] == ["1", "2"]


def test_an_asset_event_names_the_version_the_partition_and_the_rows(airflow, catalog):
    found = dict(airflow.asset_events(DAG))
    head = catalog("elasticsearch", "delays").head("_all").record
    extra = found["luigi-sinks://elasticsearch/search/delays"]
    assert (extra["version"], extra["partition"], extra["rows"]) == (head.version.id, "_all", 3)
    assert [each["version"] for each in extra["versions"]] == [head.version.id]
    assert "luigi-sinks://neo4j/graph/broken" not in found


def test_an_operator_returns_its_version_and_another_task_reads_exactly_that(airflow, catalog):
    returned = airflow.returned(DAG)
    assert returned["airports"]["version"] == catalog("neo4j", "airports").head("_all").version.id
    assert returned["reads"] == sorted(f"A{number}" for number in range(20))


def test_a_password_in_a_connection_is_refused_with_the_way_out(log):
    assert "the connection 'graph_with_password' of Airflow has a password" in log
    assert "[luigi_sinks.credential.NAME] source = airflow, conn_id = graph_with_password_login" in log


def test_a_dataset_that_says_nothing_of_its_rows_cannot_be_loaded(log):
    assert "dataset 'undeclared': columns is missing; declare it" in log


def test_a_credential_can_come_from_the_secrets_backend_of_airflow(catalog):
    assert catalog("neo4j", "secret").head("_all").record.rows == 1


def test_cypher_runs_by_an_operator_and_by_a_hook(airflow):
    assert airflow.returned(DAG)["asks"] == 1


def test_no_connection_is_open_after_the_tasks(airflow):
    ports = {int(config.section(f"luigi_sinks.{store}")["port"]) for store in CONNECTIONS.values()}
    (found,) = airflow.told("open")
    assert ports.isdisjoint(found)


def test_a_dag_imports_no_driver(airflow):
    assert airflow.told("imported")[0] == []


def test_events_of_openlineage_carry_version_and_rows_of_an_operator(airflow, catalog):
    (event,) = airflow.openlineage(f"{DAG}.airports")
    assert outputs(event)[f"neo4j.{airflow.namespace}_airports"] == (
        catalog("neo4j", "airports").head("_all").version.id,
        20,
    )


def test_events_of_openlineage_carry_version_and_rows_of_a_function(airflow, catalog):
    first, second = airflow.openlineage(f"{DAG}.mapped")
    versions_of = {outputs(event)[f"flights.{airflow.namespace}_departures"] for event in (first, second)}
    heads = catalog("mariadb", "departures").heads()
    assert versions_of <= {(f"{name}#{head.version.id}", 1) for name, head in heads.items()}


def outputs(event):
    """Return version and rows of each output; in one process Airflow lists those of earlier tasks, too."""
    return {
        output["name"]: (
            output["facets"]["version"]["datasetVersion"],
            output["outputFacets"]["outputStatistics"]["rowCount"],
        )
        for output in reversed(event["outputs"])
    }


def test_lineage_knows_the_runs_with_the_exact_versions_that_they_wrote_and_read(catalog, runs):
    (wrote,) = runs("airports")
    head = catalog("neo4j", "airports").head("_all").version.id
    assert (wrote["outcome"], wrote["owner"]) == ("complete", "flight_ops")
    assert [head in key for key in wrote["wrote"]] == [True]
    (read,) = runs("reads")
    assert read["read"] == wrote["wrote"]


def test_lineage_knows_what_a_task_requires(runs):
    (run,) = runs("hubs")
    assert [f"{DAG}.airports {run['parent']}" in key for key in run["requires"]] == [True]


def test_lineage_knows_the_runs_that_fail_and_those_of_tasks_that_load_nothing(runs):
    assert [(run["outcome"], run["error"]) for run in runs("fails_once")] == [
        ("failed", "ValueError"),
        ("complete", None),
    ]
    assert [run["outcome"] for run in runs("of_the_only_editor")] == ["complete"]
