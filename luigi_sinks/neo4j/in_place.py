"""The Luigi tasks that change a graph in place: what they did is recorded, and there are no versions of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import luigi
from luigi.parameter import ParameterException

from luigi_sinks import config, identity, marks, not_honoured
from luigi_sinks.errors import BadSetting, CheckFailed
from luigi_sinks.neo4j.marker import Marker
from luigi_sinks.neo4j.merge import Merge
from luigi_sinks.neo4j.names import check_dataset
from luigi_sinks.neo4j.progress import Progress
from luigi_sinks.neo4j.schema import Graph
from luigi_sinks.neo4j.settings import Neo4jSettings
from luigi_sinks.neo4j.shared import SharedGraph
from luigi_sinks.neo4j.target import parse_schema
from luigi_sinks.neo4j.user_cypher import Batches, Statement
from luigi_sinks.task import BulkComplete, fresh_rows, named_partition, setting
from luigi_sinks.task_events import watch
from luigi_sinks.version import new_version


class InPlaceTask(BulkComplete, luigi.Task):
    """Base of tasks that change a graph in place; a mark records that one is complete. Use a subclass.

    Creating a task raises luigi's ParameterException if its settings cannot work.
    """

    graph = setting("")
    """The name of the graph, under which it is recorded that the task is complete. Required."""

    connection = setting("")
    """The NAME of the section [luigi_sinks.neo4j.NAME] in luigi.cfg."""

    owner = setting("")
    """The team that the task belongs to."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]  # untyped in Luigi
        try:
            config.refuse_secrets()
            check_dataset(self.graph)
            self._check()
        except BadSetting as error:
            raise ParameterException(str(error)) from None

    def rows(self) -> Iterable[Any]:
        """Return the rows. Called once for each attempt; each call must return all rows."""
        raise NotImplementedError(f"define {type(self).__name__}.rows(); it returns the rows to write")

    def output(self) -> Marker:
        """Return the mark that the task is complete."""
        return Marker(self.graph, task=self, connection=self.connection, owner=self.owner)

    def run(self) -> None:
        """Write `rows()`, then record that the task is complete; do nothing if another process did so meanwhile."""
        if (folder := config.common().local) is not None:
            raise BadSetting(f"{self.task_family} needs a Neo4j server, and [luigi_sinks] local = {folder} uses none")
        marker = self.output()
        if not marker.exists():
            settings = config.read_connection(Neo4jSettings, marker.store, self.connection)
            rows = self._write(replace(settings, owner=marker.owner or settings.owner), marker)
            marks.touch(marker.marks(), marker.origin, rows=rows)

    @classmethod
    def _granted(cls, declared: Callable[[str], Any]) -> SharedGraph:
        """Return what such tasks need rights for; `declared` gives an attribute of the class."""
        settings = config.read_connection(Neo4jSettings, "neo4j", declared("connection"))
        owned = replace(settings, owner=declared("owner") or settings.owner)
        return SharedGraph(owned, config.common().dataset(declared("graph")), cls._declared_graph(declared))

    @classmethod
    def _declared_graph(cls, declared: Callable[[str], Any]) -> Graph | None:
        """Return what such tasks merge, None where that is not declared."""
        del declared
        return None

    def _check(self) -> None:
        """Raise BadSetting for settings that cannot work."""
        raise NotImplementedError

    def _write(self, settings: Neo4jSettings, marker: Marker) -> int:
        """Write the rows; return how many there are."""
        raise NotImplementedError


class MergeIntoGraph(InPlaceTask):
    """Merges `rows()` into a graph that other tasks write, too: by key, in place, with plain labels.

    **There are no versions, and readers can see a run half done.** If the graph is one
    task's alone, use `CopyToGraph`, which has versions.

    A row is a pair of a kind and a dict, as in `CopyToGraph`, in any order. A node is
    found by its key, or made; its other declared properties are set. A relationship is
    found by its type between its two nodes, or made; it may come before its nodes, which
    may also be another task's. Nodes keep their identity: element ids stay.

    Each task is a source: its family and partition. `rows()` returns all that the source
    has. What an earlier run of it gave and this one did not, is taken away, unless another
    source gave it too, or it was there before; a node stays while it has relationships.
    The property `_sources` of each node and relationship says who gave it.

    Subclasses set `graph`, `nodes` and `relationships`, and as in `luigi_sinks.CopyTask`:
    `partition_by` or `partition`, `connection` and `owner`. `may_be_empty = True` allows
    `rows()` to return nothing, by which all that the source has is taken away.

    `run()` raises BadRow for a row that breaks the declaration or a relationship without its
    nodes, CheckFailed for no rows, Conflict if another run of the source begins meanwhile,
    BadSetting if nodes of the graph share a key, and Unavailable. After an error run it again.

    Example:
        >>> from luigi_sinks.neo4j import Node, Relationship
        >>> class Airports(MergeIntoGraph):
        ...     graph = "airports"
        ...     nodes = (Node("Airport", key="faa", properties={"faa": str}),)
        ...     relationships = (Relationship("ROUTE", "Airport", "Airport"),)
        ...
        ...     def rows(self):
        ...         yield "Airport", {"faa": "JFK"}
        ...         yield "ROUTE", {"start": "JFK", "end": "LAX"}
        ...         yield "Airport", {"faa": "LAX"}
        >>> Airports().output()
        Marker(airports, update_id='Airports__99914b932b')

    """

    nodes = setting(())
    """The kinds of nodes, as in `CopyToGraph`. Required."""

    relationships = setting(())
    """The kinds of relationships, as in `CopyToGraph`."""

    partition_by = setting(None)
    """The names of the parameters that tell one source from another; () if all such tasks are one source."""

    may_be_empty = setting(False)
    """Whether `rows()` may return no rows."""

    def _check(self) -> None:
        not_honoured.refuse(self, MergeIntoGraph, "neo4j", identity.named(self.partition_by))
        parse_schema(self.graph, self.nodes, self.relationships)
        self._source()

    @classmethod
    def _declared_graph(cls, declared: Callable[[str], Any]) -> Graph:
        return parse_schema(declared("graph"), declared("nodes"), declared("relationships"))

    def _source(self) -> str:
        partition = identity.partition_of(self, self.partition_by, named_partition(self))
        return f"{self.task_family}/{partition}"

    def _write(self, settings: Neo4jSettings, marker: Marker) -> int:
        graph = parse_schema(self.graph, self.nodes, self.relationships)
        run = new_version(marker.dataset, "_all").id
        return Merge(settings, marker.dataset, graph, self._source(), run).rows(self._some_rows())

    def _some_rows(self) -> Iterable[Any]:
        count = 0
        for count, row in enumerate(fresh_rows(self), 1):  # noqa: B007 - counted for what follows
            yield row
        if not count and not self.may_be_empty:
            raise CheckFailed(
                f"{self.task_family}.rows() returned no rows, by which all that {self._source()} has in graph "
                f"{self.graph!r} would be taken away; look at the source, or set may_be_empty = True"
            )


class RunCypher(InPlaceTask):
    """Runs your Cypher with `rows()` in batches, each exactly once, in place.

    **There are no versions, and readers can see a run half done.**

    `cypher` is one statement that takes a batch of dicts as `$rows`. Each batch is a
    transaction, which also notes how far the run has come: a batch whose answer was lost is
    not run again, and after a crash or an error the task goes on behind the last batch that
    was committed. So each attempt must give the same rows in the same order.

    Subclasses set `graph`, a name under which it is recorded that the task is complete, and
    `cypher`. All else is optional: `parameters`, a dict of the statement's other parameters;
    `rows_at_once` (1000), the size of a batch; `connection` and `owner`.

    Creating a task raises ParameterException for more than one statement, for `CALL { } IN
    TRANSACTIONS`, and for parameters that the statement does not name, or lacks. `run()`
    raises BadRow for a value that Neo4j has no type for, CheckFailed for rows that the
    statement fails for, and Conflict for other rows than those of the attempt before.

    Example:
        >>> class Visits(RunCypher):
        ...     day = luigi.DateParameter()
        ...     graph = "visits"
        ...     cypher = "UNWIND $rows AS row MATCH (p:Person {id: row.id}) SET p.visits = coalesce(p.visits, 0) + 1"
        ...
        ...     def rows(self):
        ...         yield {"id": 1}
        >>> from datetime import date
        >>> Visits(day=date(2013, 1, 31)).output()
        Marker(visits, update_id='Visits_2013_01_31_44633fc0d7')

    """

    cypher = setting("")
    """One statement of Cypher that uses $rows. Required."""

    parameters = setting({})
    """The values of the statement's other parameters, by name."""

    rows_at_once = setting(1000)
    """How many rows one transaction takes."""

    def _check(self) -> None:
        not_honoured.refuse(self, RunCypher, "neo4j", ())
        if not isinstance(self.rows_at_once, int) or self.rows_at_once < 1:
            raise BadSetting(f"graph {self.graph!r}: rows_at_once = {self.rows_at_once!r} must be a number from 1 on")
        self._statement()

    def _statement(self) -> Statement:
        return Statement(self.graph, self.cypher, self.parameters)

    def _write(self, settings: Neo4jSettings, marker: Marker) -> int:
        progress = Progress(settings, marker.dataset, marker.origin.update_id, "once")
        return Batches(self._statement(), progress, self.rows_at_once).run(fresh_rows(self))


watch(MergeIntoGraph)
watch(RunCypher)
