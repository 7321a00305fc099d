"""The fixtures for users' tests, on local sinks; tests/integration/testing has the same file on real servers."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.user_pipeline import TESTS

PLUGIN = ("-p", "luigi_sinks.testing.plugin", "-p", "no:cacheprovider")


@pytest.fixture
def run(pytester):
    """Return a function that runs a user's tests in a process of their own."""

    def run(tests, *options):
        pytester.makepyfile(test_pipeline=tests)
        return pytester.runpytest_subprocess(*PLUGIN, *options)

    return run


def test_a_users_tests_run_on_local_files(run):
    result = run(TESTS, "--sinks=local")
    result.assert_outcomes(passed=4)
    assert "luigi_sinks: servers" not in result.stdout.str()


def test_the_documentations_tests_run_on_local_files(run):
    text = (Path(__file__).parents[3] / "docs" / "testing.md").read_text()
    (block,) = re.findall("```python\n(.*?)```", text, re.DOTALL)
    run(block, "--sinks=local").assert_outcomes(passed=3)


def test_local_sinks_are_local_files_whatever_the_option_says(run):
    result = run(
        """
        import luigi
        from test_tasks import LoadFlights

        def test_flights(local_sinks):
            luigi.build([LoadFlights()], local_scheduler=True, log_level="WARNING")
            assert local_sinks.mariadb.head("flights").rows == 2
            assert local_sinks.neo4j.datasets() == []
        """.replace("from test_tasks import LoadFlights", TASK)
    )
    result.assert_outcomes(passed=1)


TASK = """
        from sqlalchemy import Column, Integer
        from luigi_sinks.mariadb import CopyToTable

        class LoadFlights(CopyToTable):
            table, partition_by, columns = "flights", (), [Column("id", Integer, primary_key=True)]

            def rows(self):
                return [(1,), (2,)]
"""


def test_a_test_that_forgot_its_fixture_loads_local_files_where_all_are_local(run, pytester):
    (pytester.path / "luigi.cfg").write_text("[luigi_sinks]\nlocal = elsewhere\n")
    tests = f"""
        import luigi
        {TASK}
        def test_flights():
            assert luigi.build([LoadFlights()], local_scheduler=True, log_level="WARNING")
        """
    run(tests, "--sinks=local").assert_outcomes(passed=1)
    assert not (pytester.path / "elsewhere").exists()


def test_what_was_not_published_fails_with_words_that_lead_on(run):
    result = run(
        """
        def test_nothing(local_sinks):
            local_sinks.mariadb.head("flights")
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*BadSetting: mariadb has no dataset 'flights'*"])


def test_a_test_knows_one_of_elasticsearch_and_opensearch(run):
    result = run("def test_both(elasticsearch_sink, opensearch_sink): ...")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*either elasticsearch_sink or opensearch_sink*"])


def test_lineage_is_recorded_beside_whatever_else_is_configured(run):
    result = run(
        f"""
        import luigi
        {TASK}
        def test_lineage(local_sinks, lineage_recorder):
            luigi.build([LoadFlights()], local_scheduler=True, log_level="WARNING")
            assert [run.task.job.name for run in lineage_recorder.runs()] == ["LoadFlights"]
            (write,) = lineage_recorder.writes()
            assert write.dataset.name.endswith("flights")
            assert local_sinks.mariadb.head("flights").rows == 2
        """
    )
    result.assert_outcomes(passed=1)


def test_the_plugin_imports_no_luigi_and_no_store_until_it_is_used():
    code = (
        "import sys, luigi_sinks.testing.plugin; "
        "print(sorted({'luigi', 'sqlalchemy', 'mariadb', 'neo4j', 'elasticsearch', 'polars'} & {*sys.modules}))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"
