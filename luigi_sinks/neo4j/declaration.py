"""Writes nodes and relationships with plain labels as Python to paste into a task, by a sample of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from luigi_sinks.declaration import Declaration
from luigi_sinks.errors import BadSetting
from luigi_sinks.neo4j import connection, cypher
from luigi_sinks.neo4j.names import check_label, check_name
from luigi_sinks.neo4j.reader import properties
from luigi_sinks.neo4j.settings import Neo4jSettings

_SAMPLE = 1_000

_KEYS = """
SHOW CONSTRAINTS YIELD type, labelsOrTypes, properties
WHERE type IN ['UNIQUENESS', 'NODE_KEY'] AND labelsOrTypes = [$label] AND size(properties) = 1
RETURN properties[0] AS name ORDER BY name"""


def declare(settings: Neo4jSettings, labels: str) -> Declaration:
    """Return the declaration of the nodes of one or several labels, and of the relationships between them.

    `labels` are separated by commas. Raises BadSetting for a label that no node has, and
    for nodes of which no property can be the key.
    """
    known = [label.strip() for label in labels.split(",")]
    for label in known:
        check_name(label, "label")
        check_label(label, "label")
    nodes, undeclared = [], list[str]()
    for label in known:
        line, others = _node(settings, label)
        nodes.append(line)
        undeclared += others
    between, others = _relationships(settings, known)
    undeclared += [*others, f"what only others have: {_SAMPLE} of each label were looked at, with their relationships"]
    body = [f"graph = {'_'.join(known).lower()!r}", "nodes = [", *(f"    {line}," for line in nodes), "]"]
    body += ["relationships = [", *(f"    {line}," for line in between), "]"] if between else []
    return Declaration("\n".join([*_imports("\n".join(body)), "", *body]), tuple(undeclared))


def _node(settings: Neo4jSettings, label: str) -> tuple[str, list[str]]:
    """Return the line of a label, and what it leaves out."""
    rows = connection.query(settings, cypher.sample_of_plain(label), limit=_SAMPLE)
    if not rows:
        raise BadSetting(f"no node has the label {label!r}, or those that have it have no properties")
    constrained = [row["name"] for row in connection.query(settings, _KEYS, label=label)]
    whole = [row["name"] for row in rows if row["count"] == row["size"]]
    unique = [row["name"] for row in rows if row["values"] == row["size"] and row["name"] in whole]
    key = next((name for name in [*constrained, *unique] if name in whole), "")
    if not key:
        raise BadSetting(f"no property tells the nodes with the label {label!r} apart; give each a key first")
    undeclared = [] if key in constrained else [f"a constraint: {key!r} is the key as it is unique in the sample"]
    return f"Node({label!r}, key={key!r}, properties={_typed(rows, key)})", [*undeclared, *_mixed(label, rows)]


def _relationships(settings: Neo4jSettings, labels: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return a line for each type of relationship between two of the labels, and what these leave out."""
    found: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    undeclared = []
    for start in labels:
        for row in connection.query(settings, cypher.sample_of_plain_relationships(start), limit=_SAMPLE):
            end = next((label for label in labels if label in row["ends"]), "")
            if end:
                found.setdefault((row["type"], start, end), []).append(row)
            else:
                undeclared.append(
                    f"relationship {row['type']} from {start} to {':'.join(row['ends'])}; name that label too"
                )
    types = [type_ for type_, _, _ in found]
    lines = []
    for (type_, start, end), rows in found.items():
        name = f", name={f'{type_} {start} {end}'!r}" if types.count(type_) > 1 else ""
        lines.append(f"Relationship({type_!r}, {start!r}, {end!r}, properties={_typed(rows)}{name})")
        undeclared += _mixed(type_, rows)
    return lines, sorted(set(undeclared), key=undeclared.index)


def _typed(rows: Sequence[Mapping[str, Any]], key: str = "") -> str:
    """Return properties and their types as Python."""
    found = properties(rows, key)
    return f"{{{', '.join(f'{name!r}: {_python(text)}' for name, text in found.items())}}}"


def _python(text: str) -> str:
    """Return the text of a type as Python: `zoned datetime` is an annotated one."""
    for base in ("datetime", "time"):
        text = text.replace(f"zoned {base}", f"Annotated[{base}, Meta(tz=True)]")
    return text


def _mixed(owner: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the properties whose values have several types, or one that rows cannot have."""
    known = properties(rows)
    for row in rows:
        types = sorted({each.removesuffix(" NOT NULL") for each in row["types"]} - {"NULL"})
        if row["name"] and (len(types) > 1 or row["name"] not in known):
            yield f"property {row['name']!r} of {owner}: its values are {', '.join(types)}"


def _imports(body: str) -> list[str]:
    dates = [name for name in ("date", "datetime", "time") if any(f"{c}{name}" in body for c in " [")]
    ours = [name for name in ("Node", "Relationship") if f"{name}(" in body]
    lines = [f"from datetime import {', '.join(dates)}"] if dates else []
    lines += ["from typing import Annotated", "", "from msgspec import Meta"] if "Annotated[" in body else []
    return [*lines, *([""] if lines else []), f"from luigi_sinks.neo4j import {', '.join(ours)}"]
