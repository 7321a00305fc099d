"""What the commands on versions answer: as values for JSON, and as people read it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from rich.text import Text

from luigi_sinks import unseen
from luigi_sinks.cli.console import out
from luigi_sinks.cli.lineage_text import table, took
from luigi_sinks.comparison import Diff, Difference
from luigi_sinks.record import Head, Record


def tell(answer: Any, text: str, *, json: bool) -> None:
    """Print an answer: as JSON, or as text."""
    out.print(Text(msgspec.json.format(msgspec.json.encode(answer)).decode() if json else text))


def of_dataset(name: str, heads: Mapping[str, Head]) -> dict[str, Any]:
    """Return what readers of a dataset see, in figures."""
    records = [head.record for head in heads.values() if head.record]
    at = [record.publications[-1].at for record in records if record.publications]
    return {
        "dataset": name,
        "partitions": len(records),
        "rows": sum(record.rows or 0 for record in records),
        "published_at": max(at, default=None),
    }


def of_datasets(answers: Iterable[Mapping[str, Any]]) -> str:
    """Return datasets as a table."""
    rows = [(each["dataset"], each["partitions"], each["rows"], _shown(each["published_at"])) for each in answers]
    return table(("dataset", "partitions", "rows", "published"), rows) if rows else "there is no dataset"


def of_record(record: Record) -> dict[str, Any]:
    """Return all that a record says but the schema."""
    version, origin = record.version, record.origin
    return {
        "version": str(version),
        **msgspec.to_builtins(version),
        "seq": record.seq,
        "state": record.state,
        "rows": record.rows,
        "set_aside": record.set_aside,
        "task": origin.update_id,
        **{name: value for name, value in msgspec.to_builtins(origin).items() if name != "update_id"},
        "principal": record.principal,
        "base": record.base,
        "checks": msgspec.to_builtins(record.checks),
        "staged_at": record.staged_at,
        "seconds": record.seconds,
        "steps": dict(record.steps),
        "publications": msgspec.to_builtins(record.publications),
        "retired_at": record.retired_at,
        "withdrawn": msgspec.to_builtins(record.withdrawn),
        "pinned": record.pinned,
        "exposed": list(record.exposed),
        "release": record.release.name if record.release else None,
    }


def of_records(records: Iterable[Record]) -> str:
    """Return versions as a table, oldest first; with their releases if there are any."""
    records = list(records)
    has_releases = any(record.release for record in records)
    rows = [
        (
            record.version.partition,
            record.version.id,
            _state(record),
            "" if record.rows is None else f"{record.rows}",
            _shown(record.published_at),
            record.origin.update_id,
            record.origin.rerun,
            *((record.release.name if record.release else "",) if has_releases else ()),
        )
        for record in records
    ]
    heads = ("partition", "version", "state", "rows", "published", "task", "rerun", *["release"] * has_releases)
    return table(heads, rows) if rows else "there is no version"


def of_heads(heads: Mapping[str, Head]) -> str:
    """Return heads as a table; a partition of which readers see nothing has no version."""
    rows = [
        (
            partition,
            head.version.id if head.version else "nothing",
            f"{head.record.rows}" if head.record else "0",
            str(head.epoch),
            _shown(head.record.publications[-1].at) if head.record and head.record.publications else "",
        )
        for partition, head in heads.items()
    ]
    return table(("partition", "version", "rows", "moves", "published"), rows) if rows else "readers see nothing"


def of_head(partition: str, head: Head) -> dict[str, Any]:
    """Return a head."""
    version = str(head.version) if head.version else None
    rows = head.record.rows if head.record else 0
    return {"partition": partition, "version": version, "rows": rows, "epoch": head.epoch}


def schema_difference(schema: Mapping[str, Any], head: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return where the schema of a version and that of the head differ, by dotted paths; null for what is not there."""
    here, there = dict(_flat(schema)), dict(_flat(head))
    paths = sorted({*here, *there})
    return [
        {"path": path, "here": here.get(path), "head": there.get(path)}
        for path in paths
        if here.get(path) != there.get(path)
    ]


def of_version(answer: Mapping[str, Any]) -> str:
    """Return all that is known of a version, a line each."""
    return "\n".join(f"{name:<12} {unseen.escaped(value)}" for name, value in _lines(answer) if value)


def of_diff(found: Diff) -> str:
    """Return what differs, with a line for each example."""
    counts = f"{found.added} added, {found.removed} removed, {found.changed} changed"
    return "\n".join([counts, *map(_example, found.examples)])


def _lines(answer: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "version", answer["version"]
    yield "state", answer["state"] + (", pinned" if answer["pinned"] else "")
    if withdrawn := answer["withdrawn"]:
        yield "withdrawn", f"{_shown(withdrawn['at'])} by {withdrawn['by']}: {withdrawn['why']}"
    aside = f", {answer['set_aside']} set aside" if answer["set_aside"] else ""
    yield "rows", "" if answer["rows"] is None else f"{answer['rows']}{aside}"
    yield "task", " ".join(filter(None, (answer["task"], answer["rerun"] and f"(rerun {answer['rerun']})")))
    yield "params", ", ".join(f"{name}={value}" for name, value in answer["params"].items())
    yield "release", answer["release"] or ""
    yield "exposed as", ", ".join(answer["exposed"])
    yield "owner", answer["owner"]
    yield "principal", answer["principal"]
    yield "base", answer["base"]
    yield "staged", _shown(answer["staged_at"])
    for each in answer["publications"]:
        why = f": {each['why']}" if each["why"] else ""
        yield "published", f"{_shown(each['at'])} as move {each['epoch']} by {each['by']}{why}"
    yield "took", took(answer["seconds"]) if answer["seconds"] is not None else ""
    yield "of which", ", ".join(f"{name} {took(seconds)}" for name, seconds in answer["steps"].items())
    yield "retired", _shown(answer["retired_at"])
    for check in answer["checks"]:
        yield "check", f"{check['name']}: {'passed' if check['passed'] else check['message'] or 'failed'}"
    for path, value in _flat(answer["schema"]):
        yield "schema", "" if value in {None, ""} else f"{path} = {value}"
    for each in answer["schema_difference"]:
        yield "differs", f"{each['path']}: {each['here']} here, {each['head']} in the head"


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of JSON with their paths."""
    inner: Iterable[tuple[str, Any]] = ()
    if isinstance(value, Mapping):
        inner = value.items()
    elif isinstance(value, Sequence) and not isinstance(value, str):
        inner = ((str(number), each) for number, each in enumerate(value))
    else:
        yield path, value
    for name, each in inner:
        yield from _flat(each, ".".join(filter(None, (path, name))))


def _example(each: Difference) -> str:
    kind = f"{each.kind} " if each.kind else ""
    if each.before is None:
        return unseen.escaped(f"+ {kind}{_json(each.after)}")
    if each.after is None:
        return unseen.escaped(f"- {kind}{_json(each.before)}")
    return unseen.escaped(f"~ {kind}{_json(each.before)} -> {_json(each.after)}")


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _state(record: Record) -> str:
    marks = [mark for mark, is_set in (("withdrawn", record.withdrawn), ("pinned", record.pinned)) if is_set]
    return ", ".join([record.state.value, *marks, *(f"exposed as {name}" for name in record.exposed)])


def _shown(at: datetime | str | None) -> str:
    if at is None:
        return ""
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    return f"{moment:%Y-%m-%d %H:%M:%SZ}"
