"""The page of lineage in a real Chromium: it serves eyes, keyboards and screen readers, and fetches nothing."""

import re
from dataclasses import replace
from itertools import combinations, pairwise

import pytest

from luigi_sinks.lineage.network import DatasetNode, Flow, JobNode, Network, Step, VersionNode
from luigi_sinks.recording.clock import SECOND
from tests.networks import DAY, HOUR, NOW, network, team

DEPARTURES = "mysql://db.internal:3306/flights.departures"
WEATHER = "mysql://db.internal:3306/flights.weather_observations"

BOXES = """[...document.querySelectorAll('[data-index]')].map(node => {
  const place = box => ({left: box.left, top: box.top, right: box.right, bottom: box.bottom});
  const texts = [...node.querySelectorAll('text')].filter(
    text => text.textContent && text.getBoundingClientRect().width && !text.closest('.badge'));
  return {
    box: place(node.querySelector('.box').getBoundingClientRect()),
    texts: texts.map(text => place(text.getBoundingClientRect())),
  };
})"""
CONTRASTS = """[...document.querySelectorAll(SELECTOR)].map(element => {
  const pen = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgb = color => {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = color;
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data];
  };
  const ground = at => {
    for (; at; at = at.parentElement) {
      const color = rgb(getComputedStyle(at).backgroundColor);
      if (color[3] === 255) return color;
    }
  };
  const light = color => color.slice(0, 3).map(part => part / 255)
    .map(part => part <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4)
    .reduce((sum, part, number) => sum + part * [.2126, .7152, .0722][number], 0);
  const box = element.closest('.node')?.querySelector('.box');
  const style = getComputedStyle(element);
  const one = light(rgb(box ? style.fill : style.color));
  const other = light(box ? rgb(getComputedStyle(box).fill) : ground(element));
  return [element.textContent, (Math.max(one, other) + .05) / (Math.min(one, other) + .05)];
})"""
REACHED = """(() => {
  const start = document.querySelector('[data-index][tabindex="0"]');
  const seen = new Set([start.dataset.index]), todo = [start.dataset.index];
  while (todo.length) {
    const index = todo.pop();
    for (const key of ['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown']) {
      const node = document.querySelector(`[data-index="${index}"]`);
      node.focus();
      node.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true}));
      const next = document.activeElement.dataset.index;
      if (next && !seen.has(next)) { seen.add(next); todo.push(next); }
    }
  }
  return seen.size;
})()"""


def text(tab, selector):
    return tab.run(f"document.querySelector({selector!r})?.textContent")


def texts(tab, selector):
    return tab.run(f"[...document.querySelectorAll({selector!r})].map(each => each.textContent)")


def node(key):
    return f"[data-index='{key}']"


def index_of(found, key):
    keys = [*(each.key for each in found.datasets), *(each.key for each in found.jobs)]
    return keys.index(key)


def click_on(tab, found, key):
    """Click on the middle of a node, after it was brought into sight."""
    tab.run("document.getElementById('fit').click()")
    selector = node(index_of(found, key))
    box = tab.run(
        f"(box => [box.x + box.width / 2, box.y + box.height / 2])"
        f"(document.querySelector({selector!r}).querySelector('.box').getBoundingClientRect())"
    )
    tab.click(*box)


def travel(tab, found, time):
    """Move the slider to the step that is next to a time; return the time of that step."""
    first, last = tab.run("[document.getElementById('as-of').min, document.getElementById('as-of').max].map(Number)")
    begin = earliest(found)
    step = round((time - begin) / (found.as_of - begin) * (last - first))
    tab.run(
        f"(slider => {{ slider.value = {step}; slider.dispatchEvent(new Event('input')) }})"
        "(document.getElementById('as-of'))"
    )
    tab.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return begin + (found.as_of - begin) * step / (last - first)


def earliest(found):
    times = [version.written for each in found.datasets for version in each.versions]
    times += [run.started for each in found.jobs for run in each.runs]
    return min(times + [flow.first for flow in (*found.reads, *found.writes)])


# What is seen


def test_every_node_is_a_button_that_says_what_it_is_and_how_it_is(open_page):
    tab = open_page(team())
    labels = tab.run("[...document.querySelectorAll('[data-index][role=button]')].map(each => each.ariaLabel)")
    assert len(labels) == 25
    assert "Dataset flights.weather_observations, stale for 2 d; 1 upstream, 1 downstream" in labels
    assert "Job LoadWeather, failed 2 h ago; 1 upstream, 1 downstream" in labels


def test_the_summary_counts_datasets_jobs_and_what_is_wrong(open_page):
    tab = open_page(team())
    assert text(tab, "#summary") == "14 datasets · 11 jobs · 3 stale · 1 failed"
    assert [each.rstrip("0123456789") for each in texts(tab, ".panel h3")] == [
        "Stale",
        "Failed",
        "Running",
        "Datasets",
        "Jobs",
    ]


def test_what_is_stale_differs_by_shape_and_words_as_well_as_by_colour(open_page):
    tab = open_page(team(), width=2600)
    stale, fresh = (node(index_of(team(), key)) for key in (WEATHER, DEPARTURES))
    shapes = [tab.run(f"document.querySelector(\"{each} .glyph\").getAttribute('d')") for each in (stale, fresh)]
    assert shapes[0] != shapes[1]
    assert text(tab, f"{stale} .sub") == "Stale for 2 d"
    assert text(tab, f"{fresh} .sub") == "mysql · db.internal:3306"


@pytest.mark.parametrize("width", [1440, 4000])
@pytest.mark.parametrize("found", [team(), network(50), network(400)], ids=["team", "50", "400"])
def test_no_card_overlaps_another_and_no_label_leaves_its_card(open_page, found, width):
    drawn = open_page(found, width=width).run(BOXES)
    assert len(drawn) == len(found.datasets) + len(found.jobs)
    for one, other in combinations([each["box"] for each in drawn], 2):
        assert (
            one["right"] <= other["left"] + 1
            or other["right"] <= one["left"] + 1
            or one["bottom"] <= other["top"] + 1
            or other["bottom"] <= one["top"] + 1
        )
    for each in drawn:
        for label in each["texts"]:
            assert each["box"]["left"] <= label["left"]
            assert label["right"] <= each["box"]["right"]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_texts_stand_out_from_what_they_stand_on(open_page, dark):
    tab = open_page(team(), dark=dark)
    selector = ".title, .sub, .bar h1, .bar p, .bar output, .panel h2, .panel h3, .name, .note, .path td, .legend li"
    before = tab.run(CONTRASTS.replace("SELECTOR", repr(selector)))
    click_on(tab, team(), WEATHER)
    after = tab.run(CONTRASTS.replace("SELECTOR", repr(".panel p, .panel dd, .panel dt, .panel code, .panel .right")))
    assert len(before) > 50
    assert len(after) > 20
    assert [(said, ratio) for said, ratio in before + after if said.strip() and ratio < 4.5] == []


def test_the_colours_follow_what_the_reader_prefers(open_page):
    ground = "getComputedStyle(document.body).backgroundColor"
    assert open_page(team()).run(ground) == "rgb(247, 247, 245)"
    assert open_page(team(), dark=True).run(ground) == "rgb(16, 17, 19)"


def test_a_narrow_window_shows_all_without_scrolling_aside(open_page):
    tab = open_page(team(), width=420, height=900)
    assert tab.run("document.documentElement.scrollWidth") == 420
    assert tab.run("document.querySelector('.panel').getBoundingClientRect().width") == 420


def test_an_empty_network_says_so(open_page):
    assert text(open_page(Network(NOW)), ".panel h2") == "Nothing is recorded yet"


# Details


def test_a_dataset_shows_owner_promise_versions_rows_checks_and_columns(open_page):
    found = team()
    tab = open_page(found)
    click_on(tab, found, DEPARTURES)
    assert text(tab, ".panel h2") == "flights.departures"
    facts = dict(zip(texts(tab, ".facts dt"), texts(tab, ".facts dd"), strict=True))
    assert (facts["Owner"], facts["Promise"]) == ("flight_ops", "at most 1 d old")
    versions = texts(tab, "[aria-label=Versions] li")
    newest = next(each for each in found.datasets if each.key == DEPARTURES).versions[0]
    assert len(versions) == 6
    assert versions[0].startswith(f"{newest.version}head")
    assert f"{newest.rows:,}".replace(",", "\u202f") in versions[0]
    assert "✓ 2 checks" in versions[0]
    assert "The newest 6 of 54." in texts(tab, ".panel .quiet")
    assert texts(tab, "[aria-label=Columns] td:first-child") == ["id", "carrier", "dep_delay"]
    assert "LoadFlights" in text(tab, ".panel")


def test_a_job_shows_its_runs_with_outcome_and_how_long_they_took(open_page):
    found = team()
    tab = open_page(found)
    click_on(tab, found, "luigi/LoadWeather")
    runs = texts(tab, "[aria-label=Runs] li")
    assert len(runs) == 8
    assert re.search(r"27 Nov 2026, 16:00.*15 min.*failed, BadRow · LoadWeather_2013_08", runs[0])
    assert re.search(r"26 Nov 2026, 16:00.*15 min.*complete · LoadWeather_2013_07", runs[1])
    assert "one in twenty longer than 35 min" in text(tab, ".facts")


def test_a_version_that_was_replaced_or_removed_is_no_head(open_page):
    first = VersionNode("f#_all#v1", "_all", "v1", "r1", NOW - 2 * DAY, (NOW - 2 * DAY,), removed=NOW - HOUR)
    second = VersionNode("f#_all#v2", "_all", "v2", "r2", NOW - DAY, (NOW - DAY,), is_head=True)
    found = Network(
        NOW, (DatasetNode("f", "file", "/f", versions=(second, first), updated=NOW - DAY, versions_count=2),)
    )
    tab = open_page(found, "#f")
    assert texts(tab, "[aria-label=Versions] li div:first-child") == ["v2head", "v1"]
    assert "rows deleted" in texts(tab, "[aria-label=Versions] li")[1]


@pytest.mark.parametrize("key", [DEPARTURES, WEATHER, "luigi/Centrality", "file//models/delay/model.pkl"])
def test_what_is_upstream_and_downstream_is_highlighted(open_page, key):
    found = team()
    tab = open_page(found)
    click_on(tab, found, key)
    traced = tab.run("[...document.querySelectorAll('.node.traced')].map(each => Number(each.dataset.index))")
    expected = found.upstream(key) | found.downstream(key) | {key}
    assert set(traced) == {index_of(found, each) for each in expected}
    counts = texts(tab, ".trace b")
    assert counts == [str(len(found.upstream(key) - {key})), str(len(found.downstream(key) - {key}))]


def test_one_direction_can_be_highlighted_alone(open_page):
    found = team()
    tab = open_page(found)
    click_on(tab, found, DEPARTURES)
    tab.run("document.querySelector('.trace .down').click()")
    traced = tab.run("[...document.querySelectorAll('.node.traced')].map(each => Number(each.dataset.index))")
    assert set(traced) == {index_of(found, each) for each in found.upstream(DEPARTURES) | {DEPARTURES}}
    assert tab.run("document.querySelector('.trace .down').ariaPressed") == "false"


# Time


@pytest.mark.parametrize("ago", [HOUR, 7 * HOUR, 30 * HOUR, 3 * DAY, 39 * DAY])
def test_the_slider_shows_what_was_stale_and_which_versions_were_heads(open_page, ago):
    found = team()
    tab = open_page(found)
    time = travel(tab, found, NOW - ago)
    for number, each in enumerate(found.datasets):
        known = [v for v in each.versions if v.written <= time]
        moments = [at for v in known for at in (v.written, *(at for at in v.published if at <= time))]
        then = replace(each, updated=max(moments, default=0))
        is_stale = tab.run(f"document.querySelector(\"{node(number)}\").classList.contains('stale')")
        assert is_stale == then.is_stale(round(time)), each.key


def test_going_back_to_the_latest_time_shows_what_is_now(open_page):
    found = team()
    tab = open_page(found)
    before = texts(tab, ".panel li")
    travel(tab, found, NOW - 3 * DAY)
    assert texts(tab, ".panel li") != before
    tab.run("document.getElementById('latest').click()")
    assert texts(tab, ".panel li") == before
    assert tab.run("document.getElementById('latest').disabled")


def test_what_was_not_there_yet_is_told_apart(open_page):
    job, late = JobNode("luigi/Late", "luigi", "Late"), DatasetNode("file//new", "file", "/new", updated=NOW - DAY)
    old = DatasetNode("file//old", "file", "/old", updated=NOW - 9 * DAY)
    reads = (Flow(job.key, old.key, NOW - 9 * DAY, NOW),)
    found = Network(NOW, (late, old), (job,), reads, (Flow(job.key, late.key, NOW - DAY, NOW),))
    tab = open_page(found)
    travel(tab, found, NOW - 5 * DAY)
    assert texts(tab, ".node.absent .title") == ["new"]


# The critical path


def test_the_critical_path_is_a_timeline_that_ends_with_the_chosen_run(open_page):
    found = team()
    tab = open_page(found)
    assert texts(tab, ".path tbody th .name") == [step.job.removeprefix("luigi/") for step in reversed(found.path)]
    ran = texts(tab, ".path td.took:not(.quiet)")
    assert ran == ["18 min", "1 h 10 min", "1 h 17 min", "57 min", "5 min"]
    assert texts(tab, ".path td.took.quiet") == ["", "50 min", "50 min", "50 min", ""]
    assert "5 h in all; LoadFlights lost 40 min to failed attempts." in text(tab, ".path header")


def test_bars_of_the_timeline_stand_where_their_times_are(open_page):
    found = team()
    tab = open_page(found)
    bars = tab.run(
        "[...document.querySelectorAll('.lane')].map(lane => [...lane.querySelectorAll('i')].map(bar => "
        "{const [one, all] = [bar, lane].map(each => each.getBoundingClientRect());"
        "return [bar.className, (one.left - all.left) / all.width, (one.right - all.left) / all.width]}))"
    )
    begin = min(step.ready for step in found.path)
    whole = NOW - begin
    for step, lane in zip(reversed(found.path), bars, strict=True):
        expected = [("waited", step.ready, step.started)]
        expected += [("failing", each.started, each.ended) for each in step.attempts]
        expected += [("ran", step.started, step.ended or NOW)]
        assert [kind for kind, _, _ in lane] == [kind for kind, _, _ in expected]
        for (_, left, right), (_, start, end) in zip(lane, expected, strict=True):
            assert left == pytest.approx((start - begin) / whole, abs=0.004)
            assert right == pytest.approx((end - begin) / whole, abs=0.004)


def test_a_step_that_waits_or_runs_lasts_until_now(open_page):
    begun = NOW - HOUR
    runs = Step("r1", "luigi/A", "A", "", begun, begun, 0, "", 0.0, 0.0, 3600.0)
    waits = Step("", "luigi/B", "B", "", begun, 0, 0, "waiting", 3600.0, 0.0, 0.0)
    tab = open_page(
        Network(NOW, jobs=(JobNode("luigi/A", "luigi", "A"), JobNode("luigi/B", "luigi", "B")), path=(waits, runs))
    )
    assert tab.run(
        "[...document.querySelectorAll('.lane i')].map(each => [each.className, each.style.left, each.style.width])"
    ) == [
        ["ran", "0%", "calc(100%)"],
        ["waited", "0%", "calc(100%)"],
    ]
    assert "not started yet" in text(tab, ".path tbody tr:last-child")


def test_a_step_of_the_timeline_leads_to_its_job(open_page):
    tab = open_page(team())
    tab.run("document.querySelector('.path tbody button').click()")
    assert text(tab, ".panel h2") == "FetchFlights"


def test_jobs_of_the_path_and_what_they_waited_for_are_marked_in_the_graph(open_page):
    marked = texts(open_page(team()), ".node.critical title")
    assert {each.rsplit("/", 1)[-1] for each in marked} >= {"flights.departures", "neo4j.routes", "BuildRoutes"}
    assert "luigi/LoadWeather" not in marked


# Keyboard and screen reader


def test_tab_leads_from_the_search_over_time_and_graph_to_the_panel(open_page):
    tab = open_page(team())
    stops = []
    for _ in range(7):
        tab.press("Tab")
        stops.append(
            tab.run(
                "document.activeElement.id || document.activeElement.dataset.index || document.activeElement.className"
            )
        )
    assert stops[:2] == ["search", "as-of"]
    assert stops[2].isdigit()
    assert stops[3:6] == ["nearer", "farther", "fit"]


@pytest.mark.parametrize("found", [team(), network(50), network(400)], ids=["team", "50", "400"])
def test_arrow_keys_reach_every_node(open_page, found):
    assert open_page(found).run(REACHED) == len(found.datasets) + len(found.jobs)


def test_arrow_keys_move_along_edges_and_enter_selects(open_page):
    found = team()
    tab = open_page(found, f"#{DEPARTURES}")
    tab.run(f'document.querySelector("{node(index_of(found, DEPARTURES))}").focus()')
    tab.press("ArrowLeft", "Enter")
    assert text(tab, ".panel h2") == "LoadFlights"
    tab.press("ArrowRight", "ArrowRight", "Enter")
    assert text(tab, ".panel h2") in {"DelayFeatures", "BuildRoutes", "IndexDelays"}
    tab.press("Escape")
    assert text(tab, ".panel h2") == "Overview"


def test_the_focus_stays_in_sight(open_page):
    tab = open_page(network(400))
    tab.run("document.querySelector('[tabindex=\"0\"][data-index]').focus()")
    for key in ["Home", *["ArrowRight", "ArrowDown"] * 6, "End"]:
        tab.press(key)
        tab.run("new Promise(done => setTimeout(done, 250))")
        left, right, top, bottom, width, height = tab.run(
            "((box, view) => [box.left - view.left, box.right - view.left, box.top - view.top, box.bottom - view.top,"
            " view.width, view.height])(document.activeElement.getBoundingClientRect(),"
            " document.getElementById('view').getBoundingClientRect())"
        )
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height


def test_search_finds_by_name_and_owner_and_leads_into_its_results(open_page):
    tab = open_page(team())
    tab.press("/", *"meteo")
    assert texts(tab, ".panel .name") == ["flights.weather_observations", "LoadWeather"]
    tab.press("ArrowDown", "ArrowDown", "Enter")
    assert text(tab, ".panel h2") == "LoadWeather"
    assert text(tab, "#said").startswith("Job LoadWeather, failed")


def test_everything_that_can_be_used_has_a_name_for_a_screen_reader(open_page):
    found = team()
    tab = open_page(found)
    click_on(tab, found, DEPARTURES)
    tree = tab.call("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "slider", "searchbox", "application", "region", "complementary", "table", "list", "link"}
    seen = [(each["role"]["value"], each.get("name", {}).get("value", "")) for each in tree if not each["ignored"]]
    assert [role for role, name in seen if role in {"button", "slider", "searchbox", "application"} and not name] == []
    assert {"button", "slider", "searchbox", "application", "complementary"} <= {role for role, _ in seen} & roles
    slider = next(each for each in tree if each.get("role", {}).get("value") == "slider")
    assert slider["name"]["value"] == "As of"
    assert tab.run("document.getElementById('as-of').ariaValueText") == "27 Nov 2026 19:00 UTC"


# The mouse


def test_a_drag_moves_the_graph_and_selects_nothing(open_page):
    found = team()
    tab = open_page(found)
    place = "(box => [box.x, box.y])(document.querySelector('[data-index] .box').getBoundingClientRect())"
    before = tab.run(place)
    tab.mouse("mousePressed", 500, 200, button="left", clickCount=1)
    for step in range(5):
        tab.mouse("mouseMoved", 500 + 20 * step, 200 + 10 * step, button="left", buttons=1)
    tab.mouse("mouseReleased", 580, 240, button="left", clickCount=1)
    after = tab.run(place)
    assert [round(new - old) for new, old in zip(after, before, strict=True)] == [80, 40]
    assert text(tab, ".panel h2") == "Overview"


def test_the_wheel_moves_and_with_control_zooms_at_the_pointer(open_page):
    tab = open_page(team())
    place = "(box => [box.x, box.y, box.width])(document.querySelector('[data-index] .box').getBoundingClientRect())"
    x, y, width = tab.run(place)
    tab.mouse("mouseWheel", 500, 300, deltaX=30, deltaY=-20)
    assert [round(each) for each in tab.run(place)] == [round(x - 30), round(y + 20), round(width)]
    tab.mouse("mouseWheel", 500, 300, deltaX=0, deltaY=-100, modifiers=2)
    assert tab.run(place)[2] > width


# Many nodes


def test_a_large_network_opens_on_a_neighbourhood_and_leads_to_the_rest(open_page):
    found = network(5_000)
    tab = open_page(found)
    drawn = tab.run("document.querySelectorAll('[data-index]').length")
    assert 50 < drawn <= 160
    assert "Show all 5\u202f000" in text(tab, "#extent")
    hidden = next(
        number
        for number in range(len(found.datasets))
        if not tab.run(f'Boolean(document.querySelector("{node(number)}"))')
    )
    name = found.datasets[hidden].name
    tab.press("/", *name, "ArrowDown", "Enter")
    assert text(tab, ".panel h2") == name
    assert tab.run("document.activeElement.id") == "panel"
    assert tab.run(f"document.querySelector(\"{node(hidden)}\").classList.contains('chosen')")


def test_arrow_keys_lead_out_of_a_neighbourhood(open_page):
    tab = open_page(network(5_000))
    badge = "document.querySelector('.badge').closest('[data-index]')"
    side = tab.run(f"{badge}.querySelector('.badge title').textContent")
    before = set(tab.run("[...document.querySelectorAll('[data-index]')].map(each => each.dataset.index)"))
    tab.run(f"{badge}.focus()")
    for _ in range(12):
        tab.press("ArrowLeft" if "upstream" in side else "ArrowRight")
    after = tab.run("document.activeElement.dataset.index")
    assert after not in before or not tab.run(f"Boolean({badge})")


def test_all_of_a_large_network_can_be_shown_and_reached_by_arrow_keys(open_page):
    tab = open_page(network(5_000))
    tab.run("document.querySelector('#extent button').click()")
    assert tab.run("document.querySelectorAll('[data-index]').length") == 5_000
    assert tab.run("document.getElementById('extent').hidden")
    assert tab.run(REACHED) == 5_000


# Names come from users

HOSTILE = [
    "</script><script>document.title = 'taken'</script>",
    "<!--<script>",
    "<img src=http://127.0.0.1:9/x onerror=\"document.title='taken'\">",
    "{{style}}{{data}}",
    "\u2028\u2029&amp;\"'`${document.title}",
    "__proto__",
    "\u202eevil\u202c",
    "a" * 400,
    "名前 🛫",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_is_shown_as_it_is_and_never_runs(open_page, name):
    dataset = DatasetNode(
        f"file/{name}", "file", name, name, NOW, 60, (VersionNode(name, name, name, name, NOW - SECOND, owner=name),), 1
    )
    job = JobNode(f"luigi/{name}", name, name, name)
    tab = open_page(Network(NOW, (dataset,), (job,), (Flow(job.key, dataset.key),), ()))
    assert tab.run("document.title") == "Lineage"
    tab.run("document.querySelector('[data-index=\"1\"]').dispatchEvent(new MouseEvent('click', {bubbles: true}))")
    assert text(tab, ".panel h2") == name
    assert tab.run("document.title") == "Lineage"
    assert tab.run("document.querySelectorAll('img, iframe, object').length") == 0


def test_the_page_allows_no_script_but_its_own_and_no_request(open_page):
    tab = open_page(team())
    tab.run(
        "(() => { const made = document.createElement('script'); made.textContent = 'window.ran = true';"
        " document.body.append(made); const image = new Image(); image.src = 'http://127.0.0.1:9/'; "
        "return fetch('http://127.0.0.1:9/').catch(() => null) })()"
    )
    assert tab.run("window.ran") is None
    assert any("Content Security Policy" in each for each in tab.complaints)
    tab.complaints.clear()
    tab.requests[:] = [url for url in tab.requests if url.startswith("file:")]


def test_layers_lead_from_left_to_right(open_page):
    found = team()
    tab = open_page(found)
    chain = [DEPARTURES, "luigi/BuildRoutes", "neo4j://graph.internal:7687/neo4j.routes", "luigi/Centrality"]
    lefts = [
        tab.run(f'document.querySelector("{node(index_of(found, key))} .box").getBoundingClientRect().left')
        for key in chain
    ]
    assert all(one < other for one, other in pairwise(lefts))
