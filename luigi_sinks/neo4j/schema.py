"""The graph of a dataset, declared as data: nodes with keys, and relationships between them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, TypeVar

import msgspec

from luigi_sinks.columns import Column, Columns
from luigi_sinks.contract import Contract, Shape, TupleShape, WrongRow
from luigi_sinks.errors import BadSetting, did_you_mean
from luigi_sinks.neo4j.names import check_distinct, check_label, check_name
from luigi_sinks.neo4j.types import Property, from_text, parse, parse_key

START, END = "start", "end"

MissingEnds = Literal["refuse", "set_aside"]
"""What to do with a relationship whose start or end node is not in the version."""


@dataclass(frozen=True)
class Node:
    """Nodes with one label, and a key that is unique within a version.

    `properties` maps names to types, the key's among them. A type is int, float, str,
    bool, bytes, date, datetime, time, a list of one of these (but bytes), or one of
    them `| None`; `Annotated[str, Meta(max_length=3)]` adds bounds. A datetime or time
    has no time zone unless it is declared with `Meta(tz=True)`.

    Example:
        >>> Node("Airport", key="faa", properties={"faa": str, "lat": float | None}).kind
        'Airport'

    """

    label: str
    key: str
    properties: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """The name that rows use."""
        return self.label


@dataclass(frozen=True)
class Relationship:
    """Relationships of one type, from nodes of label `start` to nodes of label `end`.

    Rows name it by its type, or by `name` where several have the same type, and name
    the two nodes by their keys.

    Example:
        >>> Relationship("ROUTE", "Airport", "Airport", properties={"flights": int}, name="FLIES").kind
        'FLIES'

    """

    type: str
    start: str
    end: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""

    @property
    def kind(self) -> str:
        """The name that rows use."""
        return self.name or self.type


@dataclass(frozen=True)
class NodeKind:
    """A checked declaration of nodes."""

    label: str
    key: Property
    properties: tuple[Property, ...]

    @property
    def shape(self) -> TupleShape:
        """The form of a row."""
        return TupleShape(tuple(each.field for each in self.properties), (self.key.name,))


@dataclass(frozen=True)
class RelationshipKind:
    """A checked declaration of relationships."""

    type: str
    start: NodeKind
    end: NodeKind
    properties: tuple[Property, ...]

    @property
    def ends(self) -> tuple[Property, Property]:
        """The keys of both ends, as fields of a row."""
        return _renamed(self.start.key, START), _renamed(self.end.key, END)

    @property
    def shape(self) -> TupleShape:
        """The form of a row: start, end, properties."""
        return TupleShape(tuple(each.field for each in (*self.ends, *self.properties)))


Kind = NodeKind | RelationshipKind
Declared = TypeVar("Declared", Node, Relationship)


@dataclass(frozen=True)
class Graph:
    """All kinds of rows of a dataset.

    Raises BadSetting for a name or type that Neo4j cannot keep, a kind that is declared
    twice, a key that is not a property, and a relationship to an undeclared label.

    Example:
        >>> airport = Node("Airport", key="faa", properties={"faa": str})
        >>> list(Graph([airport], [Relationship("ROUTE", "Airport", "Airport")]).kinds)
        ['Airport', 'ROUTE']

    """

    nodes: Sequence[Node]
    relationships: Sequence[Relationship] = ()

    @classmethod
    def from_json(cls, schema: Mapping[str, Any]) -> Graph:
        """Return the graph that `to_json` gave. Raises BadSetting for anything else: a loader may have written it."""
        try:
            kept = msgspec.convert(schema, _Kept)
        except msgspec.ValidationError as error:
            raise BadSetting(f"not a graph: {error}") from None
        return cls([_typed(each) for each in kept.nodes], [_typed(each) for each in kept.relationships])

    def to_json(self) -> dict[str, Any]:
        """Return the graph as JSON values; the types of properties are text."""
        return {
            "nodes": [{**vars(each), "properties": self._texts(each)} for each in self.nodes],
            "relationships": [{**vars(each), "properties": self._texts(each)} for each in self.relationships],
        }

    def __post_init__(self) -> None:
        if not self.nodes:
            raise BadSetting("nodes must declare at least one Node(label, key=..., properties={...})")
        _refuse_repeats([node.kind for node in self.nodes] + [each.kind for each in self.relationships], "kind of row")
        _refuse_repeats([(each.type, each.start, each.end) for each in self.relationships], "relationship")
        self.kinds  # noqa: B018 - checks what is declared

    def check(self) -> None:
        """Raise BadSetting for names that mislead; a graph that an older release loaded with them is still read."""
        check_distinct(self.kinds, "kind of row")
        for node in self.nodes:
            check_label(node.label, "label")
            check_distinct(node.properties, f"{node.kind}: property")
        for each in self.relationships:
            check_label(each.type, "type")
            check_distinct(each.properties, f"{each.kind}: property")

    @cached_property
    def kinds(self) -> Mapping[str, Kind]:
        """The kinds by the names that rows use, nodes first."""
        return {**self.node_kinds, **self.relationship_kinds}

    @cached_property
    def node_kinds(self) -> Mapping[str, NodeKind]:
        """The nodes' kinds."""
        return {node.kind: _node_kind(node) for node in self.nodes}

    @cached_property
    def relationship_kinds(self) -> Mapping[str, RelationshipKind]:
        """The relationships' kinds."""
        return {each.kind: self._relationship_kind(each) for each in self.relationships}

    @property
    def declared_columns(self) -> Columns:
        """The types of the properties, each behind its kind; whether one may be None is left out."""
        return columns_of(self.kinds)

    def contract(self, dataset: str, missing_ends: MissingEnds = "refuse") -> GraphContract:
        """Return what the rows of the dataset must look like."""
        shapes: dict[str, Shape] = {kind: each.shape for kind, each in self.kinds.items()}
        ends = {kind: (each.start.label, each.end.label) for kind, each in self.relationship_kinds.items()}
        return GraphContract(dataset, shapes, ends, missing_ends)

    def _texts(self, declared: Node | Relationship) -> dict[str, str]:
        return {each.name: each.text for each in self.kinds[declared.kind].properties}

    def _relationship_kind(self, given: Relationship) -> RelationshipKind:
        check_name(given.type, "type")
        check_name(given.kind, "relationship")
        for label in (given.start, given.end):
            if label not in self.node_kinds:
                raise BadSetting(
                    f"{given.kind}: no node is declared as {label!r}; {did_you_mean(label, self.node_kinds)}"
                )
        properties = _properties(given.kind, given.properties, "")
        for each in properties:
            if each.name in {START, END}:
                raise BadSetting(f"{given.kind}: a property cannot be called {each.name!r}, which names an end")
        return RelationshipKind(given.type, self.node_kinds[given.start], self.node_kinds[given.end], properties)


@dataclass(frozen=True)
class _Kept:
    """A graph as JSON: the properties of its nodes and relationships map names to texts."""

    nodes: list[Node]
    relationships: list[Relationship]


@dataclass(frozen=True)
class GraphContract(Contract):
    """Rows are pairs of a kind and the row itself; nodes come before relationships.

    The text of rows only measures them, as the driver has a format of its own.
    """

    ends: Mapping[str, tuple[str, str]]
    missing_ends: MissingEnds

    def split(self, row: Any) -> tuple[str, Any]:
        """Return the kind and the row of a pair."""
        if not isinstance(row, (tuple, list)) or len(row) != 2 or not isinstance(row[0], str):  # noqa: PLR2004 - a pair
            raise WrongRow(0, "", f"is not a pair of a kind and a row, such as ({next(iter(self.shapes))!r}, {{...}})")
        kind, values = row
        if kind not in self.shapes:
            raise WrongRow(0, "", f"is of kind {kind!r}, which is not declared; {did_you_mean(kind, self.shapes)}")
        return kind, values

    def follow(self, kind: str, next_kind: str) -> None:
        """Refuse a node after a relationship: its ends are looked up when it is written."""
        if kind in self.ends and next_kind not in self.ends:
            raise WrongRow(
                0,
                "",
                f"is a {next_kind} after the first {kind}; give all nodes before all relationships, or, for "
                "a graph that other tasks write too, use neo4j.MergeIntoGraph, which takes mixed rows",
            )

    def dangling(self, kind: str, rows: Sequence[Any], keys: Mapping[str, Collection[Any]]) -> Mapping[int, str]:
        """Name the ends of relationships that are not among the nodes, of each the first."""
        found: dict[int, str] = {}
        for position, (end, label) in enumerate(zip((START, END), self.ends.get(kind, ()), strict=False)):
            for index, row in enumerate(rows):
                if (row[position],) not in keys[label]:
                    found.setdefault(index, end)
        return dict(sorted(found.items()))

    @property
    def sets_aside(self) -> bool:
        """Tell whether relationships with a missing end are left out."""
        return self.missing_ends == "set_aside"

    def join(self, kind: str, row: Mapping[str, Any]) -> Any:
        """Return a pair."""
        return kind, row


def columns_of(kinds: Mapping[str, Kind]) -> Columns:
    """Return the properties as the rules of changes take them."""
    found = ((kind, each) for kind, declared in kinds.items() for each in declared.properties)
    return {f"{kind}.{each.name}": Column(each.text.removesuffix(" | None")) for kind, each in found}


def _node_kind(node: Node) -> NodeKind:
    check_name(node.label, "label")
    if node.key not in node.properties:
        raise BadSetting(f"{node.label}: key {node.key!r} is not a property; {did_you_mean(node.key, node.properties)}")
    properties = _properties(node.label, node.properties, node.key)
    return NodeKind(node.label, next(each for each in properties if each.name == node.key), properties)


def _properties(owner: str, declared: Mapping[str, Any], key: str) -> tuple[Property, ...]:
    return tuple(_property(owner, name, kind, is_key=name == key) for name, kind in declared.items())


def _property(owner: str, name: str, declared: Any, *, is_key: bool) -> Property:
    check_name(name, f"{owner}: property")
    try:
        return parse_key(name, declared) if is_key else parse(name, declared)
    except BadSetting as error:
        raise BadSetting(f"{owner}: {error}") from None


def _typed(kept: Declared) -> Declared:
    """Return a declaration with types in the place of their texts."""
    return replace(kept, properties={name: from_text(text) for name, text in kept.properties.items()})


def _refuse_repeats(names: Sequence[Any], what: str) -> None:
    for name in _repeated(names):
        shown = name if isinstance(name, str) else " ".join(name)
        raise BadSetting(f"{what} {shown!r} is declared twice; give Relationship(..., name=...) a name of its own")


def _repeated(names: Sequence[Any]) -> Iterator[Any]:
    return (name for index, name in enumerate(names) if name in names[:index])


def _renamed(key: Property, name: str) -> Property:
    return replace(key, name=name)
