"""OpenSearch without security, in clear text on the loopback address: what stands before it decides who may in.

Started only when it is asked for by name; `signature_gate` is the way in that checks signatures.
"""

import json
import os
import urllib.request
from collections.abc import Sequence

from luigi_sinks.testing.servers import java, versions
from luigi_sinks.testing.servers.needs import Need
from luigi_sinks.testing.servers.process import Command
from luigi_sinks.testing.servers.server import HOST, Place, Server

HEAP = "512m"
JAVA = (21, 25)


def missing() -> Sequence[Need]:
    """Ask for Java."""
    return java.missing("OpenSearch", *JAVA)


def prepare(place: Place) -> None:
    """Write the configuration."""
    prepare_container(place)
    config, logs = (place.account.make_folder(place.folder / name) for name in ("config", "logs"))
    for file in (place.home / "config").glob("*.*"):
        if file.is_file():
            # The virtual machine would write its logs into the program's own folder, which is not ours to change.
            text = file.read_text(encoding="utf-8").replace("=logs/", f"={logs}/")
            place.account.write(config / file.name, text)
    place.account.write(config / "opensearch.yml", _yaml(place))


def prepare_container(place: Place) -> None:
    """Make the folder of the data."""
    place.account.make_folder(place.folder / "data")


def command(place: Place) -> Command:
    """Name the launcher, which stays in the foreground and ends with its server."""
    return Command(
        (place.home / "bin" / "opensearch",),
        {
            "PATH": os.environ.get("PATH", os.defpath),
            "OPENSEARCH_JAVA_HOME": str(java.find(*JAVA)),
            "OPENSEARCH_JAVA_OPTS": " ".join((f"-Xms{HEAP}", f"-Xmx{HEAP}", *java.options())),
            "OPENSEARCH_PATH_CONF": str(place.folder / "config"),
        },
    )


def answers(place: Place) -> bool:
    """Whether the cluster is well."""
    # No proxy of the environment has a part in reaching this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{HOST}:{place.port}/_cluster/health", timeout=5) as response:
            return json.load(response)["status"] in {"green", "yellow"}
    except (OSError, ValueError):
        return False


def _yaml(place: Place) -> str:
    """Write the settings out; a value in JSON is a value in YAML."""
    settings = {
        "cluster.name": "luigi-sinks",
        "discovery.type": "single-node",
        "network.host": HOST,
        "http.port": place.port,
        "transport.port": 0,
        "path.data": str(place.folder / "data"),
        "path.logs": str(place.folder / "logs"),
        "cluster.routing.allocation.disk.threshold_enabled": False,
        "indices.breaker.total.use_real_memory": False,  # garbage is not in use: see `java`
        # As `luigi-sinks grants` wants it of a domain: without them, policies on paths can be circumvented.
        "rest.action.multi.allow_explicit_index": False,
        "action.auto_create_index": "-*~*,+*",
    }
    return "".join(f"{name}: {json.dumps(value)}\n" for name, value in settings.items())


SERVER = Server(
    name="opensearch",
    user="",
    database=None,
    download=versions.OPENSEARCH,
    patience=180,
    missing=missing,
    prepare=prepare,
    prepare_container=prepare_container,
    command=command,
    answers=answers,
)
