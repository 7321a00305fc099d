"""Rules for the names of labels, types and properties, and the one way to quote them in Cypher."""

from __future__ import annotations

from luigi_sinks.errors import BadSetting

SUFFIX = "__v"
"""Ends the labels and types of versioned data: a query for the plain label never counts all versions by accident."""

VERSION = "_version"
"""The property of each node that names its version."""

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


def quoted(name: str) -> str:
    r"""Quote any name for Cypher, which decodes \uXXXX even within backticks.

    Example:
        >>> print(quoted("faa"), quoted(r"\u0060) DETACH DELETE (n"))
        `faa` `\u005Cu0060) DETACH DELETE (n`

    """
    escaped = name.replace("\\", r"\u005C").replace("`", "``")
    return f"`{escaped}`"


def versioned(name: str) -> str:
    """Return a label or type as it stands in the store, quoted."""
    return quoted(f"{name}{SUFFIX}")
