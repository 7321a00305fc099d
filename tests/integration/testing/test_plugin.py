"""The fixtures for users' tests, on real servers: the file of tests/unit/testing/test_plugin.py, unchanged."""

import re

import pytest

from luigi_sinks import stores
from tests.user_pipeline import TESTS

PLUGIN = ("-p", "luigi_sinks.testing.plugin", "-p", "no:cacheprovider")
STORES = [stores.find(name) for name in stores.names()]  # loaded here, as pytester forgets what a test imports
KILLED = """
import os, signal
import luigi
from test_pipeline import *

def test_that_is_killed(mariadb_sink, elasticsearch_sink, neo4j_sink):
    build(Search(month=MONTH))
    print("namespace", mariadb_sink.catalog("flights").dataset, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


NOTING = """
from luigi_sinks import config

def pytest_runtest_teardown(item):
    with open("namespaces", "a") as file:
        file.write(config.common().namespace + "\\n")
"""


@pytest.fixture
def run(pytester):
    """Return a function that runs files of tests in processes of their own, which note their namespaces."""
    pytester.makeconftest(NOTING)

    def run(*options, **files):
        pytester.makepyfile(**files)
        return pytester.runpytest_subprocess(*PLUGIN, *options)

    return run


def datasets(namespace):
    return [f"{store.name}: {name}" for store in STORES for name in store.datasets() if name.startswith(namespace)]


def test_two_workers_share_the_servers_and_leave_nothing(run, pytester):
    result = run("-n2", test_pipeline=TESTS)
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["luigi_sinks: servers run by *"])
    noted = (pytester.path / "namespaces").read_text().split()
    assert len(set(noted)) == 4
    assert not [name for namespace in noted for name in datasets(namespace)]


def test_what_a_killed_test_loaded_is_deleted_by_the_next(run):
    result = run("-s", "test_killed.py", test_pipeline=TESTS, test_killed=KILLED)
    assert result.ret == -9
    (namespace,) = re.findall(r"namespace (t\w+x\d+)_flights", result.stdout.str())
    assert len(datasets(namespace)) == 3
    run("test_pipeline.py", test_pipeline=TESTS).assert_outcomes(passed=4)
    assert not datasets(namespace)


def test_sinks_are_logged_in_to_by_tokens_where_a_test_asks_for_an_issuer(run):
    result = run(
        test_tokens=f"""
{TESTS}
from luigi_sinks import config

def test_tokens(mariadb_sink, elasticsearch_sink, neo4j_sink, token_issuer):
    sources = {{config.section(name)["source"] for name in config.section_names() if ".credential." in name}}
    assert "file" not in sources
    assert build(Search(month=MONTH)).scheduling_succeeded
    assert mariadb_sink.head("flights", "201301").rows == 3
"""
    )
    result.assert_outcomes(passed=5)


def test_opensearch_answers_in_the_place_of_elasticsearch(run):
    result = run(
        "-k",
        "test_on_opensearch",
        test_others=f"""
{TESTS}

class Codes(CopyToIndex):
    index, partition_by, id_field, mapping = "codes", (), "code", {{"code": {{"type": "keyword"}}}}

    def docs(self):
        return [{{"code": "AA"}}]

def test_on_opensearch(opensearch_sink):
    assert build(Codes()).scheduling_succeeded
    assert opensearch_sink.rows("codes") == [{{"code": "AA"}}]
""",
    )
    result.assert_outcomes(passed=1)


def test_servers_may_be_named_by_variables(run, monkeypatch, servers_config):
    from luigi_sinks.testing import servers  # noqa: PLC0415 - the extra is there where servers are

    for name, value in servers.env().items():
        monkeypatch.setenv(name, value)
    result = run(test_pipeline=TESTS)
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["luigi_sinks: servers named by variables"])
