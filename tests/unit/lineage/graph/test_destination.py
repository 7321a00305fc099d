"""Without the driver of Neo4j a flush says so, and events stay."""

import os
import subprocess
import sys

from luigi_sinks.recording.events import Job, Start, Task
from luigi_sinks.recording.spool import Spool


def test_without_the_extra_the_report_names_it_and_the_events_stay(tmp_path):
    Spool(tmp_path).append(Start(at=1, run="r", task=Task(Job("luigi", "Load"), "Load_1")))
    program = f"""
import sys
sys.modules["neo4j"] = None
from pathlib import Path
from luigi_sinks import config
from luigi_sinks.lineage.flush import flush_once
from luigi_sinks.recording.settings import LineageSettings
config.use({{"luigi_sinks": {{"neo4j": {{"host": "graph"}}}}}})
print(flush_once(LineageSettings(Path({os.fspath(tmp_path)!r}))))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'luigi-sinks[neo4j]'" in done.stdout
    assert list(tmp_path.glob("*.spool"))
