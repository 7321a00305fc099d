"""What tasks do with luigi_sinks, one of each kind."""

import sys

import psutil
from airflow.sdk import DAG, task
from datasets import graph, index, table
from telling import tell

from luigi_sinks.airflow import Dataset, LoadOperator, Neo4jHook, RunCypherOperator
from luigi_sinks.airflow.identity import TaskRun

IMPORTED = [name for name in ("neo4j", "mariadb", "elasticsearch", "luigi") if name in sys.modules]

airports, departures, delays = graph("airports"), table("departures"), index("delays")
broken, secret, refused = (
    graph("broken"),
    graph("secret", credential="by_airflow"),
    graph("x", conn_id="graph_with_password"),
)
again, undeclared = table("again"), Dataset("mariadb", "undeclared", conn_id="warehouse")


def rows(count, ds):
    tell("logical", ds)
    return (("Airport", {"faa": f"A{number}"}) for number in range(int(count)))


with DAG("loads", schedule=None, default_args={"owner": "flight_ops"}, access_control={"weather": {"can_edit"}}):
    by_operator = LoadOperator(
        task_id="airports", dataset=airports, rows=rows, op_kwargs={"count": "{{ dag_run.conf.get('count', 20) }}"}
    )

    @task(outlets=[departures.asset])
    def mapped(number):
        with departures.loading(f"p{number}") as sink:
            sink.write((number, "UA"))

    @task(outlets=[delays.asset])
    def documents():
        with delays.loading() as sink:
            for number in range(3):
                sink.write({"id": number, "carrier": "UA"})

    @task(outlets=[broken.asset])
    def breaks():
        with broken.loading() as sink:
            sink.write(("Airport", {"faa": "JFK"}))
            raise ValueError("planted")

    @task(outlets=[again.asset], retries=1, retry_delay=0)
    def fails_once(ti=None):
        with again.loading() as sink:
            sink.write((1, "UA"))
            if ti.try_number == 1:
                raise ValueError("planted")

    @task
    def by_password():
        with refused.loading():
            pass

    @task
    def without_columns():
        with undeclared.loading():
            pass

    @task(outlets=[secret.asset])
    def by_secrets_backend():
        with secret.loading() as sink:
            sink.write(("Airport", {"faa": "JFK"}))

    @task(owner="airflow")
    def of_the_only_editor(ti=None):
        return TaskRun.of({"ti": ti}).owner

    hubs = RunCypherOperator(
        task_id="hubs",
        neo4j_conn_id="graph",
        cypher="MATCH (a:Airport__v {faa: $faa}) SET a.hub = true",
        parameters={"faa": "{{ params.faa }}"},
        params={"faa": "A7"},
    )

    @task
    def asks():
        with Neo4jHook("graph") as hook:
            (found,) = hook.run("MATCH (a:Airport__v {hub: true}) RETURN count(a) AS hubs")
            assert hook.run("RETURN $x AS x", {"x": 1}) == [{"x": 1}]
        return found["hubs"]

    @task
    def reads(version):
        with airports.reading(version) as found:
            return sorted(row["faa"] for kind, row in found)

    @task(trigger_rule="all_done")
    def looks():
        """Tell what is imported with the DAG, and to which ports this process has connections."""
        tell("imported", IMPORTED)
        tell("open", sorted({each.raddr.port for each in psutil.Process().net_connections("tcp") if each.raddr}))

    loads = [by_operator, mapped.expand(number=[1, 2]), documents(), breaks(), by_password(), by_secrets_backend()]
    loads += [without_columns()]
    by_operator >> hubs >> asks() >> reads(by_operator.output)
    loads >> looks()
    fails_once()
    of_the_only_editor()
