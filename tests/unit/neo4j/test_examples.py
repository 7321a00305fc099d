"""The examples in docstrings run as they stand."""

import doctest
from importlib import import_module

import pytest


@pytest.mark.parametrize("module", ["catalog", "names", "schema", "settings", "target", "task", "types"])
def test_examples_run(module):
    found = doctest.testmod(import_module(f"luigi_sinks.neo4j.{module}"))
    assert (found.failed, found.attempted > 0) == (0, True)
