"""The version that readers saw at a time is that of a plain Python model."""

import pytest

from luigi_sinks.lineage import snapshot
from luigi_sinks.lineage.questions import heads
from luigi_sinks.recording.events import Dataset, Job, Publication, Unpublication, Write
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


@pytest.mark.parametrize("is_late", [False, True])
def test_after_a_withdrawal_without_another_version_there_is_no_head(told, ask, is_late):
    about = {"dataset": Dataset("file", f"/{told.name}/x"), "partition": "_all", "version": "v1"}
    write = Write(at=10, run=f"r.{told.name}", job=Job(told.name, "Load"), certainty="observed", **about)
    later = [Publication(at=30, epoch=3, **about)] * is_late
    told(*later, Unpublication(at=20, epoch=2, **about), Publication(at=11, epoch=1, **about), write)
    key, version = dataset_key(write.dataset), version_key(write)
    seen = {at: heads.head(ask, key, as_of=at) for at in (10, 15, 25, 35)}
    assert seen == {10: version, 15: version, 25: "", 35: version if is_late else ""}
    assert heads.present(ask, key) == ((version,) if is_late else ())
    assert (key in heads.updated(ask, 25)) is False
    assert heads.updated(ask, 15)[key] == 10
    found = {node.key: node for node in snapshot.network(ask, now=25).datasets}[key]
    assert [each.is_head for each in found.versions] == [False]
    assert heads.written(ask, key) == (version,)
