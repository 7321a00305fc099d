"""The format in which registries store records."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from luigi_sinks import stored
from luigi_sinks.checks import CheckResult
from luigi_sinks.errors import SinkError
from luigi_sinks.record import Publication, Withdrawal
from luigi_sinks.testing.transitions import STATES, example
from luigi_sinks.version import State

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)

FORMAT_1 = """{"version": {"dataset": "d", "partition": "201301", "id": "v20260102t030405_aaaaaa"}, "seq": 3,
"state": "published", "origin": {"update_id": "Load_1", "rerun": "", "partition_by": ["month"], "family": "Load",
"owner": "tests", "period": "", "params": {"month": "2013-01"}}, "lease": {"host": "h", "boot": "b", "pid": 7,
"started": 9, "until": "2026-01-02T03:19:05Z"}, "staged_at": "2026-01-02T03:04:05Z", "rows": 4,
"published_at": "2026-01-02T03:05:05Z"}"""


@pytest.mark.parametrize("state", STATES)
def test_a_record_is_read_as_it_was_written(state):
    record, _ = example(state)
    full = replace(
        record,
        set_aside=2,
        schema={"columns": {"id": "INTEGER"}},
        checks=(CheckResult("not_empty", passed=True),),
        principal="loader",
        base="v1",
        publications=(Publication(1, NOON, "loader", "why"), Publication(5, NOON)),
        withdrawn=Withdrawal(NOON, "me", "wrong"),
        pinned=True,
    )
    assert stored.decode(stored.encode(full), 9) == replace(full, seq=9)


def test_a_record_says_which_format_it_has():
    assert json.loads(stored.encode(example(State.STAGED)[0]))["format"] == stored.FORMAT == 2


def test_a_record_of_format_1_is_read_with_its_claim_and_its_publication():
    record = stored.decode(FORMAT_1, 3)
    assert (record.state, record.rows, record.seq) == (State.PUBLISHED, 4, 3)
    assert (record.claim.host, record.claim.pid) == ("h", 7)
    assert record.publications == (Publication(0, datetime(2026, 1, 2, 3, 5, 5, tzinfo=UTC)),)
    assert record.origin.partition_by == ("month",)
    assert record.is_complete


def test_a_staged_record_of_format_1_that_was_counted_is_sealed():
    body = {**json.loads(FORMAT_1), "state": "staged", "published_at": None}
    assert stored.from_json(body, 1).state is State.SEALED
    assert stored.from_json({**body, "rows": None}, 1).state is State.STAGED


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"format": 3}', "has format 3, and this luigi_sinks knows formats up to 2; install a newer"),
        ('{"format": 2}', "record 8 of the registry cannot be read .*; it was edited by hand"),
        ("{}", "record 8 of the registry cannot be read"),
        ('{"format": "x"}', "has format x"),
        ('["not", "a", "record"]', "record 8 of the registry cannot be read"),
        ("junk", "record 8 of the registry is not JSON"),
    ],
)
def test_what_no_release_wrote_is_refused_by_its_number(text, said):
    with pytest.raises(SinkError, match=said):
        stored.decode(text, 8)
