"""The examples in docstrings run as they are, and each setting is described."""

import doctest
import re
from dataclasses import fields
from importlib import import_module
from io import StringIO
from pathlib import Path

import pytest

import luigi_sinks
from luigi_sinks import Origin, audit, config, load, target, task
from luigi_sinks.audit import AuditSettings
from luigi_sinks.contract import Contract, Field, TupleShape
from luigi_sinks.credentials import TokenInfo, provider, source, token
from luigi_sinks.credentials.journal import LeaseSettings
from luigi_sinks.credentials.provider import PROVIDER
from luigi_sinks.credentials.sources import BUILT_IN
from luigi_sinks.recording.settings import LineageSettings
from luigi_sinks.sqlite import SQLiteSink

PACKAGE = Path(luigi_sinks.__file__).parent

NEEDS_SERVER: dict[str, str] = {}
"""Modules whose examples cannot run in SQLite files, with the reason. They must be tested in tests/integration."""


def module_name(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = sorted(module_name(path) for path in PACKAGE.rglob("*.py") if ">>>" in path.read_text())


def examples(module):
    found = doctest.DocTestFinder(exclude_empty=True).find(import_module(module), module)
    return [example for example in found if example.examples]


@pytest.fixture
def fresh(tmp_path):
    """Return a function that configures a fresh `local` folder, a credential `db` and two versions of `flights`."""
    (tmp_path / "secret").write_text("twelve chars")
    contract = Contract("flights", {"": TupleShape((Field("id", int),))})

    def configure(number):
        local = tmp_path / f"{number}"
        credential = {"source": "file", "path": str(tmp_path / "secret")}
        config.use({"luigi_sinks": {"local": str(local), "credential": {"db": credential}}})
        sink = SQLiteSink(local, config.connection_key("mariadb"), "flights", contract)
        for last in (2, 3):
            load(sink, "_all", Origin("Flights_1"), [(number,) for number in range(last)])
        forget()

    def forget():
        PROVIDER.forget()
        audit.forget_settings()

    yield configure
    config.use(None)
    forget()


@pytest.mark.parametrize("module", [name for name in MODULES if name not in NEEDS_SERVER])
def test_the_examples_of_a_module_run(module, fresh):
    report, runner = StringIO(), doctest.DocTestRunner(verbose=False)
    for number, example in enumerate(examples(module)):
        fresh(number)
        runner.run(example, out=report.write)
    assert runner.tries > 0, "the examples are not in docstrings"
    assert runner.failures == 0, report.getvalue()


def test_modules_whose_examples_need_a_server_have_examples():
    assert NEEDS_SERVER.keys() <= set(MODULES)


def settings_of(name):
    module = import_module(f"luigi_sinks.credentials.sources.{name}")
    return getattr(module, f"{BUILT_IN[name].removesuffix('Source')}Settings")


@pytest.mark.parametrize(
    "kind", [config.Common, AuditSettings, LeaseSettings, LineageSettings, *map(settings_of, sorted(BUILT_IN))]
)
def test_each_setting_is_described_and_shown_in_an_example(kind):
    described = set(re.findall(r"`(\w+)`", kind.__doc__))
    assert {each.name for each in fields(kind)} - {"source"} <= described
    assert ">>>" in kind.__doc__


def test_the_options_of_targets_and_tasks_and_what_is_known_of_a_token_are_described():
    attributes = ("partition_by", "connection", "owner", "checks", "shared_with", "rerun")
    for kind, names in (
        (target.TargetOptions, target.TargetOptions.__annotations__),
        (task.CopyTask, attributes),
        (TokenInfo, [each.name for each in fields(TokenInfo)]),
        (source.Request, [each.name for each in fields(source.Request)]),
    ):
        assert set(names) <= set(re.findall(r"`(\w+)`", kind.__doc__)), kind


@pytest.mark.parametrize("kind", [target.VersionedTarget, task.CopyTask, source.Source, token.Token, provider.use])
def test_what_users_begin_with_has_an_example(kind):
    assert ">>>" in kind.__doc__
