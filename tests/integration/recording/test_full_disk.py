"""A real disk that is full: what fitted is whole, the rest is counted, and the count is written once there is room."""

import json
import subprocess
import sys

from tests.integration.recording.conftest import ROOT

IN_SMALL_MEMORY = """
mount -t tmpfs -o size=256k,mode=0700 none "$0" || exit 99
exec "$@"
"""

PROGRAM = """
import json, sys
from pathlib import Path
from luigi_sinks.recording import spool
from luigi_sinks.recording.events import Lost, Need, Job, Task

folder = Path(sys.argv[1])
tasks = [Task(Job("luigi", "Load"), f"Load_{number}") for number in range(3001)]
needs = [Need(at=number, task=task, needs=tasks[0]) for number, task in enumerate(tasks)]
(folder / "ballast").write_bytes(bytes(100_000))
writer = spool.Spool(folder)
for need in needs[:3000]:
    writer.append(need)
(path,) = spool.files(folder)
full = [event for _, event in spool.read(path)]
whole = path.read_bytes().endswith(b"\\n")
(folder / "ballast").unlink()
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
    command = ["unshare", "-rm", "sh", "-c", IN_SMALL_MEMORY, tmp_path, sys.executable, "-c", PROGRAM, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["whole"]
    assert found["in order"]
    assert 300 < found["kept"] < 3000
    assert found["broken"] == 0
    assert found["lost"] == [3000 - found["kept"]]
    assert found["last"] == 3000
