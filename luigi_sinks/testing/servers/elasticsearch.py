"""Elasticsearch with security and TLS on, a trial licence and one superuser.

The trial ends 30 days after the first start: `down --purge` begins a new one.
"""

import base64
import hashlib
import json
import os
import secrets
import ssl
import urllib.error
import urllib.request
from collections.abc import Sequence

from luigi_sinks.testing.servers import java, versions
from luigi_sinks.testing.servers.process import Command
from luigi_sinks.testing.servers.server import HOST, Place, Server

USER = "luigi_sinks"
HEAP = "512m"
HASH_ROUNDS = 10_000


def missing() -> Sequence[str]:
    """Ask for a JDK."""
    if java.find(21):
        return []
    return [
        "a JDK of version 21 or later, for Elasticsearch: unpack one below /usr/lib/jvm, or name it in ES_JAVA_HOME"
    ]


def prepare(place: Place) -> None:
    """Write the configuration; data and logs make themselves."""
    account, config = place.account, place.folder / "config"
    prepare_container(place)
    for file in (place.home / "config").glob("*.*"):
        if file.is_file():
            account.write(config / file.name, file.read_text(encoding="utf-8"))
    account.write(config / "elasticsearch.yml", _yaml(place))


def prepare_container(place: Place) -> None:
    """Write the user and the certificate."""
    account = place.account
    account.make_folder(place.folder / "data")
    config = account.make_folder(place.folder / "config")
    for name, path in (("node.crt", place.certificate), ("node.key", place.key)):
        account.write(config / name, path.read_text(encoding="utf-8"))
    account.write(config / "users", f"{USER}:{_hashed(place.password)}\n")
    account.write(config / "users_roles", f"superuser:{USER}\n")


def command(place: Place) -> Command:
    """Name the launcher, which stays in the foreground and ends with its server."""
    return Command(
        (place.home / "bin" / "elasticsearch",),
        {
            "PATH": os.environ.get("PATH", os.defpath),
            "ES_JAVA_HOME": str(java.find(21)),
            "ES_JAVA_OPTS": f"-Xms{HEAP} -Xmx{HEAP}",
            "ES_PATH_CONF": str(place.folder / "config"),
        },
    )


def answers(place: Place) -> bool:
    """Whether the cluster, asked as the user, is well."""
    login = base64.b64encode(f"{USER}:{place.password}".encode()).decode()
    request = urllib.request.Request(
        f"https://{HOST}:{place.port}/_cluster/health",
        headers={"Authorization": f"Basic {login}"},
    )
    tls = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=place.ca))
    # No proxy of the environment has a part in reaching this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), tls)
    try:
        with opener.open(request, timeout=5) as response:
            return json.load(response)["status"] in {"green", "yellow"}
    except (OSError, ValueError):
        return False


def _hashed(password: str) -> str:
    """Hash a password for the `users` file, as `elasticsearch-users` would.

    That program would have to be told the password, and takes two seconds.
    """
    salt = secrets.token_bytes(32)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, HASH_ROUNDS, dklen=32)
    encoded = (base64.b64encode(part).decode() for part in (salt, digest))
    return "$".join((f"{{PBKDF2}}{HASH_ROUNDS}", *encoded))


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
        "xpack.ml.enabled": False,
        "xpack.license.self_generated.type": "trial",
        "xpack.security.enabled": True,
        "xpack.security.enrollment.enabled": False,
        "xpack.security.http.ssl.enabled": True,
        "xpack.security.http.ssl.key": "node.key",
        "xpack.security.http.ssl.certificate": "node.crt",
        "xpack.security.authc.realms.file.file1.order": 0,
    }
    return "".join(f"{name}: {json.dumps(value)}\n" for name, value in settings.items())


SERVER = Server(
    name="elasticsearch",
    user=USER,
    database=None,
    download=versions.ELASTICSEARCH,
    patience=180,
    missing=missing,
    prepare=prepare,
    prepare_container=prepare_container,
    command=command,
    answers=answers,
)
