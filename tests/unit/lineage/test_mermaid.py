"""What is drawn for Mermaid is valid whatever names there are, and shows what there is."""

import re

from luigi_sinks.lineage import mermaid
from luigi_sinks.lineage.network import Attempt, Flow, Step
from luigi_sinks.recording.clock import SECOND
from luigi_sinks.recording.events import Ended

MEAN = 'a"b];style n0 fill:red\n%%{init: {}}%%<script>'


def step(**how):
    known = {
        "run": "r1",
        "job": "luigi/Load",
        "task": "luigi/Load_1",
        "owner": "",
        "ready": 0,
        "started": 10 * SECOND,
        "ended": 20 * SECOND,
        "outcome": "complete",
        "waited": 10.0,
        "failed": 0.0,
        "ran": 10.0,
    }
    return Step(**{**known, **how})


def bars(*path, now=100 * SECOND):
    return [line.strip() for line in mermaid.gantt(path, now).splitlines()[3:]]


def test_datasets_flow_through_jobs_from_left_to_right():
    drawn = mermaid.flowchart([Flow("luigi/Load", "file//a.csv")], [Flow("luigi/Load", "db/a")], of="db/a")
    assert drawn.splitlines() == [
        "flowchart LR",
        '    n0[("db/a")]',
        '    n1[("file:///a.csv")]',
        '    n2["luigi/Load"]',
        "    n1 --> n2",
        "    n2 --> n0",
        "    style n0 stroke-width:4px",
    ]


def test_declared_flows_are_dotted():
    assert "n0 -.-> n1" in mermaid.flowchart([Flow("load", "a.csv", is_observed=False)], [])


def test_a_dataset_and_a_job_of_the_same_name_are_two():
    drawn = mermaid.flowchart([Flow("same", "same")], [])
    assert 'n0[("same")]' in drawn
    assert 'n1["same"]' in drawn


def test_no_name_can_end_its_label_or_line():
    drawn = mermaid.flowchart([Flow(MEAN, MEAN)], [Flow(MEAN, "x")])
    assert all(re.fullmatch(r"[\w\[\]()\".>: /#;=@+%-]*", line) for line in drawn.splitlines())
    labels = re.findall(r'"(.*)"', drawn)
    assert len(labels) == 3
    assert not any(set("[]{}<>\"'`\n") & set(label) for label in labels)


def test_a_path_is_drawn_from_the_start_of_the_build():
    before = step(run="r0", job="luigi/First", ready=0, started=2 * SECOND, ended=10 * SECOND)
    assert bars(step(ready=10 * SECOND), before) == [
        "section luigi/First",
        "waited :done, 0, 2000",
        "ran :active, 2000, 10000",
        "section luigi/Load",
        "ran :active, 10000, 20000",
    ]


def test_failed_attempts_stand_out_from_suspended_ones():
    attempts = (
        Attempt("a", Ended.FAILED, 1 * SECOND, 3 * SECOND),
        Attempt("b", Ended.SUSPENDED, 4 * SECOND, 6 * SECOND),
    )
    assert bars(step(attempts=attempts))[1:] == [
        "waited :done, 0, 1000",
        "failed :crit, 1000, 3000",
        "waited :done, 3000, 4000",
        "suspended :active, 4000, 6000",
        "waited :done, 6000, 10000",
        "ran :active, 10000, 20000",
    ]


def test_a_run_that_goes_on_is_drawn_until_now_and_a_task_that_waits_has_no_bar():
    assert bars(step(ended=0, outcome=""))[-1] == "runs :active, 10000, 100000"
    assert bars(step(run="", started=0, ended=0, outcome="waiting")) == ["section luigi/Load"]


def test_the_name_of_a_section_holds_nothing_that_mermaid_reads():
    assert bars(step(job=MEAN))[0] == "section abstyle n0 fill redinit  script"
