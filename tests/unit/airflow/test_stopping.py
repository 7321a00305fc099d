"""SIGTERM ends a load, after what Airflow does of itself."""

import os
import signal
import threading

import pytest

from luigi_sinks.airflow.stopping import stopping


@pytest.fixture
def killed():
    """Handle SIGTERM as Airflow does, and count how often it was."""
    found = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: found.append(number))
    yield found
    signal.signal(signal.SIGTERM, before)


def terminate():
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_signal_is_handled_as_before_and_then_ends_the_block(killed):
    with pytest.raises(SystemExit, match="told to end"), stopping():
        terminate()
    assert killed == [signal.SIGTERM]


def test_a_second_signal_does_not_interrupt_what_abandons_the_load(killed):
    def block():
        with stopping():
            try:
                terminate()
            finally:
                terminate()
                killed.append("abandoned")

    with pytest.raises(SystemExit):
        block()
    assert killed == [signal.SIGTERM, signal.SIGTERM, "abandoned"]


def test_the_handler_of_before_is_there_again_after_the_block(killed):
    with stopping():
        pass
    terminate()
    assert killed == [signal.SIGTERM]


def test_in_another_thread_it_does_nothing(killed):
    handlers = []

    def run():
        with stopping():
            handlers.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert handlers == [before]
