"""A try of a task instance has an identity, and a team."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from luigi_sinks.airflow.identity import TaskRun, owner_of


def task(owner="airflow", access_control=None):
    return SimpleNamespace(owner=owner, dag=SimpleNamespace(access_control=access_control))


def context(*, owner="flight_ops", map_index=-1, try_number=1, **others):
    instance = SimpleNamespace(
        dag_id="flights",
        task_id="load",
        run_id="manual__1",
        map_index=map_index,
        try_number=try_number,
        task=task(owner),
    )
    return {"ti": instance, **others}


def test_the_tries_of_a_task_instance_have_one_id_and_those_of_others_another_one():
    first, second = (TaskRun.of(context(map_index=3, try_number=number)) for number in (1, 2))
    assert first.id == second.id == "flights.load manual__1 3"
    assert TaskRun.of(context(map_index=4)).id != first.id
    assert TaskRun.of(context(map_index=None)).id == TaskRun.of(context()).id == "flights.load manual__1"


def test_a_try_after_the_first_is_a_retry():
    assert not TaskRun.of(context()).is_retry
    assert TaskRun.of(context(try_number=2)).is_retry


def test_the_origin_of_a_load_names_dag_task_run_try_and_date():
    origin = TaskRun.of(context(logical_date=datetime(2013, 1, 31, tzinfo=UTC), try_number=2)).origin("ops")
    assert (origin.family, origin.update_id, origin.owner) == ("flights.load", "flights.load manual__1", "ops")
    assert origin.period == "2013-01-31T00:00:00+00:00"
    assert origin.params == {
        "dag_id": "flights",
        "task_id": "load",
        "run_id": "manual__1",
        "try_number": "2",
        "logical_date": "2013-01-31T00:00:00+00:00",
    }


def test_a_dag_run_without_a_date_has_no_period():
    assert TaskRun.of(context(logical_date=None)).origin("").period == ""


@pytest.mark.parametrize(
    ("owner", "access", "team"),
    [
        ("flight_ops", {"weather": {"can_edit"}}, "flight_ops"),
        ("airflow", {"weather": {"can_edit", "can_read"}, "all": {"can_read"}}, "weather"),
        ("airflow", {"weather": {"DAGs": {"can_edit"}}}, "weather"),
        ("airflow", {"weather": {"can_edit"}, "flight_ops": {"can_edit"}}, ""),
        ("airflow", None, ""),
        ("", None, ""),
    ],
)
def test_the_team_of_a_task_is_its_owner_or_the_only_role_that_may_edit_the_dag(owner, access, team):
    assert owner_of(task(owner, access)) == team
