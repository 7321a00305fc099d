"""Samples the connections of Airflow's processes to the stores, as the servers see them."""

import threading
from contextlib import suppress
from pathlib import Path

from luigi_sinks import config
from luigi_sinks.mariadb import MariaDBSettings
from luigi_sinks.mariadb import connection as mariadb
from luigi_sinks.neo4j import Neo4jSettings
from luigi_sinks.neo4j import connection as neo4j

STORES = ("mariadb", "elasticsearch", "neo4j")
ESTABLISHED = "01"


class Sampler:
    """Looks again and again, until it is left: `most` is how many there were at once, `seen` the ports of clients."""

    def __init__(self, pids, every=0.3):
        self._pids, self._every, self._over = pids, every, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.most, self.seen, self.samples = dict.fromkeys(STORES, 0), {store: set() for store in STORES}, 0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._over.set()
        self._thread.join()

    def _look(self):
        ports = {store: int(config.section(f"luigi_sinks.{store}")["port"]) for store in STORES}
        while not self._over.wait(self._every):
            own = sockets(self._pids())
            for store, port in ports.items():
                found = {local for local, remote in own if remote == port}
                self.most[store] = max(self.most[store], len(found))
                self.seen[store] |= found
            self.samples += 1


def sockets(pids):
    """Return the local and the remote port of each TCP connection of these processes."""
    inodes = set()
    for pid in pids:
        with suppress(OSError):
            for link in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):
                    inodes.add(str(link.readlink()))
    lines = [
        line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    return {
        tuple(int(fields[column].rpartition(":")[2], 16) for column in (1, 2))
        for fields in lines
        if fields[3] == ESTABLISHED and f"socket:[{fields[9]}]" in inodes
    }


def left():
    """Return the ports of the clients of MariaDB and Neo4j, as these list them; Elasticsearch lists none."""
    settings = config.read_connection(MariaDBSettings, "mariadb")
    asked = mariadb.run(settings, mariadb.rows, "SELECT HOST FROM information_schema.PROCESSLIST")
    hosts = [host for (host,) in asked]
    listed = neo4j.query(
        config.read_connection(Neo4jSettings, "neo4j"), "CALL dbms.listConnections() YIELD clientAddress"
    )
    ports = [*hosts, *(row["clientAddress"] for row in listed)]
    return {int(port) for each in ports if (port := each.rpartition(":")[2]).isdigit()}
