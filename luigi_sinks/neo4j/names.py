"""Rules for the names of labels, types and properties, and the one way to quote them in Cypher."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from luigi_sinks.errors import BadSetting

SUFFIX = "__v"
"""Ends the labels and types of versioned data: a query for the plain label never counts all versions by accident."""

VERSION = "_version"
"""The property of each node that names its version."""

_PATTERN = ":|&!%*()[]{}<>"

LONGEST = 1_000
"""In characters. Neo4j takes 65,534; this limit keeps names readable."""


def check_name(name: object, what: str) -> None:
    """Raise BadSetting for a name that is empty, not printable, too long, or like those of this package."""
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise BadSetting(f"{what} {name!r} is not a name; use letters, digits and _")
    if len(name) > LONGEST:
        raise BadSetting(f"{what} {name[:20]!r}... has {len(name)} characters; use at most {LONGEST}")
    if "`" in name or SUFFIX in name or name.startswith("_"):
        raise BadSetting(f"{what} {name!r}: a name has no backticks and no {SUFFIX!r} and does not start with _")


def check_dataset(graph: object) -> None:
    """Raise BadSetting for the name of a dataset that is empty, not printable, or too long."""
    if not isinstance(graph, str) or not graph.strip() or not graph.isprintable():
        raise BadSetting(f"graph {graph!r} is not a name; set graph to a text, such as 'flights'")
    if len(graph) > LONGEST:
        raise BadSetting(f"graph {graph[:20]!r}... has {len(graph)} characters; use at most {LONGEST}")


def check_label(name: str, what: str) -> None:
    """Raise BadSetting for a label or type that a query would take for several: `Person:Customer`, `KNOWS|LIKES`."""
    if wrong := sorted(set(name) & set(_PATTERN)):
        raise BadSetting(
            f"{what} {name!r} holds {' '.join(wrong)}, which stands between names in Cypher; declare one {what}, and "
            "put what else is to be said into a property"
        )


def check_distinct(names: Iterable[str], what: str) -> None:
    """Raise BadSetting for two names that look the same, and for one with spaces around it."""
    seen: dict[str, str] = {}
    for name in names:
        if name != name.strip():
            raise BadSetting(f"{what} {name!r} begins or ends with a space; remove it")
        other = seen.setdefault(unicodedata.normalize("NFKC", name), name)
        if other != name:
            raise BadSetting(f"{what} {other!a} and {name!a} look the same; rename one, or keep one")


def quoted(name: str) -> str:
    r"""Quote any name for Cypher, which decodes \uXXXX even within backticks.

    Example:
        >>> print(quoted("faa"), quoted(r"\u0060) DETACH DELETE (n"))
        `faa` `\u005Cu0060) DETACH DELETE (n`

    """
    escaped = name.replace("\\", r"\u005C").replace("`", "``")
    return f"`{escaped}`"


def literal(text: str) -> str:
    r"""Quote any text for Cypher, which decodes \uXXXX before it looks for the end of a text.

    Example:
        >>> print(literal("flights"), literal("it's"))
        'flights' 'it\'s'

    """
    escaped = text.replace("\\", r"\u005C\u005C").replace("'", r"\'")
    return f"'{escaped}'"


def versioned(name: str) -> str:
    """Return a label or type as it stands in the store, quoted."""
    return quoted(f"{name}{SUFFIX}")
