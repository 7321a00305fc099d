"""Which version of a dataset readers see, or saw at a time."""

from __future__ import annotations

from luigi_sinks.lineage.ask import Ask

FOREVER = 1 << 62
"""Later than any time."""

MOST = 31
"""How many partitions, or versions, answer for a dataset: a month of days."""

_HEAD = """
MATCH (d:LineageDataset {key: $key})<-[:OF]-(s:LineageSlot)-[p:PUBLISHED]->(v)
WHERE p.at <= $as_of AND ($partition IS NULL OR s.key = $key + '#' + $partition)
WITH s, p, CASE WHEN v:LineageVersion THEN v.key END AS shown ORDER BY p.epoch DESC, p.at DESC
WITH s, collect([shown, p.at])[0] AS head
RETURN head[0] AS key ORDER BY key IS NULL, head[1] DESC, key DESC LIMIT $most"""
"""The heads; null of a partition of which readers see nothing."""

_NEWEST = """
MATCH (d:LineageDataset {key: $key})<-[:OF]-(v:LineageVersion)
WHERE v.written <= $as_of AND ($partition IS NULL OR v.key STARTS WITH $key + '#' + $partition + '#')
RETURN v.key AS key ORDER BY v.written DESC, key DESC LIMIT $most"""
_UPDATED = """
MATCH (d:LineageDataset)<-[:OF]-(s:LineageSlot)-[p:PUBLISHED]->(v) WHERE p.at <= $as_of
WITH d, s, max([p.epoch, p.at, coalesce(v.written, p.at), v:LineageVersion]) AS head WHERE head[3]
RETURN d.key AS key, max(head[2]) AS updated"""


def head(ask: Ask, dataset: str, *, as_of: int = FOREVER, partition: str | None = None) -> str:
    """Return the version of a dataset that readers saw at a time, an empty string if there was none.

    Of several partitions it is the one whose head was published last. Of a dataset that is not
    published in versions it is the version that was written last.
    """
    asked = {"key": dataset, "as_of": as_of, "partition": partition, "most": 1}
    found = ask(_HEAD, **asked) or ask(_NEWEST, **asked)
    return (found[0]["key"] or "") if found else ""


def present(ask: Ask, dataset: str) -> tuple[str, ...]:
    """Return the versions that readers of a dataset see: the heads of its partitions, the one published last first.

    They are `MOST` at most. Of a dataset that is not published in versions it is the version that was written last, if
    any is known.
    """
    asked = {"key": dataset, "as_of": FOREVER, "partition": None}
    found = ask(_HEAD, **asked, most=MOST) or ask(_NEWEST, **asked, most=1)
    return tuple(row["key"] for row in found if row["key"])


def written(ask: Ask, dataset: str) -> tuple[str, ...]:
    """Return the versions of a dataset that were written last, the last one first."""
    found = ask(_NEWEST, key=dataset, as_of=FOREVER, partition=None, most=MOST)
    return tuple(row["key"] for row in found)


def updated(ask: Ask, as_of: int) -> dict[str, int]:
    """Return when the newest data were written that readers of each dataset saw at a time, if it has heads."""
    return {row["key"]: row["updated"] for row in ask(_UPDATED, as_of=as_of)}
