"""What Airflow loads with each of its commands costs next to nothing."""

import json
import subprocess
import sys

import pytest

from luigi_sinks.errors import NotInstalled

IMPORTED = """
import json, sys
before = set(sys.modules)
from luigi_sinks_airflow.provider import get_provider_info
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(json.dumps([sorted(new - sys.stdlib_module_names), get_provider_info()]))
"""


def test_what_describes_the_provider_imports_nothing_but_itself():
    done = subprocess.run([sys.executable, "-c", IMPORTED], check=True, capture_output=True, text=True)
    modules, described = json.loads(done.stdout)
    assert modules == ["luigi_sinks_airflow"]
    assert described["package-name"] == "luigi-sinks"


def test_without_airflow_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "airflow", None)
    for name in ("luigi_sinks.airflow.sdk", "luigi_sinks.airflow.dataset"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import luigi_sinks.airflow  # noqa: PLC0415 - the package itself needs no Airflow

    with pytest.raises(NotInstalled, match=r"pip install 'luigi-sinks\[airflow\]'"):
        luigi_sinks.airflow.Dataset  # noqa: B018 - its module is imported now
