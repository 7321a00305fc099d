"""The pages in docs/ hold: each Python block runs, and the tables name each setting."""

import datetime as dt
import re
import subprocess
import sys
from dataclasses import MISSING, fields
from datetime import date
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints
from uuid import UUID

import luigi
import pytest
import sqlalchemy
from typer.testing import CliRunner

from luigi_sinks import audit, config, elasticsearch, mariadb, neo4j, owners, stores
from luigi_sinks.contract import Contract
from luigi_sinks.credentials import exchanges, journal
from luigi_sinks.credentials.sources import BUILT_IN
from luigi_sinks.errors import BadRow
from luigi_sinks.recording.settings import LineageSettings
from tests.pages import TASKS

ROOT = Path(__file__).parents[2]
DOCS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md"))
MARKDOWN = [*DOCS, *(path.name for path in ROOT.glob("*.md"))]
COMMANDS = sorted(
    {
        found
        for name in MARKDOWN
        for found in re.findall(r"^luigi-sinks ([^#\n]+)", (ROOT / name).read_text(), re.MULTILINE)
    }
)
CATALOG, VERSIONS = "docs/catalog.md", "docs/versions.md"
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text()
SECTIONS = {
    "[luigi_sinks]": config.Common,
    "[luigi_sinks.mariadb]": mariadb.MariaDBSettings,
    "[luigi_sinks.elasticsearch]": elasticsearch.ElasticsearchSettings,
    "[luigi_sinks.neo4j]": neo4j.Neo4jSettings,
    "[luigi_sinks.audit]": audit.AuditSettings,
    "[luigi_sinks.lineage]": LineageSettings,
    "[luigi_sinks.leases]": journal.LeaseSettings,
    "[luigi_sinks.exchanges]": exchanges.Exchanges,
}
OWNER = "[luigi_sinks.owner.NAME]"
SOURCES = {
    f"source = {name}": f"{'SigV4' if name == 'sigv4' else kind.removesuffix('Source')}Settings"
    for name, kind in BUILT_IN.items()
}
WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false"}


# Pages run


@pytest.fixture
def read(page, memory, monkeypatch, tmp_path):
    """Return a way to open a page where a newcomer does: in a folder of their own, with local sinks."""
    monkeypatch.chdir(tmp_path)
    return page


@pytest.mark.parametrize("name", [name for name in DOCS if name not in {CATALOG, VERSIONS}])
def test_each_block_of_a_page_runs_and_prints_what_the_page_says(read, name):
    read(name).run()


@pytest.mark.parametrize("store", ["mariadb", "elasticsearch", "neo4j"])
def test_the_catalogs_page_holds_for_each_store(read, departures, store):
    departures(store, "departures")
    found = read(CATALOG).run(compare=store == "mariadb", **{'"mariadb"': f'"{store}"'})
    states = [record.state for record in found.departures.records()]
    assert states == ["published", "dropped"]


def test_the_commands_on_versions_print_what_their_page_says(read, departures):
    departures("mariadb", "departures")
    ids = [record.version.id for record in stores.find("mariadb").catalog("departures").records()]
    found = read(VERSIONS)
    shown = sorted(set(re.findall(r"v\d{8}t\d{6}_[a-z2-7]{6}", found.text)))
    tidy = found.run(**dict(zip(shown, ids, strict=True))).Tidy(month=date(2013, 1, 1))
    for rerun in "abcd":
        assert luigi.build([tidy.clone(rerun=rerun)], local_scheduler=True, no_lock=True, log_level="WARNING")
    assert [record.state for record in tidy.output().sink().records()] == [*["retired"] * 3, "published"]


def test_the_page_on_the_catalog_holds_after_a_load_that_failed(read, departures):
    failing = TASKS["mariadb"]("departures", [{"id": "one"}])(month=date(2013, 1, 1), rerun="failed")
    assert not luigi.build([failing], local_scheduler=True, no_lock=True, log_level="WARNING")
    departures("mariadb", "departures")
    found = read(CATALOG).run(compare=False)
    assert [record.state for record in found.departures.records()] == ["failed", "published", "dropped"]


def test_the_page_on_the_catalog_needs_no_task_module(read):
    assert not re.search("import luigi$", read(CATALOG).text, re.MULTILINE)


def test_the_tasks_of_the_concepts_page_load_what_it_says(read):
    found = read("docs/concepts.md").run()
    january = found.Departures(month=date(2013, 1, 1))
    assert [record.origin.rerun for record in january.output().sink().records()] == ["", "", "corrected"]
    assert Path("carriers.txt").read_text() == "UA"
    assert not luigi.build([found.ManyDepartures(month=date(2013, 1, 1))], local_scheduler=True, no_lock=True)


def test_the_logging_cfg_of_the_page_shows_loads_and_no_audit(read, tmp_path):
    read("docs/concepts.md").run()
    program = """
import logging, logging.config
logging.config.fileConfig("logging.cfg")
for name in ("luigi_sinks", "luigi_sinks.audit", "luigi-interface", "urllib3"):
    logging.getLogger(name).info("this is %s", name)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path / "page", capture_output=True, text=True)
    assert [line.rpartition(" ")[2] for line in done.stderr.splitlines()] == ["luigi_sinks", "luigi-interface"]


VALUES = re.findall(
    r"^\| `(\w+\(.*?\))` \| (.+) \| (.+) \|$", (ROOT / "docs" / "concepts.md").read_text(), re.MULTILINE
)
NAMES = {**vars(sqlalchemy), **vars(dt), "Decimal": Decimal, "UUID": UUID}


@pytest.mark.parametrize(("column", "taken", "refused"), VALUES, ids=[column for column, *_ in VALUES])
def test_a_column_takes_and_refuses_the_values_that_the_page_says(column, taken, refused):
    schema = mariadb.parse_schema("t", [sqlalchemy.Column("c", eval(column, NAMES))])
    contract = Contract("t", {"": schema.shape})
    for value in re.findall(r"`(.+?)`", taken):
        assert len(contract.accept("", [(eval(value, NAMES),)], 1)[0]) == 1, value
    for value in re.findall(r"`(.+?)`", refused):
        with pytest.raises(BadRow):
            contract.accept("", [(eval(value, NAMES),)], 1)


def test_the_table_of_values_names_each_type_of_column():
    assert len(VALUES) == 14


# Configuration


def headings():
    """Return the tables of the page on configuration, by the heading above each."""
    parts = re.split(r"^### `(.+)`$", CONFIGURATION, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def stated(heading: str) -> list[tuple[str, str, str]]:
    """Return name, type without its unit, and default of each setting in a table."""
    found = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \| .+ \|$", headings()[heading], re.MULTILINE)
    return [(name, re.sub(", (seconds|bytes|rows)$", "", kind), default) for name, kind, default in found]


def settings_of(heading: str) -> type[Any]:
    if heading in SECTIONS:
        return SECTIONS[heading]
    module = import_module(f"luigi_sinks.credentials.sources.{heading.removeprefix('source = ')}")
    found: type[Any] = getattr(module, SOURCES[heading])
    return found


def rows_of(kind: type[Any]) -> list[tuple[str, str, str]]:
    """Return name, type and default of each setting, as a table must have them."""
    hints = get_type_hints(kind)
    return [(each.name, type_of(hints[each.name]), default_of(each)) for each in fields(kind) if each.name != "source"]


def type_of(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(hint))
    return WORDS.get(hint, "path")


def default_of(each: Any) -> str:
    if each.default is MISSING:
        return "required"
    if each.default in {"", None}:
        return "none"
    return f"`{str(each.default).lower() if isinstance(each.default, bool) else str(each.default).removesuffix('.0')}`"


def test_every_section_and_source_has_a_table():
    assert headings().keys() == {*SECTIONS, *SOURCES, OWNER}


def test_the_table_of_an_owner_names_a_role_for_each_store():
    assert {name for name, *_ in stated(OWNER)} == {"aws_role", *(f"{store}_role" for store in stores.names())}


@pytest.mark.parametrize("heading", [*SECTIONS, *SOURCES])
def test_a_table_names_each_setting_with_its_type_and_default(heading):
    assert stated(heading) == rows_of(settings_of(heading))


@pytest.mark.parametrize("name", MARKDOWN)
def test_each_configuration_that_is_shown_is_understood(page, luigi_cfg, name):
    for kind, marker in (("cfg", "ini"), ("toml", "toml")):
        for block in page(name).blocks(marker):
            luigi_cfg(block, kind)
            for section in re.findall(r"^\[(luigi_sinks[\w.]*)\]$", block, re.MULTILINE):
                understand(section)


def understand(section: str) -> None:
    """Read a section as whoever needs it does; raises BadSetting if it cannot work."""
    if section.startswith("luigi_sinks.owner."):
        assert owners.find(section.removeprefix("luigi_sinks.owner.")).roles
    elif section.startswith("luigi_sinks.credential."):
        config.read(settings_of(f"source = {config.section(section)['source']}"), section)
    else:
        config.read(SECTIONS[f"[{section}]"], section)


# What the pages name


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_is_there(command):
    from luigi_sinks.cli.app import app  # noqa: PLC0415 - the other tests do without the command

    words = command.split()
    named = words[: 2 if words[0] in {"audit", "lineage"} else 1]
    shown = CliRunner().invoke(app, [*named, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert all(word in shown.output for word in [*named, *(word for word in words if word.startswith("--"))])


def test_grants_are_printed_for_the_tasks_of_the_page(page, luigi_cfg, tmp_path, monkeypatch):
    from luigi_sinks.cli.app import app  # noqa: PLC0415 - as above

    grants = page("docs/owners-and-grants.md")
    grants.run()
    monkeypatch.syspath_prepend(tmp_path / "page")
    luigi_cfg("\n".join([page("docs/configuration.md").blocks("ini")[0], grants.blocks("ini")[0]]))
    printed = CliRunner().invoke(app, ["grants", "my_tasks", "--format", "sql"])
    assert "GRANT INSERT ON `flights__v`.`departures__add` TO `flight_ops`;" in printed.output


@pytest.mark.parametrize("name", MARKDOWN)
def test_every_make_target_is_there(name):
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?:^|`)make (\w+)", (ROOT / name).read_text(), re.MULTILINE):
        assert re.search(rf"^([\w -]+ )?{target}( [\w -]+)?:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("name", MARKDOWN)
def test_every_file_and_page_it_names_is_there(name):
    text = (ROOT / name).read_text()
    for path in re.findall(r"`((?:examples|luigi_sinks|tests|docs|benchmarks)/[\w/.]*)`", text):
        assert (ROOT / path).exists(), path
    for link, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", text):
        page = (ROOT / name).parent / link if link else ROOT / name
        assert page.exists(), link
        assert not anchor or anchor in anchors(page), f"{link}#{anchor}"


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
