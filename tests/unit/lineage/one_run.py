"""Events of one run, and what is sent of them to OpenLineage."""

import json

from openlineage.client.serde import Serde

from luigi_sinks.lineage.openlineage import to_openlineage
from luigi_sinks.recording.clock import SECOND
from luigi_sinks.recording.events import Certainty, Dataset, End, Ended, Job, Read, Start, Task, Write

RUN = "019c3f5e-7a1b-7c2d-8e3f-4a5b6c7d8e9f"
JOB = Job("luigi", "Flights")
TASK = Task(JOB, "Flights_2013_01_1d3f")
COMMIT = "5d41402abc4b2a76b9719d911017c592ae1f0a3c"
BEGAN = 1_764_270_000 * SECOND
TABLE = Dataset("mysql://db.internal:3306", "flights.departures")
FILE = Dataset("file", "/data/2013-01.csv")


def start(**facts):
    """Return the start of the run."""
    return Start(at=BEGAN, run=RUN, task=TASK, **facts)


def end(outcome=Ended.COMPLETE, **facts):
    """Return the end of the run."""
    return End(at=BEGAN + 9 * SECOND, run=RUN, outcome=outcome, **facts)


def read(dataset=FILE, certainty=Certainty.DECLARED, **facts):
    """Return what the run read."""
    return Read(at=BEGAN + SECOND, run=RUN, job=JOB, dataset=dataset, certainty=certainty, **facts)


def write(dataset=TABLE, certainty=Certainty.OBSERVED, **facts):
    """Return what the run wrote."""
    return Write(at=BEGAN + 8 * SECOND, run=RUN, job=JOB, dataset=dataset, certainty=certainty, **facts)


def sent(*events):
    """Return what is sent of these events, as JSON says it."""
    return [json.loads(Serde.to_json(event)) for event in to_openlineage(events)]


def last(*events):
    """Return the last of what is sent of these events."""
    return sent(*events)[-1]


def facet(found, name):
    """Return the fields of a facet, without those of every facet."""
    return {key: value for key, value in found["facets"][name].items() if not key.startswith("_")}
