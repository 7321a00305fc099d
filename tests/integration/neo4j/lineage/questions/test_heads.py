"""The version that readers saw at a time is that of a plain Python model."""

import pytest

from luigi_sinks.lineage.questions import heads
from tests.lineage_history import DAY
from tests.lineage_model import dataset_key, version_key


@pytest.mark.parametrize("day", [0, 3, 7.5, 20])
def test_the_head_as_of_a_time_is_the_version_that_readers_saw_then(ask, history, model, day):
    as_of = round(history.epoch + day * DAY)
    for made in history.made:
        key = dataset_key(made.dataset)
        assert heads.head(ask, key, as_of=as_of) == model.newest_head(key, as_of)
        if made.is_whole and not made.is_plain:
            assert heads.head(ask, key, as_of=as_of, partition="_all") == model.head(key, "_all", as_of)[0]


def test_a_rollback_is_a_head_from_then_on(ask, history, model):
    back = [event for event in history.events if getattr(event, "is_rollback", False)]
    assert back
    for event in back:
        assert heads.head(ask, dataset_key(event.dataset), as_of=event.at) == version_key(event)
        assert heads.head(ask, dataset_key(event.dataset), as_of=event.at - 1) != version_key(event)
