"""On a busy machine the demonstration is slow, and succeeds. Only `make faults` runs this."""

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "examples" / "flights" / "demo.py"
BUSY = 4

if os.environ.get("LUIGI_SINKS_KILLS") == "every":

    @pytest.mark.timeout(3_600)
    def test_the_demonstration_succeeds_beside_busy_processes(tmp_path):
        with ExitStack() as stack:
            for _ in range(BUSY):
                busy = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
                stack.callback(busy.kill)
            done = subprocess.run([sys.executable, DEMO], cwd=tmp_path, capture_output=True, text=True, timeout=3_500)
        assert done.returncode == 0, done.stdout + done.stderr
