"""Answers about lineage as people read them, as tables, and as programs do, as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from luigi_sinks import unseen
from luigi_sinks.errors import BadSetting
from luigi_sinks.recording import clock

TIMES = frozenset(
    (
        *("as_of", "ended", "first", "last", "newest", "oldest", "published", "ready", "removed", "stale_from"),
        *("started", "updated", "written"),
    )
)
"""The fields of answers that are times."""

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return rows in columns; what is empty in all of them is left out.

    Example:
        >>> print(table(("job", "error", "ran"), [("Load", "", 3), ("Report", "", 12)]))
        job     ran
        Load    3
        Report  12

    """
    lines = [list(heads), *([unseen.escaped(str(value)) for value in row] for row in rows)]
    kept = [number for number in range(len(heads)) if any(line[number] for line in lines[1:])]
    widths = {number: max(len(line[number]) for line in lines) for number in kept}
    return "\n".join("  ".join(line[number].ljust(widths[number]) for number in kept).rstrip() for line in lines)


def as_json(answer: Any) -> str:
    """Return a dataclass, or several, as JSON; times are in ISO 8601 in UTC, null where they are not known."""
    plain = [_plain(each) for each in answer] if isinstance(answer, tuple) else _plain(answer)
    return msgspec.json.format(msgspec.json.encode(plain)).decode()


def _plain(answer: Any) -> dict[str, Any]:
    return dataclasses.asdict(answer, dict_factory=_with_times)


def _with_times(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: _iso(value) if name in TIMES else value for name, value in fields}


def _iso(value: int | tuple[int, ...]) -> str | list[str | None] | None:
    if isinstance(value, tuple):
        return [_iso_of(each) for each in value]
    return _iso_of(value)


def _iso_of(at: int) -> str | None:
    return clock.iso(clock.moment(at)) if at else None


def shown(at: int) -> str:
    """Return a time to the second, in UTC; empty for one that is not known.

    Example:
        >>> shown(1_700_000_000_000_000)
        '2023-11-14 22:13:20Z'

    """
    return f"{clock.moment(at):%Y-%m-%d %H:%M:%SZ}" if at else ""


def took(seconds: float) -> str:
    """Return a duration in two units at most.

    Example:
        >>> took(0.25), took(7.5), took(75), took(7_260), took(100_000)
        ('250 ms', '7.5 s', '1m 15s', '2h 1m', '1d 3h')

    """
    if seconds < 1:
        return f"{max(1, round(seconds * 1000))} ms" if seconds > 0 else "0 s"
    whole = round(seconds)
    if whole < 10:  # noqa: PLR2004 - below, a tenth of a second counts
        return f"{seconds:.1f} s"
    for unit, size, smaller, part in (("d", _DAY, "h", _HOUR), ("h", _HOUR, "m", _MINUTE), ("m", _MINUTE, "s", 1)):
        if whole >= size:
            return f"{whole // size}{unit} {whole % size // part}{smaller}"
    return f"{whole} s"


def parse(text: str) -> int:
    """Return a time in ISO 8601 as lineage counts it; one without a zone is in UTC. Raises BadSetting.

    Example:
        >>> parse("2023-11-14 22:13:20"), parse("2023-11-14T23:13:20+01:00")
        (1700000000000000, 1700000000000000)

    """
    try:
        return clock.counted(datetime.fromisoformat(text))
    except ValueError:
        raise BadSetting(f"{text!r} is not a time; write it as 2026-11-27 or 2026-11-27T06:00:00+01:00") from None


def counted(count: int, one: str, more: str) -> str:
    """Return a count and what it is of.

    Example:
        >>> counted(1, "run", "runs"), counted(0, "run", "runs")
        ('1 run', '0 runs')

    """
    return f"{count} {one if count == 1 else more}"
