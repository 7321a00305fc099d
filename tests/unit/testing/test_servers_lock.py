import logging
import threading
import time

import pytest

from luigi_sinks.testing.servers.lock import locked


def test_a_second_holder_waits_for_the_first_and_says_so(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    order = []

    def second():
        with locked(tmp_path / "lock"):
            order.append("second")

    waiting = threading.Thread(target=second)
    with locked(tmp_path / "lock"):
        waiting.start()
        time.sleep(0.2)
        order.append("first")
    waiting.join(5)
    assert order == ["first", "second"]
    assert "waiting for another command" in caplog.text


def test_whoever_waited_for_a_removed_lock_locks_the_new_one(tmp_path):
    path = tmp_path / "folder" / "lock"
    held = threading.Event()
    release = threading.Event()

    def second():
        with locked(path):
            held.set()
            release.wait(5)

    waiting = threading.Thread(target=second)
    with locked(path):
        waiting.start()
        time.sleep(0.2)
        path.unlink()
        path.parent.rmdir()
    assert held.wait(5)
    assert path.exists()
    release.set()
    waiting.join(5)


def test_the_lock_is_free_again_after_an_error(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path / "lock"):
        {}.pop("what is not there")
    with locked(tmp_path / "lock"):
        assert (tmp_path / "lock").exists()
