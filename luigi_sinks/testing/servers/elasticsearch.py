"""Elasticsearch with security and TLS on, a trial licence, one superuser, and users that log in by tokens.

Where Java is older than 21 it is version 8.19, which is the last that runs on 17.

It takes the tokens of the Keycloak of the same state folder, whose first key it has in a
file: it would not start without a Keycloak that it had to fetch the keys from.
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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from luigi_sinks.testing.servers import java, keycloak, versions
from luigi_sinks.testing.servers.lock import locked
from luigi_sinks.testing.servers.needs import Need
from luigi_sinks.testing.servers.process import Command
from luigi_sinks.testing.servers.server import HOST, Login, Place, Server

USER = "luigi_sinks"
AUDIENCE = "elasticsearch"
KEYS = "jwks.json"
OWNER, PRUNER, READER = "dataset_owner", "dataset_pruner", "dataset_reader"
"""Roles: all it takes to load, publish and prune; all of it but to write documents; and to read."""

USERS = {OWNER: (keycloak.USER, keycloak.SIGNER, keycloak.BRIEF), PRUNER: ("pruner",), READER: ("reader",)}
"""Who has a role, by the names in tokens; Keycloak has no clients for the last two."""

HEAP = "512m"
JAVA_FOR_9, JAVA_FOR_8 = 21, 17
"""The lowest versions of Java that Elasticsearch 9 and 8 run on."""

HASH_ROUNDS = 10_000


def missing() -> Sequence[Need]:
    """Ask for Java."""
    return java.missing("Elasticsearch", JAVA_FOR_8)


def prepare(place: Place) -> None:
    """Write the configuration; data and logs make themselves."""
    account = place.account
    config = account.make_folder(place.folder / "config")
    for file in (place.home / "config").glob("*.*"):
        if file.is_file():
            account.write(config / file.name, file.read_text(encoding="utf-8"))
    prepare_container(place)
    account.write(config / "elasticsearch.yml", _yaml(place))


def prepare_container(place: Place) -> None:
    """Write the users, their roles, the certificate, and the keys of those who sign tokens."""
    account = place.account
    account.make_folder(place.folder / "data")
    config = account.make_folder(place.folder / "config")
    for name, path in (("node.crt", place.certificate), ("node.key", place.key)):
        account.write(config / name, path.read_text(encoding="utf-8"))
    # A password that nobody knows: users by tokens have to be in the file too, as it gives them their roles.
    hashes = {name: _hashed(secrets.token_hex(24)) for name in (*chain.from_iterable(USERS.values()), keycloak.KEEPER)}
    _write_lines(place, "users", {USER: _hashed(place.password), **hashes})
    _write_lines(place, "users_roles", {"superuser": USER, **{role: ",".join(names) for role, names in USERS.items()}})
    _write_lines(place, "roles.yml", {name: f" {json.dumps(role)}" for name, role in _roles().items()})
    account.write(config / KEYS, json.dumps(keycloak.first_keys(place)))


def _write_lines(place: Place, name: str, values: Mapping[str, str]) -> None:
    lines = (f"{key}:{value}\n" for key, value in values.items())
    place.account.write(place.folder / "config" / name, "".join(lines))


def command(place: Place) -> Command:
    """Name the launcher, which stays in the foreground and ends with its server."""
    return Command(
        (place.home / "bin" / "elasticsearch",),
        {
            "PATH": os.environ.get("PATH", os.defpath),
            "ES_JAVA_HOME": str(_jdk()),
            "ES_JAVA_OPTS": " ".join((f"-Xms{HEAP}", f"-Xmx{HEAP}", *java.options())),
            "CLI_JAVA_OPTS": " ".join(java.BRIEF),
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


def realm(place: Place) -> dict[str, object]:
    """Say whose tokens are taken; the users' roles are those of the file realm."""
    return {
        "order": 1,
        "token_type": "access_token",
        "client_authentication.type": "none",
        "allowed_issuer": keycloak.issuer(place.beside("keycloak").port),
        "allowed_audiences": [AUDIENCE],
        "allowed_subject_patterns": ["*"],
        "allowed_signature_algorithms": ["RS256"],
        "allowed_clock_skew": "1s",  # a minute by default: a token would outlive its end unseen
        "claims.principal": "preferred_username",
        "claim_patterns.principal": "^service-account-(.+)$",
        "pkc_jwkset_path": KEYS,
        "authorization_realms": ["file1"],
    }


def login(place: Place) -> Login:
    """Log in by a token that Keycloak gives for a signature."""
    provider = place.beside("keycloak")
    return Login(
        {"user": "", "audience": AUDIENCE},
        {
            "source": "oidc",
            "issuer": keycloak.issuer(provider.port),
            "client_id": keycloak.SIGNER,
            "private_key_file": str(provider.folder / keycloak.CLIENT_KEY),
            "ca": str(place.ca),
        },
    )


def _roles() -> dict[str, object]:
    """Say what a role may; an alias is moved by who manages it and the indices it stands for."""
    may = {
        OWNER: {"*": ["manage", "read", "write"]},
        PRUNER: {"*": ["manage", "read"], "*~registry": ["write"]},
        READER: {"*": ["read", "view_index_metadata"]},
    }
    return {
        role: {"cluster": ["monitor"], "indices": [{"names": [n], "privileges": p} for n, p in indices.items()]}
        for role, indices in may.items()
    }


@contextmanager
def lines_added(place: Place, lines: Mapping[str, Sequence[str]]) -> Iterator[None]:
    """Have lines in files such as `users`, by name, which the server reads again every few seconds.

    Several programs may do so at once: each takes its own lines away again.
    """
    _rewrite(place, lines, {})
    try:
        yield
    finally:
        _rewrite(place, {}, lines)


def _rewrite(place: Place, more: Mapping[str, Sequence[str]], less: Mapping[str, Sequence[str]]) -> None:
    with locked(place.folder / "files.lock"):
        for name in {*more, *less}:
            file = place.folder / "config" / name
            kept = [line for line in file.read_text(encoding="utf-8").splitlines() if line not in less.get(name, ())]
            place.account.write(file, "".join(f"{line}\n" for line in [*kept, *more.get(name, ())]))


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
        "cluster.info.update.interval": "1h",  # each look at the disks takes off the blocks that tests set
        "indices.breaker.total.use_real_memory": False,  # garbage is not in use: see `java`
        "xpack.ml.enabled": False,
        "xpack.license.self_generated.type": "trial",
        "xpack.security.enabled": True,
        "xpack.security.enrollment.enabled": False,
        "xpack.security.http.ssl.enabled": True,
        "xpack.security.http.ssl.key": "node.key",
        "xpack.security.http.ssl.certificate": "node.crt",
        "xpack.security.authc.realms.file.file1.order": 0,
        **{f"xpack.security.authc.realms.jwt.keycloak.{name}": value for name, value in realm(place).items()},
    }
    return "".join(f"{name}: {json.dumps(value)}\n" for name, value in settings.items())


def _jdk() -> Path | None:
    """Find the JDK that ES_JAVA_HOME names, or else one that runs the newer version."""
    named = Path(os.environ.get("ES_JAVA_HOME", os.devnull))
    return named if java.version(named) >= JAVA_FOR_8 else java.find(JAVA_FOR_9) or java.find(JAVA_FOR_8)


def _download() -> versions.Download:
    """Choose the version that the JDK runs."""
    jdk = _jdk()
    return versions.ELASTICSEARCH_8 if jdk and java.version(jdk) < JAVA_FOR_9 else versions.ELASTICSEARCH


SERVER = Server(
    name="elasticsearch",
    user=USER,
    database=None,
    download=_download(),
    patience=180,
    missing=missing,
    prepare=prepare,
    prepare_container=prepare_container,
    command=command,
    answers=answers,
    login=login,
)
