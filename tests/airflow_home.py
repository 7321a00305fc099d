"""A home of Airflow: its configuration, its metadata database, and what its tasks did."""

import configparser
import json
import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from luigi_sinks import stores
from tests import airflow_environment
from tests.pages import Page

DAGS = Path(__file__).parent / "integration/airflow/dags"
EXAMPLE = Path(__file__).parents[1] / "examples/airflow/routes.py"
CONNECTIONS = {"graph": "neo4j", "warehouse": "mariadb", "search": "elasticsearch"}
"""The connections of Airflow, and the stores that they lead to."""

LONGEST = 280
"""Seconds that a command may take."""


@dataclass(frozen=True)
class Home:
    """A folder, with the luigi.cfg of real servers, and the address of a Vault that leases logins to MariaDB."""

    folder: Path
    luigi_cfg: str
    namespace: str
    vault: str

    @cached_property
    def environ(self):
        """The environment of Airflow's processes. They reach this machine's loopback only."""
        settings = {
            "CORE__DAGS_FOLDER": self.folder / "dags",
            "CORE__LOAD_EXAMPLES": False,
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__DAGS_ARE_PAUSED_AT_CREATION": False,
            "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": True,
            "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": self.folder / "passwords",
            "USAGE_DATA_COLLECTION__ENABLED": False,
            "OPENLINEAGE__TRANSPORT": json.dumps(
                {"type": "file", "log_file_path": str(self.folder / "openlineage.json"), "append": True}
            ),
        }
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
            **{f"AIRFLOW__{name}": str(value) for name, value in settings.items()},
            **{f"AIRFLOW_CONN_{name.upper()}": json.dumps(value) for name, value in self._connections()},
            "AIRFLOW_HOME": str(self.folder),
            "LUIGI_CONFIG_PATH": str(self.folder / "luigi.cfg"),
            "TOLD": str(self.folder / "told"),
        }

    def make(self):
        """Write the configuration, and make the metadata database."""
        lineage = (
            f"[luigi_sinks.lineage]\nspool = {self.folder}/spool\nnamespace = {self.namespace}\nexit_seconds = 30\n"
        )
        common = f"[luigi_sinks]\nnamespace = {self.namespace}\n[luigi_sinks.audit]\npath = {self.folder}/audit.jsonl\n"
        login = "[luigi_sinks.credential.by_airflow]\nsource = airflow\nconn_id = graph_login\n"
        (self.folder / "jwt").write_text("a.good.jwt")
        lease = (
            f"[luigi_sinks.credential.jwt]\nsource = file\npath = {self.folder}/jwt\n[luigi_sinks.credential.leased]\n"
            f"source = vault\naddress = {self.vault}\nrole = loader\npath = loader\njwt_from = jwt\n"
        )
        (self.folder / "luigi.cfg").write_text(f"{self.luigi_cfg}\n{common}{lineage}{login}{lease}")
        (self.folder / "told").mkdir()
        shutil.copytree(DAGS, self.folder / "dags")
        shutil.copy(EXAMPLE, self.folder / "dags")
        Page("docs/airflow.md", self.folder / "dags").run()  # it saves the page's DAGs as a file
        self.run("db", "migrate")

    def catalog(self, store, dataset):
        """Open a dataset that tasks load."""
        return stores.find(store).catalog(f"{self.namespace}_{dataset}")

    def run(self, *words, check=True, **others):
        """Run a command of Airflow; return its output."""
        argv = [airflow_environment.programs() / "airflow", *words]
        done = subprocess.run(
            argv,
            env={**self.environ, **others},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LONGEST,
        )
        assert not (check and done.returncode), done.stdout[-5000:]
        return done.stdout

    def ask(self, query, *values):
        """Ask the metadata database."""
        with closing(sqlite3.connect(f"file:{self.folder}/airflow.db?mode=ro", uri=True)) as database:
            return database.execute(query, values).fetchall()

    def states(self, dag):
        """Return the state of each task of a DAG, and with a number that of each of a mapped one."""
        found = self.ask("SELECT task_id, map_index, state FROM task_instance WHERE dag_id = ?", dag)
        return {f"{task}{number if number >= 0 else ''}": state for task, number, state in found}

    def returned(self, dag):
        """Return what each task of a DAG returned."""
        found = self.ask(
            "SELECT task_id, map_index, value FROM xcom WHERE dag_id = ? AND key = 'return_value'",
            dag,
        )
        return {f"{task}{number if number >= 0 else ''}": _plain(value) for task, number, value in found}

    def asset_events(self, dag):
        """Return the URI and the extra of each asset event of a DAG."""
        found = self.ask(
            "SELECT asset.uri, event.extra FROM asset_event event JOIN asset ON asset.id = event.asset_id "
            "WHERE event.source_dag_id = ? ORDER BY event.id",
            dag,
        )
        return [(uri, json.loads(extra)) for uri, extra in found]

    def openlineage(self, job, kind="COMPLETE"):
        """Return the events of OpenLineage of a kind, of one job."""
        lines = (self.folder / "openlineage.json").read_text().splitlines()
        events = [json.loads(line) for line in lines]
        return [event for event in events if (event["job"]["name"], event["eventType"]) == (job, kind)]

    def told(self, name):
        """Return what tasks told under a name, in the order in which they did."""
        path = self.folder / "told" / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def tell(self, name):
        """Tell tasks something."""
        (self.folder / "told" / name).touch()

    def _connections(self):
        known = sections(self.luigi_cfg)
        for name, store in CONNECTIONS.items():
            values = dict(known[f"luigi_sinks.{store}"])
            fields = {"host": values.pop("host"), "port": int(values.pop("port")), "login": values.pop("user")}
            if "database" in values:
                fields["schema"] = values.pop("database")
            yield name, {"conn_type": store, **fields, "extra": values}
            if name == "graph":
                user, password = login(self.luigi_cfg, store)
                yield "graph_login", {"conn_type": "generic", "login": user, "password": password}
                yield "graph_with_password", {"conn_type": store, **fields, "password": password, "extra": values}


def sections(luigi_cfg):
    """Return the sections of a luigi.cfg."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(luigi_cfg)
    return parser


def login(luigi_cfg, store):
    """Return user and password of a store."""
    known = sections(luigi_cfg)
    section = known[f"luigi_sinks.{store}"]
    return section["user"], Path(known[f"luigi_sinks.credential.{section['credential']}"]["path"]).read_text().strip()


def _plain(value):
    """Return a value of a JSON column: SQLite keeps numbers as they are."""
    return json.loads(value) if isinstance(value, str) else value
