"""Networks of lineage that the tests and the benchmark of the page draw: one that reads like a team's, and any size."""

import random
from dataclasses import replace
from datetime import UTC, datetime

from luigi_sinks.lineage.network import (
    Attempt,
    DatasetNode,
    Flow,
    JobNode,
    Network,
    RunNode,
    Step,
    VersionNode,
)
from luigi_sinks.recording.clock import SECOND
from luigi_sinks.recording.events import Check, Column

NOW = 1_795_806_000 * SECOND
HOUR = 3600 * SECOND
OBSERVED = 0.8
"""Of what is read, the part that our own targets saw."""

WORDS = ("orders", "customers", "payments", "invoices", "clicks", "sessions", "stock", "prices", "returns", "shipments")
KINDS = ("raw", "clean", "daily", "by_region", "features", "scores", "snapshot", "joined")


def network(count: int) -> Network:
    """Return a network of so many nodes, each of which has ten versions or runs."""
    chance, half = random.Random(count), count // 2
    datasets = [dataset(number, chance) for number in range(half)]
    jobs, reads, writes = [], [], []
    for number in range(count - half):
        jobs.append(job(number, chance))
        to = number % half
        for _ in range(chance.choice([1, 1, 2, 2, 3]) if to else 0):
            start = max(0, to - 1 - int(chance.expovariate(1 / max(6, half / 12))))
            reads.append(Flow(jobs[-1].key, datasets[start].key, NOW - 720 * HOUR, NOW, chance.random() < OBSERVED))
        writes.append(Flow(jobs[-1].key, datasets[to].key, NOW - 720 * HOUR, NOW))
    return Network(NOW, tuple(datasets), tuple(jobs), tuple(reads), tuple(writes))


def dataset(number: int, chance: random.Random) -> DatasetNode:
    """Return a dataset."""
    namespace = chance.choice(["mysql://db.internal:3306", "elasticsearch://search:9200", "neo4j://graph:7687"])
    name = f"{WORDS[number % 10]}.{KINDS[number // 10 % 8]}_{number}"
    newest = NOW - chance.choice([1, 2, 3, 5, 20, 40]) * HOUR
    versions = tuple(version(f"{namespace}/{name}", newest - age * 24 * HOUR, chance) for age in range(10))
    promise, columns = chance.choice([0, 86_400, 86_400]), (Column("id", "INTEGER"), Column("day", "DATE"))
    return DatasetNode(f"{namespace}/{name}", namespace, name, "ops", newest, promise, versions, 300, columns)


def version(key: str, written: int, chance: random.Random) -> VersionNode:
    """Return a version."""
    moment, letters = datetime.fromtimestamp(written / SECOND, UTC), chance.choices("abcdefghijklmnopqrstuvwxyz", k=6)
    name, checks = (
        f"{moment:v%Y%m%dt%H%M%S}_{''.join(letters)}",
        (Check("not_empty", passed=True), Check("complete", passed=True)),
    )
    run, rows = f"run-{written}", chance.randrange(10**6)
    return VersionNode(f"{key}#_all#{name}", "_all", name, run, written, (written + SECOND,), rows=rows, checks=checks)


def job(number: int, chance: random.Random) -> JobNode:
    """Return a job, whose last run failed, goes on or is complete."""
    name = f"{KINDS[number % 8].title()}{WORDS[number // 8 % 10].title()}{number}"
    outcome = chance.choices(["complete", "failed", ""], [92, 4, 4])[0]
    runs = tuple(
        RunNode(
            f"{name}-{age}",
            f"{name}_{age}",
            NOW - (24 * age + 3) * HOUR,
            0 if not outcome and not age else NOW - (24 * age + 2) * HOUR,
            "complete" if age else outcome,
        )
        for age in range(10)
    )
    return JobNode(f"luigi/{name}", "luigi", name, "ops", runs, 500, 3600, 5000)


# Like a team's

MINUTE = 60 * SECOND
DAY = 24 * HOUR
_DB, _SEARCH, _GRAPH = "mysql://db.internal:3306", "elasticsearch://search.internal:9200", "neo4j://graph.internal:7687"
_TABLES = {  # hours since the last version, seconds of the promise, owner
    ("file", "/data/landing/flights-2013-01.csv"): (4, 0, ""),
    ("file", "/data/landing/weather-2013-01.csv"): (4, 0, ""),
    ("s3://reference", "airports/airports.parquet"): (700, 0, ""),
    ("s3://reference", "carriers/carriers.parquet"): (700, 0, ""),
    (_DB, "flights.departures"): (3, 86_400, "flight_ops"),
    (_DB, "flights.weather_observations"): (72, 86_400, "meteo"),
    (_DB, "flights.airlines"): (480, 0, "reference_data"),
    (_DB, "flights.airports"): (480, 0, "reference_data"),
    (_DB, "ml.delay_features"): (48, 86_400, "data_science"),
    ("file", "/models/delay/model.pkl"): (26, 172_800, "data_science"),
    (_SEARCH, "delays"): (2, 21_600, "analytics"),
    (_GRAPH, "neo4j.routes"): (2, 86_400, "analytics"),
    (_GRAPH, "neo4j.airport_network_centrality_by_month"): (1, 0, "analytics"),
    ("file", "/reports/punctuality/2013-01.html"): (26, 86_400, "analytics"),
}
_JOBS = {  # what it reads, what it writes, its owner, and the outcome of its last run
    "FetchFlights": ([], ["flights-2013-01.csv"], "flight_ops", "complete"),
    "LoadFlights": (["flights-2013-01.csv", "carriers.parquet"], ["flights.departures"], "flight_ops", "complete"),
    "LoadWeather": (["weather-2013-01.csv"], ["flights.weather_observations"], "meteo", "failed"),
    "LoadAirlines": (["carriers.parquet"], ["flights.airlines"], "reference_data", "complete"),
    "LoadAirports": (["airports.parquet"], ["flights.airports"], "reference_data", "complete"),
    "DelayFeatures": (
        ["flights.departures", "flights.weather_observations", "flights.airports"],
        ["ml.delay_features"],
        "data_science",
        "complete",
    ),
    "TrainDelayModel": (["ml.delay_features", "model.pkl"], ["model.pkl"], "data_science", "complete"),
    "IndexDelays": (["flights.departures", "flights.airlines"], ["delays"], "analytics", "complete"),
    "BuildRoutes": (["flights.departures", "flights.airports"], ["neo4j.routes"], "analytics", "complete"),
    "Centrality": (["neo4j.routes"], ["neo4j.airport_network_centrality_by_month"], "analytics", "complete"),
    "PunctualityReport": (
        ["delays", "neo4j.airport_network_centrality_by_month", "model.pkl", "flights.airlines"],
        ["2013-01.html"],
        "analytics",
        "",
    ),
}

TRAIL = frozenset(
    (
        *(
            "PunctualityReport",
            "Centrality",
            "BuildRoutes",
            "LoadFlights",
            "LoadAirports",
            "LoadAirlines",
            "FetchFlights",
        ),
        *("neo4j.airport_network_centrality_by_month", "neo4j.routes", "flights.departures", "flights.airports"),
        *("flights.airlines", "flights-2013-01.csv", "carriers.parquet", "airports.parquet"),
    )
)
"""What the last run of the report was made of: it read neither the delays nor the model."""


def team() -> Network:
    """Return the network of a team that loads flights: of 14 datasets three are stale, and one of 11 jobs failed."""
    chance = random.Random(3)
    datasets = [_dataset(*name, *facts, chance) for name, facts in _TABLES.items()]
    jobs = [_job(name, owner, outcome) for name, (_, _, owner, outcome) in _JOBS.items()]
    reads = [flow for name, (inputs, _, _, _) in _JOBS.items() for flow in _flows(name, inputs, datasets)]
    writes = [flow for name, (_, outputs, _, _) in _JOBS.items() for flow in _flows(name, outputs, datasets)]
    found = Network(NOW, tuple(datasets), tuple(jobs), tuple(reads), tuple(writes), tuple(_path()))
    trail = tuple(
        edge for edge in found.edges if all(each.removeprefix("luigi/").split("/")[-1] in TRAIL for each in edge)
    )
    return replace(found, trail=trail, parameters=(("month", "2013-01"),))


def _dataset(namespace: str, name: str, hours: int, promise: int, owner: str, chance: random.Random) -> DatasetNode:
    key, newest = f"{namespace}/{name}", NOW - hours * HOUR
    versions = tuple(replace(version(key, newest - age * DAY, chance), owner=owner) for age in range(6))
    if namespace in {"file", "s3://reference"}:
        versions = tuple(replace(each, published=(), rows=0, checks=()) for each in versions[: 1 if hours > DAY else 6])
    columns = (Column("id", "INTEGER"), Column("carrier", "VARCHAR(2)"), Column("dep_delay", "INTEGER"))
    return DatasetNode(
        key, namespace, name, owner, newest, promise, versions, len(versions) * 9, columns if namespace == _DB else ()
    )


def _job(name: str, owner: str, outcome: str) -> JobNode:
    runs = []
    for age in range(8):
        began, last = NOW - (3 * HOUR if outcome else 5 * MINUTE) - age * DAY, "complete" if age else outcome
        took = began + (900 + 31 * age) * SECOND if last else 0
        task = f"{name}_2013_{8 - age:02d}_5d41402abc"
        error = "BadRow" if last == "failed" else ""
        runs.append(RunNode(f"019c3f5e-{age:04d}-{name}", task, began, took, last, error))
    return JobNode(f"luigi/{name}", "luigi", name, owner, tuple(runs), 240, 930.0, 2100.0)


def _flows(job: str, names: list[str], datasets: list[DatasetNode]) -> list[Flow]:
    found = {each.name.rsplit("/", 1)[-1]: each for each in datasets}
    seen = [(found[name], found[name].namespace not in {"file", "s3://reference"}) for name in names]
    return [Flow(f"luigi/{job}", each.key, NOW - 40 * DAY, NOW - HOUR, is_observed) for each, is_observed in seen]


def _path() -> list[Step]:
    began = NOW - 5 * HOUR
    minutes = [  # ready, started, ended
        ("PunctualityReport", 290, 295, 0),
        ("Centrality", 231, 233, 290),
        ("BuildRoutes", 150, 154, 231),
        ("LoadFlights", 20, 80, 150),
        ("FetchFlights", 0, 2, 20),
    ]
    failed = (
        Attempt("first", "failed", began + 22 * MINUTE, began + 41 * MINUTE, "OperationalError"),
        Attempt("second", "failed", began + 52 * MINUTE, began + 73 * MINUTE, "OperationalError"),
    )
    steps = []
    for job, ready, start, end in minutes:
        attempts = failed if job == "LoadFlights" else ()
        lost = sum((each.ended - each.started) / SECOND for each in attempts)
        times = began + ready * MINUTE, began + start * MINUTE, began + end * MINUTE if end else 0
        parts = (start - ready) * 60 - lost, lost, ((end or 300) - start) * 60.0
        key, task = f"luigi/{job}", f"{job}_2013_01_5d41402abc"
        usual = 50 * 60.0 if job in {"LoadFlights", "BuildRoutes", "Centrality"} else 0.0
        steps.append(
            Step(
                f"019c3f5e-0000-{job}",
                key,
                task,
                "analytics",
                *times,
                "complete" if end else "",
                *parts,
                attempts,
                usual,
            )
        )
    return steps
