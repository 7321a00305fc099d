"""What a process keeps open to the stores can be closed, and is opened again by the next call."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import sys
from contextlib import suppress
from pathlib import Path
import luigi_sinks
from luigi_sinks import config, stores

def ports():
    own = set()
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the folder's own
            own.add(str(link.readlink()))
    lines = [line for table in ("tcp", "tcp6") for line in Path(f"/proc/self/net/{table}").read_text().splitlines()[1:]]
    found = [line.split() for line in lines]
    return {int(fields[2].rpartition(":")[2], 16) for fields in found if f"socket:[{fields[9]}]" in own}

store = sys.argv[1]
port = int(config.section(f"luigi_sinks.{store}")["port"])
for _ in range(2):
    assert port not in ports()
    stores.find(store).check()
    assert port in ports()
    luigi_sinks.close()
    assert port not in ports()
"""
"""It looks at the kernel's own tables, in a process of its own: others of this one may have connections, too."""


@pytest.mark.parametrize("store", ["mariadb", "elasticsearch", "neo4j"])
def test_nothing_is_open_after_closing_and_the_next_call_connects_again(store, luigi_config):
    environ = {**os.environ, "LUIGI_CONFIG_PATH": str(luigi_config)}
    subprocess.run([sys.executable, "-c", SCRIPT, store], env=environ, check=True, timeout=60)
