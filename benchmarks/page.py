"""Measures the page of lineage in a headless Chromium: `python benchmarks/page.py [PICTURES]`.

For each size: seconds to write the page; the milliseconds from its request until its script
has run, and until a frame has the graph (at most, as the question takes its time too); those
of a frame while it is panned, the median and the slowest of 40; and those to highlight what
is upstream and downstream of a node.
Pictures are saved in the folder PICTURES, if one is named.
"""

# ruff: noqa: E402 - sys.path must be changed before other imports

import sys
import tempfile
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])  # the tests' browser, and not this folder

from luigi_sinks.lineage import page
from tests.browser import Tab, browser
from tests.networks import network, team

SIZES = (50, 400, 1_500, 5_000)

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


def take(tab: Tab, folder: Path, pictures: Path) -> None:
    """Save the picture of the documentation: what a run was made of, and what it waited for."""
    page.write(team(), folder / "team.html")
    tab.open(folder / "team.html")
    tab.run("new Promise(done => setTimeout(done, 500))")
    tab.picture(pictures / "lineage.png")


def main() -> None:
    """Print the table."""
    pictures = Path(sys.argv[1]) if sys.argv[1:] else None
    print("  nodes      MB  written   drawn       ran   picture       pan   slowest   highlight")
    with browser() as tab, tempfile.TemporaryDirectory() as folder:
        tab.show()
        for count in SIZES:
            print(measure(tab, count, Path(folder), pictures))
        if pictures:
            take(tab, Path(folder), pictures)


if __name__ == "__main__":
    main()
