"""A virtual environment with Airflow, beside that of the tests, as Airflow has some hundred and fifty packages.

`make test` makes it before the suite runs: `python tests/airflow_environment.py`. It is made
again when the project's dependencies change.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

VARIABLE = "LUIGI_SINKS_AIRFLOW"
"""The environment variable with the folder of one that is there, with Airflow and this project, to be used instead."""

ROOT = Path(__file__).parents[1]
NEEDS = [ROOT / "pyproject.toml", ROOT / "constraints.txt"]
EXTRAS = "airflow,mariadb-wheel,elasticsearch,neo4j,vault"
PROVIDERS = ["apache-airflow-providers-openlineage"]


def programs() -> Path:
    """Return the folder of the environment's programs; make the environment if it is missing or out of date."""
    if given := os.environ.get(VARIABLE):
        return Path(given) / "bin"
    folder = Path(sys.prefix) / "airflow"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other processes of tests wait here
        ready = folder / "ready"
        if not ready.exists() or ready.read_text() != _stamp():
            _make(folder)
            ready.write_text(_stamp())
    return folder / "bin"


def _stamp() -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in NEEDS)).hexdigest()


def _make(folder: Path) -> None:
    """Install it. Modules are compiled when one is first imported, as most never are."""
    pinned = ["--constraint", "constraints.txt", "--build-constraint", "constraints.txt"]
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    pip = [folder / "bin/pip", "install", "--quiet", "--no-compile"]
    subprocess.run([*pip, "--upgrade", "pip"], check=True)
    subprocess.run([*pip, *pinned, *PROVIDERS, "--editable", f".[{EXTRAS}]"], cwd=ROOT, check=True)


if __name__ == "__main__":
    print(programs())  # noqa: T201
