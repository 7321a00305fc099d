"""Which leases are revoked at the end of a task, and by whom if the task is killed."""

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time

import luigi
import pytest

from luigi_sinks import task_events
from luigi_sinks.credentials import journal
from luigi_sinks.errors import BadSetting, CredentialError
from luigi_sinks.running import Running


def reveal(token):
    return token.reveal()


FIRST, SECOND = Running("First__1", "First"), Running("Second__2", "Second")


def noted():
    return sorted(leased.lease for leased in journal.entries())


def test_a_tasks_tokens_are_dropped_and_its_leases_revoked_at_its_end(provider_of, leasing):
    provider = provider_of(leasing)
    provider.begin(FIRST)
    provider.use("db", reveal)
    provider.use("db", reveal, host="another")
    assert noted() == ["lease-1", "lease-2"]
    provider.end("First__1")
    assert sorted(leasing.revoked) == ["lease-1", "lease-2"]
    assert noted() == []
    assert provider.use("db", reveal) == "secret-3"


def test_a_token_fetched_before_a_task_belongs_to_it(provider_of, leasing):
    provider = provider_of(leasing)
    provider.use("db", reveal)  # as by `complete()`
    provider.begin(FIRST)
    assert provider.use("db", reveal) == "secret-1"
    assert [leased.task_id for leased in journal.entries()] == ["First__1"]
    provider.end("First__1")
    assert (leasing.revoked, noted()) == (["lease-1"], [])
    assert provider.use("db", reveal) == "secret-2"


def test_a_token_of_a_task_is_not_taken_over_by_the_next(provider_of, leasing, together):
    provider = provider_of(leasing)
    provider.begin(FIRST)
    provider.use("db", reveal)
    together(1, lambda: provider.begin(SECOND))
    assert [leased.task_id for leased in journal.entries()] == ["First__1"]


def test_the_leases_of_a_task_that_waits_for_another_are_revoked(provider_of, leasing):
    provider = provider_of(leasing)
    provider.begin(FIRST)
    provider.use("db", reveal)
    provider.begin(SECOND)
    assert leasing.revoked == ["lease-1"]


def test_a_lease_is_renewed_while_possible_and_then_replaced(provider_of, leasing, clock):
    provider = provider_of(leasing)
    provider.use("db", reveal)
    clock.now += 75
    assert provider.use("db", reveal) == "secret-1"
    assert leasing.renewed == ["lease-1"]
    leasing.renewable = False
    clock.now += 75
    assert provider.use("db", reveal) == "secret-2"
    assert leasing.revoked == [], "open connections may live by the old one"
    provider.close()
    assert leasing.revoked == ["lease-1", "lease-2"]


def test_a_lease_that_could_not_be_revoked_stays_in_the_journal(provider_of, leasing, caplog):
    provider = provider_of(leasing)
    provider.begin(FIRST)
    provider.use("db", reveal)
    leasing.failing = True
    provider.end("First__1")
    assert noted() == ["lease-1"]
    assert "the issuer is down; the lease expires by itself" in caplog.text


def test_the_journal_is_private_and_contains_no_secret(provider_of, leasing, leases):
    provider_of(leasing).use("db", reveal)
    (path,) = leases.iterdir()
    assert (leases.stat().st_mode & 0o777, path.stat().st_mode & 0o777) == (0o700, 0o600)
    assert b"secret-1" not in path.read_bytes()


def test_a_journal_that_others_can_write_is_refused(provider_of, leasing, leases):
    leases.mkdir()
    leases.chmod(0o770)
    with pytest.raises(BadSetting, match=rf"{leases} must be .* mode 0700"):
        provider_of(leasing).use("db", reveal)


def leave_a_lease(provider, task):
    """Take a lease, then hang: the main function of the child."""
    provider.begin(task)
    provider.use("db", reveal)
    time.sleep(60)


@pytest.fixture
def child(provider_of, leasing):
    """Return a forked child that holds a lease."""
    process = multiprocessing.get_context("fork").Process(target=leave_a_lease, args=(provider_of(leasing), FIRST))
    process.start()
    while not noted():
        time.sleep(0.005)
    yield process
    process.kill()
    process.join()


def test_the_parent_revokes_the_leases_of_a_killed_child(provider_of, leasing, child):
    provider = provider_of(leasing)
    os.kill(child.pid, signal.SIGKILL)
    provider.reap("Another__3")
    assert leasing.revoked == []
    provider.reap("First__1")
    assert (leasing.revoked, noted()) == (["lease-1"], [])


def test_a_lease_of_another_machine_is_not_a_childs(provider_of, leasing, monkeypatch):
    stranger = subprocess.Popen(["sleep", "60"])
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(socket, "gethostname", lambda: "another")
        elsewhere.setattr(os, "getpid", lambda: stranger.pid)
        elsewhere.setattr(os, "getppid", lambda me=os.getpid(): me)
        journal.add("lease-9", "db", "First__1")
    provider_of(leasing).reap("First__1")
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()
    assert leasing.revoked == []


def test_a_lease_that_cannot_be_recorded_is_revoked(provider_of, leasing, monkeypatch):
    def full(*args):
        raise OSError("no room")

    with monkeypatch.context() as context:
        context.setattr(journal, "add", full)
        with pytest.raises(CredentialError, match=r"written to the journal \(no room\), so it was revoked"):
            provider_of(leasing).use("db", reveal)
    assert leasing.revoked == ["lease-1"]


def test_the_parent_kills_a_hanging_child_before_it_revokes_its_leases(provider_of, leasing, child, monkeypatch):
    monkeypatch.setattr("luigi_sinks.credentials.provider._GRACE", 1.0)
    provider_of(leasing).reap("First__1")
    child.join(5)
    assert (child.exitcode, leasing.revoked) == (-signal.SIGKILL, ["lease-1"])


def test_the_next_start_revokes_only_the_leases_of_killed_processes(provider_of, leasing, child):
    leasing.fetched.append("the child's")
    alive = provider_of(leasing)
    alive.use("db", reveal)
    assert leasing.revoked == [], "the child lives"
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    alive.forget()
    alive.use("other", reveal)
    assert leasing.revoked == [], "it was the lease of another credential"
    alive.use("db", reveal)
    assert leasing.revoked == ["lease-1"]


@pytest.fixture
def watched(monkeypatch, provider_of, leasing):
    """Return a watched task class that leases a token, and fails on request."""
    provider = provider_of(leasing)
    monkeypatch.setattr(task_events, "PROVIDER", provider)

    class Leases(luigi.Task):
        fails = luigi.BoolParameter(default=False)

        def complete(self):
            return False

        def run(self):
            provider.use("db", reveal)
            if self.fails:
                raise ValueError("no")

    task_events.watch(Leases)
    return Leases


@pytest.mark.parametrize("fails", [False, True])
def test_a_tasks_leases_are_revoked_even_if_it_fails(watched, leasing, fails):
    luigi.build([watched(fails=fails)], local_scheduler=True)
    assert (leasing.revoked, noted()) == (["lease-1"], [])


def handling(kind):
    """Return the modules whose handlers tasks of this class have."""
    by_event = luigi.Task._event_callbacks.get(kind, {})
    return {handler.__module__ for handlers in by_event.values() for handler in handlers}


def test_tasks_that_are_not_watched_have_no_handlers(watched):
    assert "luigi_sinks.task_events" in handling(watched)
    assert "luigi_sinks.task_events" not in handling(luigi.Task)


def test_a_subclass_of_a_watched_class_is_watched_once(watched, leasing):
    class Derived(watched):
        pass

    task_events.watch(Derived)
    task_events.watch(watched)
    assert Derived not in luigi.Task._event_callbacks
    luigi.build([Derived()], local_scheduler=True)
    assert leasing.revoked == ["lease-1"]


SPAWNED = """
import multiprocessing, os, sys
from luigi_sinks.credentials import journal, use

def reveal(token):
    return token.reveal()

if __name__ == "__main__":
    used = use("db", reveal)
    with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
        assert pool.apply(use, ("db", reveal)) == used == "by name"
        leased = pool.apply(journal.add, ("lease", "db", "Task__1"))
        assert (leased.parent, leased.pid != os.getpid(), leased.is_held) == (os.getpid(), True, True)
    assert [not each.is_held for each in journal.entries()] == [True]
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_another_process_fetches_its_own_token_and_records_its_own_leases(tmp_path, method):
    (tmp_path / "secret").write_text("by name")
    (tmp_path / "luigi.cfg").write_text(
        f"[luigi_sinks.credential.db]\nsource = file\npath = {tmp_path}/secret\n"
        f"[luigi_sinks.leases]\nfolder = {tmp_path}/leases\n"
    )
    (tmp_path / "program.py").write_text(SPAWNED)
    environment = {**os.environ, "LUIGI_CONFIG_PATH": str(tmp_path / "luigi.cfg")}
    subprocess.run([sys.executable, tmp_path / "program.py", method], env=environment, check=True, timeout=60)


@pytest.mark.parametrize("kind", ["a FIFO", "a folder", "a symbolic link"])
def test_an_entry_of_the_journal_that_is_no_regular_file_is_refused(provider_of, leasing, tmp_path, kind):
    provider_of(leasing).use("db", reveal)
    (entry,) = journal._folder().glob("*.json")
    entry.unlink()
    make = {"a FIFO": os.mkfifo, "a folder": os.mkdir, "a symbolic link": lambda path: path.symlink_to(tmp_path / "x")}
    make[kind](entry)
    with pytest.raises(BadSetting, match=f"the journal of leases cannot be read: .* is {kind}"):
        noted()


def test_a_journal_whose_folder_is_a_file_is_refused(luigi_cfg, tmp_path):
    (tmp_path / "file").touch()
    luigi_cfg(f"[luigi_sinks.leases]\nfolder = {tmp_path}/file\n")
    with pytest.raises(BadSetting, match="must be a folder with mode 0700"):
        noted()
