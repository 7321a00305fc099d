"""Neo4j Community with Bolt over TLS, and no other connector."""

import hashlib
import os
import secrets
from collections.abc import Sequence

from luigi_sinks.testing.servers import bolt, java, keycloak, versions
from luigi_sinks.testing.servers.needs import Need
from luigi_sinks.testing.servers.process import Command
from luigi_sinks.testing.servers.server import HOST, Login, Place, Server

USER = "neo4j"
DATABASE = "neo4j"
GATE = "bolt_gate"
AUDIENCE = "neo4j"
HEAP = "1g"
JAVA = (17, 25)
HASH_ROUNDS = 1024
FOLDERS = ("conf", "data", "data/dbms", "import", "logs", "plugins", "run")
OPENED = ("java.nio", "java.io", "sun.nio.ch", "java.util.concurrent")

CONFIGURATION = """\
server.bolt.listen_address={host}:{port}
server.bolt.advertised_address={host}:{port}
server.bolt.tls_level=REQUIRED
server.bolt.connection_keep_alive=5s
dbms.ssl.policy.bolt.enabled=true
dbms.ssl.policy.bolt.base_directory={folder}/conf
dbms.ssl.policy.bolt.private_key={key}
dbms.ssl.policy.bolt.public_certificate={certificate}
dbms.ssl.policy.bolt.client_auth=NONE
server.http.enabled=false
server.https.enabled=false
server.directories.import={folder}/import
server.memory.heap.initial_size=512m
server.memory.heap.max_size={heap}
server.memory.pagecache.size=256m
internal.server.bolt.thread_pool_shutdown_wait_time=100ms
dbms.usage_report.enabled=false
"""


def missing() -> Sequence[Need]:
    """Ask for Java."""
    return java.missing("Neo4j", *JAVA)


def prepare(place: Place) -> None:
    """Write the configuration, besides what a container mounts too."""
    prepare_container(place)
    place.account.make_folder(java.classes(place))
    values = {"host": HOST, "port": place.port, "folder": place.folder, "heap": HEAP}
    text = CONFIGURATION.format(**values, key=place.key, certificate=place.certificate)
    place.account.write(place.folder / "conf" / "neo4j.conf", text)


def prepare_container(place: Place) -> None:
    """Make the folders, and set the first password once."""
    account, folder = place.account, place.folder
    for name in FOLDERS:
        account.make_folder(folder / name)
    if not (first := folder / "data" / "dbms" / "auth.ini").exists():
        account.write(first, _first_password(place.password))


def command(place: Place) -> Command:
    """Name the server, in the foreground."""
    opened = (f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in OPENED)
    return Command(
        (
            f"{java.find(*JAVA)}/bin/java",
            f"-Xmx{HEAP}",
            *java.options(),
            *java.archive(place),
            *opened,
            *("-cp", f"{place.home}/*", "org.neo4j.server.CommunityEntryPoint"),
            f"--home-dir={place.folder}",
            f"--config-dir={place.folder / 'conf'}",
            "--console-mode",
        ),
        {"PATH": os.environ.get("PATH", os.defpath)},
    )


def answers(place: Place) -> bool:
    """Whether a query, asked as the user, gets its answer."""
    who = bolt.Login(USER, place.password)
    return bolt.answers((HOST, place.port), place.ca, who, DATABASE)


def login(place: Place) -> Login:
    """Log in through the gate: with a token of Keycloak's, got by a key."""
    issuer = place.beside("keycloak")
    proof = {"client_id": keycloak.SIGNER, "private_key_file": str(issuer.folder / keycloak.CLIENT_KEY)}
    return Login(
        {"port": str(place.beside(GATE).port), "user": ""},
        {"source": "oidc", "issuer": keycloak.issuer(issuer.port), **proof, "audience": AUDIENCE, "ca": str(place.ca)},
    )


def _first_password(password: str) -> str:
    """Make the text that `neo4j-admin dbms set-initial-password` would write.

    That program would have to be told the password on its command line.
    """
    salt = secrets.token_bytes(32)
    digest = hashlib.sha256(salt + password.encode()).digest()
    for _ in range(HASH_ROUNDS - 1):
        digest = hashlib.sha256(digest).digest()
    return f"{USER}:SHA-256,{digest.hex()},{salt.hex()},{HASH_ROUNDS}:\n"


SERVER = Server(
    name="neo4j",
    user=USER,
    database=DATABASE,
    download=versions.NEO4J,
    patience=180,
    missing=missing,
    prepare=prepare,
    prepare_container=prepare_container,
    command=command,
    answers=answers,
    login=login,
)
