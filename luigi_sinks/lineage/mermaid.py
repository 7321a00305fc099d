"""Draws answers as text that Mermaid, and so GitHub, GitLab and many wikis, make pictures of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from luigi_sinks.lineage.graph.keys import shown
from luigi_sinks.lineage.network import Flow, Step
from luigi_sinks.recording.clock import SECOND
from luigi_sinks.recording.events import Ended

_PLAIN = re.compile(r"[\w ./:=@+-]")
_MILLISECOND = SECOND // 1_000


def flowchart(reads: Sequence[Flow], writes: Sequence[Flow], of: str = "") -> str:
    """Return datasets and jobs as a flowchart, upstream to the left; `of` is the key of what stands out.

    Flows that were declared, and not observed, are dotted.

    Example:
        >>> print(flowchart([Flow("luigi/Load", "file//flights.csv", is_observed=False)], []))
        flowchart LR
            n0[("file:///flights.csv")]
            n1["luigi/Load"]
            n0 -.-> n1

    """
    datasets = sorted({flow.dataset for flow in (*reads, *writes)})
    jobs = sorted({flow.job for flow in (*reads, *writes)})
    names = {("dataset", key): f"n{number}" for number, key in enumerate(datasets)}
    names |= {("job", key): f"n{number}" for number, key in enumerate(jobs, len(datasets))}
    lines = [f'{names["dataset", key]}[("{_escaped(shown(key))}")]' for key in datasets]
    lines += [f'{names["job", key]}["{_escaped(key)}"]' for key in jobs]
    lines += [f"{names['dataset', flow.dataset]} {_arrow(flow)} {names['job', flow.job]}" for flow in reads]
    lines += [f"{names['job', flow.job]} {_arrow(flow)} {names['dataset', flow.dataset]}" for flow in writes]
    lines += [f"style {name} stroke-width:4px" for (_, key), name in names.items() if key == of]
    return "\n    ".join(["flowchart LR", *lines])


def gantt(path: Sequence[Step], now: int) -> str:
    """Return a critical path as a Gantt chart, from the start of the build on.

    Example:
        >>> step = Step("r1", "luigi/Load", "Load_1", "", 0, 2_000_000, 5_000_000, "complete", 2.0, 0.0, 3.0)
        >>> print(gantt([step], now=9_000_000))
        gantt
            dateFormat x
            axisFormat %H:%M:%S
            section luigi/Load
            waited :done, 0, 2000
            ran :active, 2000, 5000

    """
    lines = [line for step in reversed(path) for line in _bars(step, now)]
    return "\n    ".join(["gantt", "dateFormat x", "axisFormat %H:%M:%S", *lines])


def _bars(step: Step, now: int) -> Iterator[str]:
    yield f"section {''.join(_PLAIN.findall(step.job)).replace(':', ' ')}"
    at = step.ready
    for attempt in step.attempts:
        if attempt.started > at:
            yield _bar("waited", "done", at, attempt.started)
        how = "active" if attempt.outcome == Ended.SUSPENDED else "crit"
        yield _bar(attempt.outcome, how, max(attempt.started, step.ready), attempt.ended)
        at = attempt.ended
    if step.started > at:
        yield _bar("waited", "done", at, step.started)
    if step.started:
        yield _bar("ran" if step.ended else "runs", "active", step.started, step.ended or now)


def _bar(what: str, how: str, start: int, end: int) -> str:
    return f"{what} :{how}, {start // _MILLISECOND}, {end // _MILLISECOND}"


def _arrow(flow: Flow) -> str:
    return "-->" if flow.is_observed else "-.->"


def _escaped(text: str) -> str:
    """Return a name with each character that could mean something to Mermaid as its number."""
    return "".join(char if _PLAIN.match(char) else f"#{ord(char)};" for char in text)
