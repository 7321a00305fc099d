"""A full disk: what fitted is whole, the rest is counted, and the count is written once there is room.

A limit on the size of the process's files emulates the disk: the kernel cuts a write short, then refuses the next.
"""

import json
import subprocess
import sys

from tests.integration.recording.conftest import ROOT

PROGRAM = """
import json, resource, sys
from pathlib import Path
from luigi_sinks.recording import spool
from luigi_sinks.recording.events import Lost, Need, Job, Task

folder = Path(sys.argv[1])
tasks = [Task(Job("luigi", "Load"), f"Load_{number}") for number in range(3001)]
needs = [Need(at=number, task=task, needs=tasks[0]) for number, task in enumerate(tasks)]
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, most))
writer = spool.Spool(folder)
for need in needs[:3000]:
    writer.append(need)
(path,) = spool.files(folder)
full = [event for _, event in spool.read(path)]
whole = path.read_bytes().endswith(b"\\n")
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
writer.append(needs[3000])
found = [event for _, event in spool.read(path)]
print(json.dumps({
    "whole": whole,
    "kept": len(full),
    "in order": full == needs[:len(full)],
    "broken": found.count(None),
    "lost": [event.count for event in found if isinstance(event, Lost)],
    "last": found[-1].at,
}))
"""


def test_what_fitted_is_whole_and_the_rest_is_counted(tmp_path):
    command = [sys.executable, "-c", PROGRAM, tmp_path / "spool"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["whole"]
    assert found["in order"]
    assert 300 < found["kept"] < 3000
    assert found["broken"] == 0
    assert found["lost"] == [3000 - found["kept"]]
    assert found["last"] == 3000
