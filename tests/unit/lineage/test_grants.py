"""Each role may do what it is for, and nothing else."""

import pytest

from luigi_sinks.lineage import grants
from luigi_sinks.lineage.graph.schema import LABELS, SPOOL, TURN, TYPES

ALL = [*(f"NODES `{label}`" for label in (*LABELS, SPOOL, TURN)), *(f"RELATIONSHIPS `{kind}`" for kind in TYPES)]


@pytest.fixture(scope="module")
def rights():
    """The rights of each role, without its name."""
    found = {}
    for line in grants.text("neo4j").splitlines():
        right, _, role = line.rstrip(";").partition(" TO ")
        if role:
            found.setdefault(role.strip("`"), set()).add(right)
    return found


def test_there_is_a_role_to_write_one_to_ask_and_one_to_prune(rights):
    assert rights.keys() == {"luigi_sinks_lineage", "luigi_sinks_lineage_reader", "luigi_sinks_lineage_pruner"}


def test_who_writes_may_write_every_label_and_type_and_delete_nothing(rights):
    for what in ALL:
        assert {
            f"GRANT MATCH {{*}} ON GRAPH `neo4j` {what}",
            f"GRANT CREATE ON GRAPH `neo4j` {what}",
            f"GRANT SET PROPERTY {{*}} ON GRAPH `neo4j` {what}",
            f"DENY DELETE ON GRAPH `neo4j` {what}",
        } <= rights["luigi_sinks_lineage"]
    assert not any("GRANT DELETE" in right for right in rights["luigi_sinks_lineage"])


def test_who_asks_may_only_read(rights):
    assert {right.split(" ON ")[0] for right in rights["luigi_sinks_lineage_reader"]} == {
        "GRANT ACCESS",
        "GRANT MATCH {*}",
    }


def test_who_prunes_may_delete_all_but_the_lock_and_create_nothing(rights):
    deletes = {right for right in rights["luigi_sinks_lineage_pruner"] if "DELETE" in right}
    assert deletes == {f"GRANT DELETE ON GRAPH `neo4j` {what}" for what in ALL if TURN not in what}
    assert not any("CREATE" in right for right in rights["luigi_sinks_lineage_pruner"])


def test_every_label_is_prefixed():
    assert all(label.startswith("Lineage") for label in (*LABELS, SPOOL, TURN))
