"""What a user names is found by its key, or by the end of its name."""

import pytest

from luigi_sinks import BadSetting
from luigi_sinks.lineage import lookup
from tests.lineage_model import dataset_key, job_key


def test_names_are_found_by_their_end_and_runs_by_their_start(ask, history, model):
    made = next(made for made in history.made if not made.is_plain)
    version, write = next((key, write) for key, write in model.writes.items() if write.version.startswith("v"))
    assert lookup.dataset(ask, f"{history.name}.{made.name.lower()}") == dataset_key(made.dataset)
    assert lookup.node(ask, job_key(made.job)) == job_key(made.job)
    assert lookup.run(ask, write.run[:13]) == write.run
    assert lookup.version(ask, write.version) == version


def test_an_unknown_name_is_an_error_that_names_a_similar_one(ask, history):
    with pytest.raises(BadSetting, match=r"there is no dataset .*; did you mean"):
        lookup.dataset(ask, f"{history.name}.team0job00")
