"""Any order of loads, crashes and verbs leaves a dataset on each real store as a small model says."""

import os
from functools import partial

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.items import ITEMS
from tests.version_machine import StoreMachine

EXAMPLES = int(os.environ.get("LUIGI_SINKS_EXAMPLES", "2"))
FEW = settings(
    max_examples=EXAMPLES, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck), database=None
)


@pytest.mark.parametrize("store", ITEMS)
@pytest.mark.timeout(3_600)
def test_any_order_of_loads_crashes_and_verbs_leaves_what_the_model_says(store):
    run_state_machine_as_test(partial(StoreMachine, ITEMS[store]), settings=FEW)
