"""Adopts nodes and relationships with plain labels: a copy of them becomes a version.

The plain ones stay as they are, for readers that name the plain labels. What is written
to them later is no part of the version.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from luigi_sinks.comparison import compared
from luigi_sinks.errors import BadSetting, did_you_mean
from luigi_sinks.neo4j import connection, cypher, reader
from luigi_sinks.neo4j.schema import NodeKind
from luigi_sinks.neo4j.sink import Neo4jSink
from luigi_sinks.version import Version

_ROW = re.compile(r"\A\[\d+\]")
"""The number of a row, in the place that msgspec names."""


@dataclass(frozen=True)
class ExistingNodes:
    """The nodes and relationships with the plain labels and types of a graph; `sink` is the one that tasks load by."""

    sink: Neo4jSink

    def refuse(self) -> None:
        """Raise BadSetting for a label without nodes, a property that is not declared, and a graph that was adopted."""
        for name, kind in self.sink.graph.kinds.items():
            found = [row["name"] for row in connection.slowly(self.sink.settings)(cypher.names_of_plain(kind))]
            if not found and isinstance(kind, NodeKind):
                raise BadSetting(f"graph {self.sink.dataset!r}: no node has the label {name!r}; correct it")
            declared = [each.name for each in kind.properties]
            for unknown in sorted({each for each in found if each} - set(declared)):
                raise BadSetting(
                    f"graph {self.sink.dataset!r}: {name} has a property {unknown!r}, which is not declared; declare "
                    f"it: {did_you_mean(unknown, declared)}"
                )
        heads = (head.version for head in self.sink.heads().values())
        if any(not self.equals(version) for version in heads if version):
            raise BadSetting(f"graph {self.sink.dataset!r} has versions already, and there is nothing to adopt")

    def lost(self) -> Sequence[str]:
        """Return nothing: its versions have all of it."""
        return ()

    def copy(self, writer: Any) -> None:
        """Write all rows to a load, nodes first."""
        writer.write_all(self._rows())

    def equals(self, version: Version) -> bool:
        """Tell whether a version has the same nodes and relationships, with the same properties."""
        kinds = self.sink.graph.kinds
        keys = {name: (kind.key.name,) for name, kind in kinds.items() if isinstance(kind, NodeKind)}
        return compared(self._rows(), reader.read(self.sink.settings, version, kinds), keys, examples=0).is_empty

    def give_way(self, version: Version) -> str:
        """Return what is kept: the head names the version already."""
        labels = ", ".join(repr(label) for label in self.sink.graph.node_kinds)
        return f"the nodes with the plain labels {labels} stay; readers of {version.dataset!r} ask the head"

    def _rows(self) -> Iterator[tuple[str, Any]]:
        """Yield the rows as a task would give them. Raises BadSetting for a value of another type than declared."""
        for name, kind in self.sink.graph.kinds.items():
            shape = kind.shape
            for batch in connection.stream(self.sink.settings, cypher.read_plain(kind)):
                try:
                    rows = msgspec.convert(batch, shape.rows_type, builtin_types=(bytes,))
                except msgspec.ValidationError as error:
                    wrong, _, place = str(error).partition(" - at `$")
                    field = shape.field_at(_ROW.sub("", place.rstrip("`")))
                    raise BadSetting(
                        f"graph {self.sink.dataset!r}: {field!r} of a {name} is not as it is declared: {wrong}; see "
                        f"`luigi-sinks declare neo4j:{name}`"
                    ) from None
                for row in rows:
                    yield name, shape.as_given(row)
