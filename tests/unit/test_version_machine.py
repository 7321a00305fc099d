"""Any order of loads, crashes and verbs leaves a local dataset as a small model says."""

from functools import partial
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from luigi_sinks.contract import Contract
from luigi_sinks.sqlite import SQLiteSink
from tests.items import Items
from tests.unit.test_sqlite import COLUMNS, SHAPE, with_columns
from tests.version_machine import VersionMachine

MANY = settings(max_examples=40, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck))


def test_any_order_of_loads_crashes_and_verbs_leaves_what_the_model_says(tmp_path: Path) -> None:
    def open_sink(dataset: str) -> SQLiteSink:
        return SQLiteSink(tmp_path, "memory", dataset, Contract(dataset, {"": SHAPE}), COLUMNS)

    run_state_machine_as_test(partial(VersionMachine, Items(open_sink, with_columns)), settings=MANY)
