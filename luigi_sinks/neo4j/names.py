"""What Neo4j's labels, types and properties may be called, and how they are quoted."""

from __future__ import annotations

from luigi_sinks.errors import BadSetting

SUFFIX = "__v"
"""Ends the labels and types of versioned data, so that nobody takes all versions for one by accident."""

VERSION = "_version"
"""The property of each node that names its version."""

LONGEST = 1_000
"""Neo4j takes 65,534 characters; ours is for the people who read them."""


def check_name(name: object, what: str) -> None:
    """Refuse a name that is no name, or would collide with ours."""
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise BadSetting(f"{what} {name!r} is no name; use letters, digits and _")
    if len(name) > LONGEST:
        raise BadSetting(f"{what} {name[:20]!r}... has {len(name)} characters; it may have at most {LONGEST}")
    if "`" in name or SUFFIX in name or name.startswith("_"):
        raise BadSetting(f"{what} {name!r}: a name holds neither backticks nor {SUFFIX!r} and does not start with _")


def quoted(name: str) -> str:
    """Quote the name of a property, constraint or index."""
    return f"`{name}`"


def versioned(name: str) -> str:
    """Return a label or type as it stands in the store, quoted."""
    return quoted(f"{name}{SUFFIX}")
