import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from luigi_sinks import claim as claims
from luigi_sinks import process


@pytest.fixture
def mine():
    with claims.held("v1") as claim:
        yield claim


def test_a_claim_lives_while_its_block_runs():
    with claims.held("v1") as claim:
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


def test_a_process_that_reuses_the_pid_of_a_dead_one_does_not_hold_its_claim(mine):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        assert not replace(mine, pid=other.pid, started=process.started(other.pid) - 1).is_live("v1")
        other.communicate(b"\n")


def test_a_zombie_process_is_dead(mine):
    zombie = subprocess.Popen([sys.executable, "-c", "print()"], stdout=subprocess.PIPE)
    started = process.started(zombie.pid)
    zombie.stdout.read()
    while process.started(zombie.pid) is not None:
        pass
    assert not replace(mine, pid=zombie.pid, started=started or 0).is_live("v1")
    zombie.wait()


@pytest.mark.parametrize("change", [{"host": "elsewhere"}, {"boot": "an earlier one"}])
def test_a_claim_of_another_machine_is_live_until_its_term_ends(mine, change):
    theirs = replace(mine, **change)
    assert theirs.is_live("v1")
    assert not replace(theirs, until=datetime.now(UTC) - timedelta(seconds=1)).is_live("v1")


def test_a_renewed_claim_ends_later(mine):
    assert mine.renewed().until > mine.until


def test_a_claim_ends_after_the_lease_that_it_was_given_or_renewed_for():
    start = datetime.now(UTC)
    with claims.held("v1", lease=7) as claim:
        for until, lease in ((claim.until, 7), (claim.renewed(90).until, 90)):
            assert timedelta(seconds=lease) <= until - start < timedelta(seconds=lease + 5)


def test_a_claim_as_text_names_its_holder(mine):
    assert str(mine) == f"pid {mine.pid} on {mine.host}"


def test_a_claim_of_a_hidden_process_is_live_until_its_term_ends(mine, monkeypatch):
    def hidden(pid):
        raise PermissionError

    monkeypatch.setattr(claims, "started", hidden)
    theirs = replace(mine, pid=1)
    assert theirs.is_live("v1")
    assert not replace(theirs, until=datetime.now(UTC) - timedelta(seconds=1)).is_live("v1")


def test_a_claim_that_is_not_renewed_ends_even_if_its_process_runs(mine):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        claim = replace(mine, pid=other.pid, started=process.started(other.pid))
        assert not replace(claim, until=datetime.now(UTC) - timedelta(seconds=1)).is_live("v1")
        other.communicate(b"\n")


def test_a_claim_is_renewed_while_a_load_runs_even_after_a_failed_renewal(mine, caplog):
    renewed, enough = [], threading.Event()

    def renew(claim):
        renewed.append(claim.until)
        if len(renewed) == 1:
            raise OSError("no answer")
        enough.set()

    with claims.renewing(mine, renew, lease=0.03):
        assert enough.wait(10)
    count = len(renewed)
    assert renewed == sorted(renewed)
    assert "cannot renew a claim, will retry: no answer" in caplog.text
    time.sleep(0.1)
    assert len(renewed) == count
