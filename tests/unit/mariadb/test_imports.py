import subprocess
import sys

import pytest

IMPORTS = """
import importlib, sys
importlib.import_module("luigi_sinks.mariadb.{}")
assert "luigi" not in sys.modules, "luigi was imported"
"""
NO_DRIVER = """
import sys
sys.modules["mariadb"] = None
import luigi_sinks.mariadb
"""


@pytest.mark.parametrize("module", ["sink", "catalog", "store", "grants"])
def test_what_needs_no_luigi_imports_none(module):
    subprocess.run([sys.executable, "-W", "ignore", "-c", IMPORTS.format(module)], check=True)


def test_a_missing_driver_is_named_with_the_extra():
    done = subprocess.run([sys.executable, "-c", NO_DRIVER], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("luigi_sinks.errors.NotInstalled: ")
    assert done.stderr.splitlines()[-1].endswith(
        "install it with: pip install 'luigi-sinks[mariadb]', "
        "or without a compiler: pip install 'luigi-sinks[mariadb-wheel]'"
    )
