"""A user's own Cypher, run with rows in batches, each exactly once."""

import secrets
from decimal import Decimal

import luigi
import pytest
from luigi.parameter import ParameterException

from luigi_sinks import BadRow, CheckFailed, Conflict, Unavailable
from luigi_sinks.neo4j import RunCypher, connection


@pytest.fixture
def label():
    """A label that no other test uses."""
    return f"Visit{secrets.token_hex(4)}"


@pytest.fixture
def visits(label):
    """Return a function that makes a task, which creates a node for each row."""

    def visits(given, cypher="UNWIND $rows AS row CREATE (:LABEL {id: row.id}); ", **attributes):
        class Visits(RunCypher):
            graph = label
            rows_at_once = 2

            def rows(self):
                return (each if isinstance(each, list) else {"id": each} for each in given)

        Visits.cypher = cypher.replace("LABEL", label) if isinstance(cypher, str) else cypher
        for name, value in attributes.items():
            setattr(Visits, name, value)
        return Visits()

    return visits


@pytest.fixture
def ids(cypher, label):
    """Return the ids of the nodes that were made."""
    return lambda: [id_ for (id_,) in cypher(f"MATCH (n:{label}) RETURN n.id ORDER BY n.id")]


def test_a_statement_runs_once_for_each_batch_and_the_task_is_complete(visits, ids):
    task = visits([1, 2, 3, 4, 5])
    assert not task.complete()
    assert luigi.build([task], local_scheduler=True, log_level="ERROR")
    assert task.complete()
    assert ids() == [1, 2, 3, 4, 5]
    task.run()
    assert ids() == [1, 2, 3, 4, 5]


def test_a_batch_whose_answer_was_lost_runs_once(visits, ids, monkeypatch):
    transact, lost = connection.transact, []

    def lose_each_first_answer(settings, work, *args, version):
        result = transact(settings, work, *args, version=version)
        if args[0] not in lost:
            lost.append(args[0])
            raise Unavailable("the answer was lost")
        return result

    monkeypatch.setattr(connection, "transact", lose_each_first_answer)
    visits([1, 2, 3]).run()
    assert (lost, ids()) == ([1, 2], [1, 2, 3])


def failing(ids, at):
    for each in ids:
        if each == at:
            raise ZeroDivisionError
        yield each


def test_after_an_error_a_run_goes_on_behind_the_last_batch(visits, ids):
    with pytest.raises(ZeroDivisionError):
        visits(failing([1, 2, 3, 4], at=4)).run()
    assert ids() == [1, 2]
    visits([1, 2, 3, 4]).run()
    assert ids() == [1, 2, 3, 4]


@pytest.mark.parametrize("others", [[1, 7, 3], [1], []])
def test_other_rows_than_those_of_the_attempt_before_are_refused(visits, ids, others):
    with pytest.raises(ZeroDivisionError):
        visits(failing([1, 2, 3], at=3)).run()
    with pytest.raises(Conflict, match=r"gave other rows up to row .* give the same rows in the same order"):
        visits(others).run()
    assert ids() == [1, 2]


def test_rows_that_the_statement_fails_for_are_named_and_may_be_corrected(visits, ids, label):
    with pytest.raises(CheckFailed, match=r"rows 3 to 4 were refused: .* correct cypher or the rows"):
        visits([1, 2, 3, 0], "UNWIND $rows AS row CREATE (:LABEL {id: 6 / row.id * row.id})").run()
    assert len(ids()) == 2
    visits([1, 2, 3, 4]).run()
    assert len(ids()) == 4


def test_other_parameters_are_given_by_name(visits, ids):
    statement = "UNWIND $rows AS row /* $none; */ WITH row WHERE '$none;' <> '' CREATE (:LABEL {id: row.id + $add})"
    visits([1, 2], statement, parameters={"add": 10}).run()
    assert ids() == [11, 12]


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"cypher": 3}, "cypher must be a text"),
        ({"cypher": "CREATE (:LABEL)"}, r"does not use \$rows; begin it with UNWIND"),
        ({"cypher": "UNWIND $rows AS row CREATE (:LABEL); MATCH (n) RETURN n"}, "more than one statement"),
        (
            {"cypher": "UNWIND $rows AS row CALL (row) { CREATE (:LABEL) } IN 2 CONCURRENT\nTRANSACTIONS"},
            "its own transactions.* remove them.* rows_at_once",
        ),
        ({"cypher": "UNWIND $rows AS row CREATE (:LABEL {a: $add})"}, r"names \$add; known are: none: add it"),
        ({"parameters": {"add": 1}}, "parameters has 'add', which cypher does not use; remove it"),
        ({"rows_at_once": 0}, "rows_at_once = 0 must be a number from 1 on"),
        ({"partition_by": ()}, "partition_by: remove it: the parameters of the task identify"),
        ({"graph": ""}, "graph '' is not a name"),
    ],
)
def test_a_task_that_cannot_work_is_refused_when_it_is_made(visits, attributes, reason):
    with pytest.raises(ParameterException, match=reason):
        visits([], **attributes)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ([3], "is a list; give a dict"),
        (Decimal(3), "field 'id': is a Decimal, which Neo4j has no type for"),
        (2**63, "field 'id': is an integer of more than 64 bits"),
        ({"a": {1, 2}}, "field 'id': is a set"),
        ("\ud800", "field 'id': has a lone surrogate"),
    ],
)
def test_a_value_that_neo4j_has_no_type_for_is_a_bad_row(visits, ids, row, reason):
    with pytest.raises(BadRow, match=f"row 2.*{reason}"):
        visits([1, row]).run()
    assert ids() == []
