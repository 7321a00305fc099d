"""What is known of a job becomes its facets."""

import pytest

from tests.unit.lineage.one_run import COMMIT, facet, sent, start


def test_a_job_is_a_batch_task_of_its_orchestrator_with_an_owner():
    job = sent(start(orchestrator="luigi", owner="flight_ops"))[0]["job"]
    assert facet(job, "jobType") == {"processingType": "BATCH", "integration": "LUIGI", "jobType": "TASK"}
    assert facet(job, "ownership") == {"owners": [{"name": "team:flight_ops"}]}


@pytest.mark.parametrize(
    ("source", "url"),
    [
        ("/srv/my tasks.py", "file:///srv/my%20tasks.py"),
        ("my tasks.py", f"swh:1:rev:{COMMIT};path=/my%20tasks.py"),
        ("https://git.example/tasks.py", "https://git.example/tasks.py"),
    ],
    ids=["no checkout", "in a checkout", "a URL"],
)
def test_the_source_is_the_file_at_its_commit(source, url):
    job = sent(start(source=source, commit=COMMIT))[0]["job"]
    assert facet(job, "sourceCodeLocation") == {"type": "git", "url": url, "path": source, "version": COMMIT}


def test_a_path_in_a_checkout_whose_commit_is_unknown_has_no_url_and_so_no_facet():
    assert "sourceCodeLocation" not in sent(start(source="tasks.py"))[0]["job"]["facets"]
