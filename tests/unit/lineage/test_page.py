"""The page is one file that holds all that it needs, whatever the names in it are."""

import base64
import hashlib
import json
import re

import pytest

from luigi_sinks.lineage import page
from luigi_sinks.lineage.network import DatasetNode, Flow, JobNode, Network
from tests.networks import team


def data(html):
    return re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)[1]


def test_the_page_names_nothing_to_fetch():
    html = page.render(team())
    assert re.findall(r"<(?:link|script|img|iframe|object|embed)\b[^>]*(?:src|href)=\"(?!data:)", html) == []
    assert "url(" not in page._asset("page.css")
    assert "@import" not in page._asset("page.css")


def test_its_policy_allows_its_own_script_alone():
    html = page.render(team())
    script = re.search(r"<script>(.*)</script>\n</body>", html, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in html


@pytest.mark.parametrize("name", ["</script>", "<!--<script>", "a & b", "\u2028\u2029", "{{script}}", "名前", '"'])
def test_a_name_ends_no_script_and_is_read_back_as_it_is(name):
    found = data(page.render(Network(0, (DatasetNode(name, name, name),))))
    assert not set("<>&\u2028\u2029") & set(found)
    assert json.loads(found)["nodes"][0]["key"] == name


def test_the_title_is_text():
    assert "<title>a &lt; b</title>" in page.render(Network(0), "a < b")


def test_a_flow_of_what_is_not_in_the_network_is_left_out():
    job = JobNode("luigi/Load", "luigi", "Load")
    html = page.render(Network(0, jobs=(job,), reads=(Flow(job.key, "file//gone"),)))
    assert json.loads(data(html))["edges"] == []


@pytest.mark.parametrize("mode", [None, 0o644], ids=["new", "there"])
def test_its_file_can_be_read_by_its_writer_alone_as_what_is_recorded_can(tmp_path, mode):
    path = tmp_path / "page.html"
    if mode:
        path.touch(mode)
    page.write(Network(0), path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_only_flows_along_which_the_data_of_the_run_came_are_marked():
    files = tuple(DatasetNode(f"file//{month}", "file", f"/{month}") for month in ("01", "02"))
    fetch, report = JobNode("luigi/Fetch", "luigi", "Fetch"), JobNode("luigi/Report", "luigi", "Report")
    reads, writes = (tuple(Flow(job.key, file.key) for file in files) for job in (report, fetch))
    trail = ((report.key, files[1].key), (files[1].key, fetch.key))
    edges = json.loads(data(page.render(Network(0, files, (fetch, report), reads, writes, trail=trail))))["edges"]
    assert {(edge["start"], edge["end"]) for edge in edges if edge.get("trail")} == {(1, 3), (2, 1)}
    assert len(edges) == 4


def test_datasets_of_one_name_are_told_apart_by_where_they_are():
    names = [
        ("01.csv", "/a/x/raw"),
        ("01.csv", "/b/x/raw"),
        ("01.csv", "/b/clean"),
        ("t", "mysql · one"),
        ("t", "mysql · two"),
    ]
    assert page.told_apart(names) == [
        "a/x/raw/01.csv",
        "b/x/raw/01.csv",
        "clean/01.csv",
        "mysql · one/t",
        "mysql · two/t",
    ]


def test_datasets_of_which_all_is_alike_keep_what_they_are_called():
    assert page.told_apart([("t", "w"), ("t", "w")]) == ["w/t", "w/t"]
