"""Fixtures of pytest for pipelines that load by luigi_sinks; docs/testing.md shows them.

pytest finds this module by its entry point in every run, so it imports next to nothing
until a fixture is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from luigi_sinks.testing.reachable import Reachable
    from luigi_sinks.testing.recorded import Recorded
    from luigi_sinks.testing.sinks import LoadedSink, Sinks

_OPENSEARCH = "opensearch_sink"
_FIXTURES = {f"{name}_sink": name for name in ("mariadb", "elasticsearch", "neo4j", "opensearch")}
_way = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the choice between real servers and local files."""
    parser.getgroup("luigi_sinks").addoption(
        "--sinks",
        choices=("servers", "local"),
        default="servers",
        help="what mariadb_sink and its like are: real servers (the default), or SQLite files, for every test then",
    )


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say in one line what the servers were, if there were any."""
    if way := config.stash.get(_way, None):
        terminalreporter.write_line(f"luigi_sinks: servers {way}")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Keep what a worker of pytest-xdist found the servers to be."""
    if way := getattr(node, "workeroutput", {}).get("luigi_sinks"):
        node.config.stash[_way] = way


@pytest.fixture
def local_sinks(_sinks: Sinks) -> Sinks:
    """Give the sinks of a pipeline, each answered from a SQLite file: no server, and milliseconds a test.

    Example:
        def test_flights(local_sinks):
            luigi.build([LoadFlights()], local_scheduler=True)
            assert local_sinks.mariadb.head("flights").rows == 3

    """
    return _sinks


@pytest.fixture
def mariadb_sink(_sinks: Sinks) -> LoadedSink:
    """Give MariaDB, as the tasks under test see it in every section of it: an empty namespace for each test.

    Example:
        def test_flights(mariadb_sink):
            luigi.build([LoadFlights()], local_scheduler=True)
            assert mariadb_sink.head("flights").rows == 3

    """
    return _sinks.mariadb


@pytest.fixture
def elasticsearch_sink(_sinks: Sinks) -> LoadedSink:
    """Give Elasticsearch, as `mariadb_sink` does MariaDB."""
    return _sinks.elasticsearch


@pytest.fixture
def opensearch_sink(_sinks: Sinks) -> LoadedSink:
    """Give OpenSearch, in the sections of Elasticsearch, as `mariadb_sink` does MariaDB."""
    return _sinks.elasticsearch


@pytest.fixture
def neo4j_sink(_sinks: Sinks) -> LoadedSink:
    """Give Neo4j, as `mariadb_sink` does MariaDB."""
    return _sinks.neo4j


@pytest.fixture
def token_issuer(_sinks: Sinks) -> None:
    """Have the test's sinks be logged in to by short-lived tokens, which local identity providers issue."""


@pytest.fixture
def lineage_recorder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Recorded]:
    """Give what runs record for lineage, into a folder of the test.

    Example:
        def test_lineage(local_sinks, lineage_recorder):
            luigi.build([LoadFlights()], local_scheduler=True)
            assert [run.task.job.name for run in lineage_recorder.runs()] == ["LoadFlights"]

    """
    if {"local_sinks", *_FIXTURES} & {*request.fixturenames}:
        request.getfixturevalue("_sinks")
    from luigi_sinks.testing import recorded  # noqa: PLC0415 - see the module's docstring

    with recorded.recording_into(tmp_path / "lineage") as found:
        yield found


@pytest.fixture(autouse=True)
def _local_for_all(request: pytest.FixtureRequest) -> None:
    """With --sinks=local, let no test load where luigi.cfg says, though it forgot the fixture."""
    if request.config.getoption("sinks") == "local":
        request.getfixturevalue("_sinks")


@pytest.fixture
def _sinks(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sinks]:
    """Configure the sinks that a test asks for, and leave nothing of them."""
    from luigi_sinks.testing import sinks  # noqa: PLC0415 - see the module's docstring

    asked = {*request.fixturenames}
    if "local_sinks" in asked or request.config.getoption("sinks") == "local":
        with sinks.local(tmp_path / "sinks") as found:
            yield found
        return
    names = [name for fixture, name in _FIXTURES.items() if fixture in asked]
    if {_OPENSEARCH, "elasticsearch_sink"} <= asked:
        raise pytest.UsageError("a test has either elasticsearch_sink or opensearch_sink: tasks know one of them")
    up = request.getfixturevalue("sink_servers")
    with sinks.on_servers(up(names, by_tokens="token_issuer" in asked)) as found:
        yield found


@pytest.fixture(scope="session")
def sink_servers(request: pytest.FixtureRequest) -> Callable[..., Reachable]:
    """Give a function that has servers up, and returns the sections of luigi.cfg that lead to them.

    They are those that variables such as LUIGI_SINKS_MARIADB_HOST name, as `python -m
    luigi_sinks.testing.servers env` prints them; else containers where a Docker engine answers;
    else local processes. All processes of a run share them.
    """
    from luigi_sinks.testing import reachable  # noqa: PLC0415 - see the module's docstring

    def up(names: Sequence[str], *, by_tokens: bool = False) -> Reachable:
        found = reachable.up(names, by_tokens=by_tokens)
        request.config.stash[_way] = found.way
        getattr(request.config, "workeroutput", {})["luigi_sinks"] = found.way
        return found

    return up
