"""Measures the page of lineage in a headless Chromium: `python benchmarks/page.py [PICTURES]`.

For each size: seconds to write the page; the milliseconds from its request until its script
has run, and until a frame has the graph (at most, as the question takes its time too); those
of a frame while it is panned, the median and the slowest of 40; and those to highlight what
is upstream and downstream of a node.
Pictures are saved in the folder PICTURES, if one is named.
"""

# ruff: noqa: E402 - sys.path must be changed before other imports

import random
import sys
import tempfile
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])  # the tests' browser, and not this folder

from luigi_sinks.lineage import page
from luigi_sinks.lineage.network import SECOND, DatasetNode, Flow, JobNode, Network, RunNode, VersionNode
from luigi_sinks.recording.events import Check, Column
from tests.browser import Tab, browser

SIZES = (50, 400, 1_500, 5_000)
NOW = 1_795_806_000 * SECOND
HOUR = 3600 * SECOND
OBSERVED = 0.8
"""Of what is read, the part that our own targets saw."""

WORDS = ("orders", "customers", "payments", "invoices", "clicks", "sessions", "stock", "prices", "returns", "shipments")
KINDS = ("raw", "clean", "daily", "by_region", "features", "scores", "snapshot", "joined")

PAN = """new Promise(done => {
  const view = document.getElementById("view"), frames = [];
  let last = performance.now();
  const step = time => {
    frames.push(time - last);
    last = time;
    if (frames.length > 41) return done(frames.slice(1).sort((one, other) => one - other));
    const deltaX = frames.length % 20 < 10 ? 60 : -60;
    view.dispatchEvent(new WheelEvent("wheel", {deltaX, deltaY: deltaX / 3, cancelable: true, bubbles: true}));
    requestAnimationFrame(step);
  };
  requestAnimationFrame(time => { last = time; requestAnimationFrame(step); });
})"""
CHOOSE = """new Promise(done => {
  const node = document.querySelector('[data-index][tabindex="0"]'), began = performance.now();
  node.dispatchEvent(new MouseEvent("click", {bubbles: true}));
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - began)));
})"""
DRAWN_AT = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))))"
READY = "Number(document.documentElement.dataset.ready)"
DRAWN = "document.querySelectorAll('[data-index]').length"


def network(count: int) -> Network:
    """Return a network of so many nodes, each of which has ten versions or runs."""
    chance, half = random.Random(count), count // 2
    datasets = [dataset(number, chance) for number in range(half)]
    jobs, reads, writes = [], [], []
    for number in range(count - half):
        jobs.append(job(number, chance))
        to = number % half
        for _ in range(chance.choice([1, 1, 2, 2, 3]) if to else 0):
            start = max(0, to - 1 - int(chance.expovariate(1 / max(6, half / 12))))
            reads.append(Flow(jobs[-1].key, datasets[start].key, NOW - 720 * HOUR, NOW, chance.random() < OBSERVED))
        writes.append(Flow(jobs[-1].key, datasets[to].key, NOW - 720 * HOUR, NOW))
    return Network(NOW, tuple(datasets), tuple(jobs), tuple(reads), tuple(writes))


def dataset(number: int, chance: random.Random) -> DatasetNode:
    """Return a dataset."""
    namespace = chance.choice(["mysql://db.internal:3306", "elasticsearch://search:9200", "neo4j://graph:7687"])
    name = f"{WORDS[number % 10]}.{KINDS[number // 10 % 8]}_{number}"
    newest = NOW - chance.choice([1, 2, 3, 5, 20, 40]) * HOUR
    versions = tuple(version(f"{namespace}/{name}", newest - age * 24 * HOUR, chance) for age in range(10))
    promise, columns = chance.choice([0, 86_400, 86_400]), (Column("id", "INTEGER"), Column("day", "DATE"))
    return DatasetNode(f"{namespace}/{name}", namespace, name, "ops", newest, promise, versions, 300, columns)


def version(key: str, written: int, chance: random.Random) -> VersionNode:
    """Return a version."""
    name, checks = f"v{written}", (Check("not_empty", passed=True), Check("complete", passed=True))
    run, rows = f"run-{written}", chance.randrange(10**6)
    return VersionNode(f"{key}#_all#{name}", "_all", name, run, written, (written + SECOND,), rows=rows, checks=checks)


def job(number: int, chance: random.Random) -> JobNode:
    """Return a job, whose last run failed, goes on or is complete."""
    name = f"{KINDS[number % 8].title()}{WORDS[number // 8 % 10].title()}{number}"
    outcome = chance.choices(["complete", "failed", ""], [92, 4, 4])[0]
    runs = tuple(
        RunNode(
            f"{name}-{age}",
            f"{name}_{age}",
            NOW - (24 * age + 3) * HOUR,
            0 if not outcome and not age else NOW - (24 * age + 2) * HOUR,
            "complete" if age else outcome,
        )
        for age in range(10)
    )
    return JobNode(f"luigi/{name}", "luigi", name, "ops", runs, 500, 3600, 5000)


def measure(tab: Tab, count: int, folder: Path, pictures: Path | None) -> str:
    """Return a line of the table."""
    path, made = folder / f"{count}.html", network(count)
    began = time.perf_counter()
    page.write(made, path)
    wrote = time.perf_counter() - began
    tab.open(path)
    first, ready, drawn = (tab.run(script) for script in (DRAWN_AT, READY, DRAWN))
    if pictures:
        tab.picture(pictures / f"{count}.png")
    frames, chose = tab.run(PAN), tab.run(CHOOSE)
    assert tab.requests == [path.as_uri()], "something was fetched"
    assert not tab.complaints, tab.complaints
    size = path.stat().st_size / 1e6
    figures = f"{ready:10.0f}{first:10.0f}{frames[len(frames) // 2]:10.0f}{frames[-1]:10.0f}{chose:12.0f}"
    return f"{count:7,}{size:8.1f}{wrote:9.2f}{drawn:8,}{figures}"


def main() -> None:
    """Print the table."""
    pictures = Path(sys.argv[1]) if sys.argv[1:] else None
    print("  nodes      MB  written   drawn       ran   picture       pan   slowest   highlight")
    with browser() as tab, tempfile.TemporaryDirectory() as folder:
        tab.show()
        for count in SIZES:
            print(measure(tab, count, Path(folder), pictures))


if __name__ == "__main__":
    main()
