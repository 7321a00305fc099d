"""What a scheduler runs: many loads at once, loads that are stopped, and a DAG that waits for another one's dataset."""

import os
import socket
import time
from contextlib import nullcontext

from airflow.sdk import DAG, task
from datasets import graph, index, table
from telling import is_told, tell

RUNS = int(os.environ.get("LUIGI_SINKS_AIRFLOW_RUNS", "20"))
SLOW, SHORT = 300, 50
"""Tenths of a second that a load takes that is to be stopped, and one that goes on."""

many = [graph("many"), table("many"), index("many")]
produced, slow, leased = graph("produced"), graph("slow"), table("leased", credential="leased")


def row(dataset, number):
    return ("Airport", {"faa": str(number)}) if dataset.store == "neo4j" else {"id": number, "carrier": "UA"}


def load_slowly(partition, rows=SLOW):
    with slow.loading(partition) as sink:
        tell(partition, os.getpid())
        for number in range(rows):
            sink.write(row(slow, number))
            time.sleep(0.1)


with DAG("many", schedule=None):

    @task
    def load(number):
        dataset = many[number % len(many)]
        with dataset.loading(f"p{number}") as sink:
            sink.write(row(dataset, number))
            if number % 10 == 9:
                raise ValueError("planted")

    load.expand(number=list(range(RUNS)))

with DAG("producer", schedule=None, max_active_runs=1):

    @task(outlets=[produced.asset])
    def produce(dag_run=None):
        with produced.loading() as sink:
            sink.write(row(produced, dag_run.conf["number"]))

    produce()

with DAG("consumer", schedule=[produced.asset]):

    @task
    def consume(triggering_asset_events=None):
        """Read, once the head has moved on."""
        while not is_told("moved"):
            time.sleep(0.1)
        for event in triggering_asset_events[produced.asset]:
            with produced.reading(event) as rows:
                tell("consumed", [event.extra["version"], list(rows)])

    consume()

with DAG("stopped", schedule=None):

    @task
    def stopped():
        load_slowly("stopped")

    stopped()

with DAG("marked", schedule=None):

    @task
    def marked():
        load_slowly("marked")

    marked()

with DAG("control", schedule=None):

    @task
    def without_the_handler():
        from luigi_sinks.airflow import lifetime  # noqa: PLC0415 - a driver is not imported with the DAG

        lifetime.stopping = nullcontext
        load_slowly("control", SHORT)

    without_the_handler()

with DAG("killed", schedule=None):

    @task(retries=1, retry_delay=0)
    def killed(ti=None):
        if ti.try_number == 1:
            socket.gethostname = lambda: "another-host"
            load_slowly("killed")
        with slow.loading("killed") as sink:
            sink.write(row(slow, 1))

    killed()

with DAG("leases", schedule=None):

    @task
    def leases():
        with leased.loading() as sink:
            sink.write(row(leased, 1))

    leases()
