"""What the page shows when it opens, in a real Chromium: what was asked for, whole, and large enough to read."""

from dataclasses import replace
from itertools import pairwise

import pytest

from luigi_sinks.lineage.network import DatasetNode, Flow, JobNode, Network, RunNode, Step
from luigi_sinks.recording.clock import SECOND
from tests.networks import DAY, HOUR, NOW, network, team

MONTHS = [f"2013-{month:02d}" for month in range(1, 7)]
MILLISECOND = SECOND // 1000
NAMES = ("departures-of-all-airports-of-new-york-in-{}.csv", "report-of-{}-by-all-the-carriers-of-new-york.html")
"""Of what is read, its end differs; of what is written, the middle."""

PLACES = """(() => {
  const place = element => {
    const {left, top, right, bottom} = element.getBoundingClientRect();
    return {left, top, right, bottom};
  };
  return {
    view: place(document.getElementById('view')),
    foot: place(document.querySelector('.foot')),
    zoom: place(document.querySelector('.zoom')),
    cards: [...document.querySelectorAll('.node')].map(node => ({
      ...place(node.querySelector('.box')), key: node.querySelector('title').textContent,
      isMarked: node.classList.contains('critical'),
      letters: node.querySelector('.title').getBoundingClientRect().height
        / node.querySelectorAll('.title tspan').length,
    })),
  };
})()"""
TICKS = """(lane => [...document.querySelectorAll('.scale span')].map(tick => {
  const {left, right} = tick.getBoundingClientRect();
  return {at: parseFloat(tick.style.left), left: left - lane.left, right: right - lane.left, text: tick.textContent};
}))(document.querySelector('.scale').getBoundingClientRect())"""
SHAPES = "[...new Set([...document.querySelectorAll('{}')].map(each => each.getAttribute('d')))]"


def months(length=62 * MILLISECOND):
    """Return a network of two jobs, which fetch a file a month and report on it, and the path of the run of March."""
    datasets = tuple(
        DatasetNode(f"file//data/{name.format(month)}", "file", f"/data/{name.format(month)}", updated=NOW - HOUR)
        for name in NAMES
        for month in MONTHS
    )
    fetched, reported = datasets[:6], datasets[6:]
    start, between = NOW - length, NOW - length * 9 // 10
    run = RunNode("019c3f5e-7a", "Report_2013_03_5d41402abc", between, NOW, "complete")
    fetch, report = JobNode("luigi/Fetch", "luigi", "Fetch"), JobNode("luigi/Report", "luigi", "Report", runs=(run,))
    times = (between, NOW, "complete", 0.0, 0.0, (NOW - between) / SECOND)
    path = (
        Step(run.key, report.key, run.task, "", between, *times),
        Step("019c3f5e-79", fetch.key, "Fetch_2013_03", "", start, start, between, "complete", 0, 0, 0.002),
    )
    return Network(
        NOW,
        datasets,
        (fetch, report, JobNode("luigi/All", "luigi", "All")),
        tuple(Flow(report.key, each.key) for each in fetched),
        tuple(Flow(fetch.key, each.key) for each in fetched) + tuple(Flow(report.key, each.key) for each in reported),
        path,
        ((report.key, fetched[2].key), (fetched[2].key, fetch.key)),
        (("airport", "JFK"), ("month", "2013-03")),
    )


def without_run(found):
    return replace(found, path=(), trail=(), parameters=())


def text(tab, selector):
    return tab.run(f"document.querySelector({selector!r})?.textContent")


def is_inside(box, view):
    return (
        view["left"] <= box["left"]
        and box["right"] <= view["right"]
        and view["top"] <= box["top"]
        and box["bottom"] <= view["bottom"]
    )


# The graph


def test_bold_is_what_the_run_was_made_of_and_nothing_else_that_its_jobs_read(open_page):
    found = months()
    tab = open_page(found)
    marked = tab.run("[...document.querySelectorAll('.node.critical > title')].map(each => each.textContent)")
    assert set(marked) == {"luigi/Fetch", "luigi/Report", found.datasets[2].key}
    assert tab.run("document.querySelectorAll('.edge.critical:not(.legend *)').length") == 2


@pytest.mark.parametrize("found", [months(), team()], ids=["months", "team"])
def test_it_opens_on_all_that_the_run_was_made_of_large_enough_to_read(open_page, found):
    seen = open_page(found).run(PLACES)
    marked = [each for each in seen["cards"] if each["isMarked"]]
    assert len(marked) > 2
    assert [each["key"] for each in marked if not is_inside(each, seen["view"])] == []
    assert min(each["letters"] for each in marked) > 9


@pytest.mark.parametrize("found", [months(), team()], ids=["months", "team"])
def test_without_a_run_it_opens_on_the_whole_graph_large_enough_to_read(open_page, found):
    seen = open_page(without_run(found)).run(PLACES)
    assert [each["key"] for each in seen["cards"] if not is_inside(each, seen["view"])] == []
    assert min(each["letters"] for each in seen["cards"]) > 9


@pytest.mark.parametrize("found", [network(50), network(400)], ids=["50", "400"])
def test_of_what_cannot_be_read_at_once_it_shows_whole_columns(open_page, found):
    seen = open_page(found).run(PLACES)
    view = seen["view"]
    shown = [each for each in seen["cards"] if view["left"] < each["right"] and each["left"] < view["right"]]
    assert 10 < len(shown) < len(seen["cards"])
    assert [each["key"] for each in shown if each["left"] < view["left"] or view["right"] < each["right"]] == []
    assert min(each["letters"] for each in shown) > 9


@pytest.mark.parametrize("found", [months(), team(), network(50)], ids=["months", "team", "50"])
def test_at_500_pixels_no_card_is_cut_and_nothing_scrolls_aside(open_page, found):
    tab = open_page(found, width=500)
    seen = tab.run(PLACES)
    shown = [each for each in seen["cards"] if each["right"] > 0 and each["left"] < 500]
    assert len(shown) > 4
    assert [each["key"] for each in shown if each["left"] < 0 or each["right"] > 500] == []
    assert min(each["letters"] for each in shown) > 9
    assert tab.run("document.documentElement.scrollWidth") == 500


@pytest.mark.parametrize("width", [500, 1440])
def test_names_that_are_too_long_are_told_apart(open_page, width):
    tab = open_page(months(), width=width)
    shown = tab.run("[...document.querySelectorAll('.dataset .title')].map(each => each.textContent)")
    assert len(set(shown)) == 12
    assert all("…" in each for each in shown)
    for month in MONTHS:
        assert len([each for each in shown if month.removeprefix("20") in each]) == 2
    cut = "[...document.querySelectorAll('.panel .name')].filter(each => each.scrollWidth > each.clientWidth).length"
    assert tab.run(cut) == 0


@pytest.mark.parametrize("width", [500, 1440])
def test_legend_and_zoom_never_cover_the_graph(open_page, width):
    seen = open_page(network(400), width=width).run(PLACES)
    assert seen["view"]["bottom"] <= seen["foot"]["top"]
    assert is_inside(seen["zoom"], seen["foot"])


def test_the_legend_has_every_mark_and_line_that_is_drawn(open_page):
    found = team()
    never = JobNode("luigi/Never", "luigi", "Never")
    waits = replace(found.path[0], run="", started=0, outcome="waiting")
    tab = open_page(replace(found, jobs=(*found.jobs, never), path=(waits, *found.path[1:])))
    drawn = set(tab.run(SHAPES.format(".node .glyph, .path .glyph")))
    assert len(drawn) == 8
    assert drawn <= set(tab.run(SHAPES.format(".legend .glyph")))
    legend = tab.run("[...document.querySelectorAll('.legend li')].map(each => each.textContent)")
    assert {"never ran", "waiting", "declared, not observed", "what the run was made of"} <= set(legend)


# The timeline


def test_the_timeline_says_which_run_it_is_of(open_page):
    when = "started 27 Nov 2026, 18:59 UTC · run 019c3f5e-7a"
    assert text(open_page(months()), ".path .run") == f"Report(airport=JFK, month=2013-03) · {when}"
    plain = replace(months(), parameters=())
    assert text(open_page(plain), ".path .run") == f"Report_2013_03_5d41402abc · {when}"
    waits = replace(plain.path[0], run="", started=0, outcome="waiting")
    assert text(open_page(replace(plain, path=(waits,))), ".path .run") == "Report_2013_03_5d41402abc · not started yet"


def test_the_timeline_says_how_long_less_than_a_second_took(open_page):
    assert text(open_page(months()), ".path header").startswith("What Report waited for62 ms in all;")


@pytest.mark.parametrize("width", [500, 860, 1440])
@pytest.mark.parametrize(
    "length",
    [3, 62 * MILLISECOND, 999 * MILLISECOND, 7 * SECOND, 61 * SECOND, 5 * HOUR, 20 * HOUR, 3 * DAY, 400 * DAY],
    ids=["3us", "62ms", "999ms", "7s", "1min", "5h", "20h", "3d", "400d"],
)
def test_the_ticks_of_the_timeline_are_even_and_reach_from_end_to_end(open_page, length, width):
    tab = open_page(months(length), width=width)
    ticks = tab.run(TICKS)
    steps = [other["at"] - one["at"] for one, other in pairwise(ticks)]
    assert (ticks[0]["at"], ticks[-1]["at"]) == (0, 100)
    assert max(steps) - min(steps) < 0.02
    assert all(one["right"] < other["left"] for one, other in pairwise(ticks))
    assert len({each["text"] for each in ticks}) == len(ticks)
    places = "[...document.querySelectorAll('.scale, .lane i')].map(each => each.getBoundingClientRect())"
    axis, *bars = tab.run(f"{places}.map(({{left, right}}) => [left, right])")
    left, right = min(left for left, _ in bars), max(right for _, right in bars)
    assert axis[0] <= left < right < axis[1] + 3
    assert length < MILLISECOND or right - left > 0.35 * (axis[1] - axis[0])
