"""What the races found: a table, `latest.json`, and a picture."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.race import Result

FOLDER = Path(__file__).parent
_ROW, _LEFT, _SCALE, _MOST = 22, 230, 240, 2.0


def machine() -> str:
    """Describe this machine, without its name."""
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"


def table(results: Sequence[Result]) -> str:
    """Return the results as a table in Markdown."""
    lines = ["| case | ours | theirs | ratio | low to high | bar | |", "|---|--:|--:|--:|---|--:|---|"]
    for each in results:
        ours, theirs = (
            f"{value:,.0f}" if each.unit == "rows/s" else f"{value:.2f} us" for value in (each.ours, each.theirs)
        )
        spread, met = f"{each.low:.2f} to {each.high:.2f}", "" if each.is_met else "**missed**"
        lines.append(f"| {each.case} | {ours} | {theirs} | {each.ratio:.2f} | {spread} | {each.bar:g} | {met} |")
    return "\n".join(lines) + "\n"


def keep(results: Sequence[Result]) -> None:
    """Write the results beside those of cases that did not run now, and the picture of all."""
    path = FOLDER / "latest.json"
    before = json.loads(path.read_text())["cases"] if path.exists() else []
    now = {each.case for each in results}
    cases = [*(each for each in before if each["case"] not in now)]
    cases += [{**each.to_json(), "machine": machine(), "at": f"{datetime.now(UTC):%Y-%m-%d}"} for each in results]
    cases.sort(key=lambda each: each["case"])
    path.write_text(json.dumps({"version": 1, "cases": cases}, indent=1) + "\n")
    (FOLDER / "latest.svg").write_text(picture(cases))


def picture(cases: Sequence[dict[str, object]]) -> str:
    """Return a bar for the ratio of each case, a line from its lowest to its highest, and a mark where its bar is."""
    drawn = [_drawn(number, case) for number, case in enumerate(cases)]
    width, height = _LEFT + int(_MOST * _SCALE) + 90, _ROW * len(cases) + 40
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" '
        f'font-size="12"><rect width="100%" height="100%" fill="white"/>'
        f'<text x="{_LEFT}" y="14">rate divided by that of the other way; the mark is what was asked for</text>'
        f"{''.join(drawn)}</svg>\n"
    )


def _drawn(number: int, case: dict[str, object]) -> str:
    y, ratio = 24 + number * _ROW, _number(case["ratio"])
    bar = _number(case["bar"]) if case["unit"] == "rows/s" else 1.0
    share = _MOST / bar if bar > _MOST else 1.0  # a bar of 5 is drawn at the right end
    colour = "#2f7d5b" if ratio >= bar else "#b5532c"
    ends = (_LEFT + min(_number(case[end]) * share, _MOST * 1.15) * _SCALE for end in ("low", "high"))
    low, high = ends
    return (
        f'<text x="{_LEFT - 8}" y="{y + 12}" text-anchor="end">{case["case"]}</text>'
        f'<rect x="{_LEFT}" y="{y + 2}" width="{min(ratio * share, _MOST * 1.15) * _SCALE:.0f}" height="12" '
        f'fill="{colour}"/>'
        f'<line x1="{low:.0f}" x2="{high:.0f}" y1="{y + 8}" y2="{y + 8}" stroke="black"/>'
        f'<line x1="{_LEFT + bar * share * _SCALE:.0f}" x2="{_LEFT + bar * share * _SCALE:.0f}" y1="{y}" y2="{y + 16}" '
        f'stroke="black" stroke-width="2"/>'
        f'<text x="{high + 8:.0f}" y="{y + 12}">{ratio:.2f}</text>'
    )


def _number(value: object) -> float:
    assert isinstance(value, (int, float))
    return float(value)
