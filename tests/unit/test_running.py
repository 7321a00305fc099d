import threading
from contextvars import copy_context

from luigi_sinks import running
from luigi_sinks.running import Running

FLIGHTS, WEATHER = Running("Flights__1", "Flights", "ops"), Running("Weather__1", "Weather", "met")


def in_a_thread(act):
    found = []
    thread = threading.Thread(target=lambda: found.append(act()))
    thread.start()
    thread.join()
    return found[0]


def alone(act):
    """Run each test as in a thread without a running task."""
    return copy_context().run(act)


def test_between_tasks_nothing_runs():
    assert alone(running.current).task_id == ""


def test_two_graphs_in_two_threads_each_know_their_own_task():
    both = threading.Barrier(2)
    seen = {}

    def run(task):
        running.become(task)
        both.wait(10)
        seen[task.family] = running.current()
        both.wait(10)
        running.become(Running())

    threads = [threading.Thread(target=run, args=(task,)) for task in (FLIGHTS, WEATHER)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {"Flights": FLIGHTS, "Weather": WEATHER}


def test_a_thread_that_a_task_started_itself_belongs_to_the_task_that_runs_alone():
    def test():
        running.become(FLIGHTS)
        try:
            return in_a_thread(running.current), in_a_thread(running.here).task_id
        finally:
            running.become(Running())

    assert alone(test) == (FLIGHTS, "")


def test_a_task_that_ended_is_known_no_more():
    def test():
        running.become(FLIGHTS)
        running.become(Running())
        return running.current().task_id, in_a_thread(running.current).task_id

    assert alone(test) == ("", "")
