"""Airflow's scheduler, DAG processor and API server, for a home of Airflow; ended by their ids."""

import json
import os
import secrets
import signal
import socket
import subprocess
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

from tests import airflow_environment

PATIENCE = 120
"""Seconds in which what is waited for happens on a busy machine, unless more are given."""

LAST = ("leases", "busiest_routes", "count_departures")
"""The last DAG of each file."""

AT_ONCE = 4
"""Tasks that run at once."""


def wait(condition, seconds=PATIENCE):
    """Wait until a condition gives something, and return that."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.2)
    raise AssertionError(f"nothing came of {condition} in {seconds} s")


class Services:
    """The processes; `home` is theirs."""

    def __init__(self, home):
        self.home, self._processes, self._token = home, [], ""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def start(self):
        """Start them, and return once the DAGs are known."""
        settings = {
            "CORE__PARALLELISM": AT_ONCE,
            "CORE__MAX_ACTIVE_TASKS_PER_DAG": AT_ONCE,
            "CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{self.port}/execution/",
            "API__BASE_URL": f"http://127.0.0.1:{self.port}",
            "API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "WORKERS__MIN_HEARTBEAT_INTERVAL": 1,
            "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": 0.2,
        }
        environ = {**self.home.environ, **{f"AIRFLOW__{name}": str(value) for name, value in settings.items()}}
        served = ["api-server", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        for words in (served, ["dag-processor"], ["scheduler", "--skip-serve-logs"]):
            log = (self.home.folder / f"{words[0]}.log").open("wb")
            argv = [airflow_environment.programs() / "airflow", *words]
            self._processes.append(subprocess.Popen(argv, env=environ, stdout=log, stderr=log, start_new_session=True))
        wait(lambda: all(self.home.ask("SELECT 1 FROM serialized_dag WHERE dag_id = ?", dag) for dag in LAST))
        wait(self._login)

    def stop(self):
        """End them, and what they started."""
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(15)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def trigger(self, dag, logical_date=None, **conf):
        """Start a run of a DAG, and return its id."""
        return self._call("POST", f"dags/{dag}/dagRuns", logical_date=logical_date, conf=conf)["dag_run_id"]

    def mark_failed(self, dag, run, task):
        """Mark a task as failed, as the UI does."""
        self._call("PATCH", f"dags/{dag}/dagRuns/{run}/taskInstances/{task}", new_state="failed")

    def end_of(self, dag, run, seconds=PATIENCE):
        """Wait for the end of a run, and return its state."""
        query = "SELECT state FROM dag_run WHERE dag_id = ? AND run_id = ? AND state IN ('success', 'failed')"
        ((state,),) = wait(lambda: self.home.ask(query, dag, run), seconds)
        return state

    def run(self, dag, seconds=PATIENCE, **given):
        """Run a DAG to its end, and return its state."""
        return self.end_of(dag, self.trigger(dag, **given), seconds)

    def pids(self):
        """Return the ids of all processes of theirs: each of the services began a session of its own."""
        sessions = {process.pid for process in self._processes}
        return [int(path.name) for path in Path("/proc").glob("[0-9]*") if _session(path) in sessions]

    def _login(self):
        with suppress(OSError):
            self._token = self._call("GET", "/auth/token")["access_token"]
        return self._token

    def _call(self, method, path, **body):
        address = f"http://127.0.0.1:{self.port}{path if path.startswith('/') else f'/api/v2/{path}'}"
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(address, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)


def _session(process):
    """Return the session of a process by its folder in /proc; 0 for one that has ended."""
    with suppress(OSError):
        return int((process / "stat").read_text().rpartition(")")[2].split()[3])
    return 0
