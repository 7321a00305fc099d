import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from luigi_sinks import lease, process


@pytest.fixture
def mine():
    with lease.held("v1") as claim:
        yield claim


def test_a_claim_lives_while_its_block_runs():
    with lease.held("v1") as claim:
        assert claim.is_live("v1")
    assert not claim.is_live("v1")


def test_a_claim_on_another_version_of_this_process_is_dead(mine):
    assert not mine.is_live("v2")


def test_a_claim_of_a_running_process_lives_and_dies_with_it(mine):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        claim = replace(mine, pid=other.pid, started=process.started(other.pid))
        assert claim.is_live("v1")
        other.communicate(b"\n")
    assert not claim.is_live("v1")


def test_a_process_that_got_the_pid_of_a_dead_one_is_not_taken_for_it(mine):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        assert not replace(mine, pid=other.pid, started=process.started(other.pid) - 1).is_live("v1")
        other.communicate(b"\n")


def test_a_process_that_ended_and_was_not_waited_for_is_dead(mine):
    zombie = subprocess.Popen([sys.executable, "-c", "print()"], stdout=subprocess.PIPE)
    started = process.started(zombie.pid)
    zombie.stdout.read()
    while process.started(zombie.pid) is not None:
        pass
    assert not replace(mine, pid=zombie.pid, started=started or 0).is_live("v1")
    zombie.wait()


@pytest.mark.parametrize("change", [{"host": "elsewhere"}, {"boot": "an earlier one"}])
def test_another_machine_is_believed_until_its_term_ends(mine, change):
    theirs = replace(mine, **change)
    assert theirs.is_live("v1")
    assert not replace(theirs, until=datetime.now(UTC) - timedelta(seconds=1)).is_live("v1")


def test_a_renewed_claim_ends_later(mine):
    assert mine.renewed().until > mine.until


def test_an_error_can_name_the_holder(mine):
    assert str(mine) == f"pid {mine.pid} on {mine.host}"
