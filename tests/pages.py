"""Runs the documentation: pages block by block, and the dataset that the page on the catalog speaks of."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from datetime import date
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import luigi
import pytest

ROOT = Path(__file__).parents[1]

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"# ([\w.]+\.(?:py|cfg|toml))\n")
_ID = re.compile(r"v\d{8}t\d{6}_[a-z2-7]{6}")
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ")
_OTHER = re.compile(r"^(principal +|took +|of which +|published +.* by ).*", re.MULTILINE)
"""What `show` prints of the user and the machine."""


class Page:
    """A page of the documentation, whose blocks are run in their order.

    A block that begins with the name of a file (`# luigi.cfg`, `# show.py`) is saved as
    that file; other Python is run here, in one namespace a page. Of a block of `sh` the
    lines are run that call python; a block of `bash` is not run, as it needs a server. The
    commands of a `console` block are run here. A `text` block after one that was run must
    be what it printed; versions' ids, times, and the user may differ.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.text = (ROOT / name).read_text(encoding="utf-8")
        self.names: dict[str, Any] = {"__name__": f"page_{Path(name).stem}"}
        self._folder = folder

    def run(self, *, compare: bool = True, **replace: str) -> SimpleNamespace:
        """Run the blocks, with words of the page replaced; return the names that they define."""
        printed = ""
        for kind, block in self._blocks(replace):
            if kind == "text":
                assert not compare or _comparable(printed) == _comparable(block)
            elif found := _FILE.match(block):
                (self._folder / found[1]).write_text(block, encoding="utf-8")
            elif kind == "python":
                printed = self._execute(block)
            elif kind == "console":
                printed = "".join(map(_command, block.splitlines()))
            elif kind == "sh":
                printed = "".join(map(self._call, re.findall(r"^python .+", block, re.MULTILINE)))
        return SimpleNamespace(**self.names)

    def blocks(self, kind: str) -> list[str]:
        """Return the text of all blocks of a kind."""
        return [block for each, block in self._blocks({}) if each == kind]

    def _blocks(self, replace: dict[str, str]) -> Iterator[tuple[str, str]]:
        text = self.text
        for word, other in replace.items():
            text = text.replace(word, other)
        return (found.groups() for found in _BLOCK.finditer(text))

    def _execute(self, block: str) -> str:
        printed = StringIO()
        with redirect_stdout(printed):
            exec(compile(block, self.names["__name__"], "exec"), self.names)
        return printed.getvalue()

    def _call(self, command: str) -> str:
        arguments = [sys.executable, *shlex.split(command)[1:]]
        ran = subprocess.run(arguments, cwd=self._folder, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout


def _command(line: str) -> str:
    from typer.testing import CliRunner  # noqa: PLC0415 - most pages show no command

    from luigi_sinks.cli.app import app  # noqa: PLC0415 - as above

    ran = CliRunner().invoke(app, shlex.split(line)[1:], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def _comparable(text: str) -> str:
    return _OTHER.sub(r"\1OTHER", _TIME.sub("TIME", _ID.sub("ID", text)))


@pytest.fixture
def page(tmp_path: Path) -> Callable[[str], Page]:
    """Return a way to open a page of the documentation, whose files go into a fresh folder."""
    folder = tmp_path / "page"
    folder.mkdir()
    return lambda name: Page(name, folder)


@pytest.fixture
def departures() -> Callable[[str, str], None]:
    """Return a way to load January's departures twice into a store, the second time from the wrong file."""

    def load(store: str, dataset: str) -> None:
        for rerun, rows in (("", ROWS), ("corrected", ROWS[:1])):
            task = TASKS[store](dataset, rows)(month=date(2013, 1, 1), rerun=rerun)
            assert luigi.build([task], local_scheduler=True, no_lock=True, log_level="WARNING")

    return load


ROWS = [{"id": 1, "carrier": "UA"}, {"id": 2, "carrier": "AA"}]


class Monthly(luigi.Task):
    month = luigi.MonthParameter()
    partition_by = ("month",)


def in_mariadb(dataset, given):
    from sqlalchemy import Column, Integer, String  # noqa: PLC0415 - most tests need no store

    from luigi_sinks import mariadb  # noqa: PLC0415 - as above

    class Departures(Monthly, mariadb.CopyToTable):
        table = dataset
        columns = [Column("id", Integer, primary_key=True), Column("carrier", String(2), nullable=False)]

        def rows(self):
            return given

    return Departures


def in_elasticsearch(dataset, given):
    from luigi_sinks import elasticsearch  # noqa: PLC0415 - as above

    class Departures(Monthly, elasticsearch.CopyToIndex):
        index = dataset
        id_field = "id"
        mapping = {"id": {"type": "integer"}, "carrier": {"type": "keyword"}}

        def docs(self):
            return given

    return Departures


def in_neo4j(dataset, given):
    from luigi_sinks import neo4j  # noqa: PLC0415 - as above

    class Departures(Monthly, neo4j.CopyToGraph):
        graph = dataset
        nodes = [neo4j.Node("Departure", key="id", properties={"id": int, "carrier": str})]

        def rows(self):
            return (("Departure", row) for row in given)

    return Departures


TASKS = {"mariadb": in_mariadb, "elasticsearch": in_elasticsearch, "neo4j": in_neo4j}
