"""Keycloak with a realm of four clients, whose tokens do not live long; an identity provider, not a store.

Started only when it is asked for by name. The client `loader` has the password as its
secret; the client `signer` proves itself by the key in `client.key`, as does `brief`,
whose tokens live for a few seconds only. The client `keeper`, with the same password, may
change the realm: tests make it rotate its keys.
"""

import base64
import json
import os
import shutil
import ssl
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from luigi_sinks.testing.servers import java, versions
from luigi_sinks.testing.servers.account import Account, ourselves
from luigi_sinks.testing.servers.lock import locked
from luigi_sinks.testing.servers.needs import Need
from luigi_sinks.testing.servers.process import Command
from luigi_sinks.testing.servers.server import HOST, Place, Server

REALM = "sinks"
USER = "loader"
SIGNER = "signer"
BRIEF = "brief"
KEEPER = "keeper"
CLIENT_KEY = "client.key"
REALM_KEY = "realm.key"
AUDIENCES = ("elasticsearch", "neo4j")
LIFESPAN = 20
BRIEF_LIFESPAN = 4
HEAP = "512m"
JAVA = (17, 25)


def issuer(port: int) -> str:
    """Name the realm as its tokens do."""
    return f"https://{HOST}:{port}/realms/{REALM}"


def missing() -> Sequence[Need]:
    """Ask for Java."""
    return java.missing("Keycloak", *JAVA)


def prepare(place: Place) -> None:
    """Make a home for the program, with a database of its own, and write the realm for it."""
    _made_once(_program(place), partial(_build, place))
    first = _made_once(place.home.with_name(f"{place.home.name}-home"), partial(_make_database, place))
    place.account.make_folder(java.classes(place))
    home = place.account.make_folder(place.folder / "home")
    _furnish(home, place)
    if not (data := home / "data").exists():
        place.account.run("rm", "-rf", home / "data.part")
        place.account.run("cp", "-r", first / "data", home / "data.part")
        (home / "data.part").rename(data)
    prepare_container(place)
    realm = (place.folder / "import" / "realm.json").read_text(encoding="utf-8")
    place.account.write(place.account.make_folder(data / "import") / "realm.json", realm)


def prepare_container(place: Place) -> None:
    """Make the key of the client that signs, once, and write the realm."""
    account, folder = place.account, place.folder
    for name in ("data", "import"):
        account.make_folder(folder / name)
    if not (file := folder / CLIENT_KEY).exists():
        account.write(file, _new_key())
    realm = _realm(place.password, _jwk(file.read_bytes()), signing_key(place).decode())
    account.write(folder / "import" / "realm.json", json.dumps(realm))


def _program(place: Place) -> Path:
    return place.home.with_name(f"{place.home.name}-built")


def _made_once(target: Path, make: Callable[[Path], None]) -> Path:
    """Have a folder that all state folders share, made whole."""
    with locked(target.with_name(f"{target.name}.lock")):
        if not target.exists():
            part = target.with_name(f"{target.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            make(part)
            part.rename(target)
    return target


def _build(place: Place, part: Path) -> None:
    """Build the program for its database, as it would do at each first start."""
    shutil.copytree(place.home, part)
    _run(ourselves(), part, "build", "--db=dev-file")


def _make_database(place: Place, part: Path) -> None:
    """Have the program make its tables, and the realm `master`, which has no users."""
    _furnish(place.account.make_folder(part), place)
    to = f"--dir={part / 'exported'}", f"-Dkc.home.dir={part}"
    _run(place.account, _program(place), "export", "--optimized", *to)
    shutil.rmtree(part / "exported")


def _run(account: Account, program: Path, *words: str) -> None:
    environment = (f"{name}={value}" for name, value in _environment().items())
    account.run("env", *environment, program / "bin" / "kc.sh", *words)


def _furnish(home: Path, place: Place) -> None:
    """Have the program's folders in a home, where it looks for them."""
    for path in _program(place).iterdir():
        (link := home / path.name).unlink(missing_ok=True)
        link.symlink_to(path)


def _environment(*options: str) -> dict[str, str]:
    # From JDK 24 on its threads do not start without the opening.
    options = (*java.BRIEF, "--add-opens=java.base/java.lang=ALL-UNNAMED", *options)
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "JAVA_HOME": str(_jdk()),
        "JAVA_OPTS_KC_HEAP": f"-Xms64m -Xmx{HEAP}",
        "JAVA_OPTS_APPEND": " ".join(options),
    }


def _jdk() -> Path | None:
    return java.find(*JAVA)


def command(place: Place) -> Command:
    """Name the launcher, which stays in the foreground; the realm is read at the first start only."""
    return Command(
        (
            _program(place) / "bin" / "kc.sh",
            "start",  # in development mode it would listen in clear text too
            "--optimized",  # it is built already
            "--cache=local",
            "--import-realm",
            f"--http-host={HOST}",
            f"--https-port={place.port}",
            f"--https-certificate-file={place.certificate}",
            f"--https-certificate-key-file={place.key}",
            f"--hostname=https://{HOST}:{place.port}",
            f"-Dkc.home.dir={place.folder / 'home'}",
        ),
        _environment(*java.archive(place)),
    )


def answers(place: Place) -> bool:
    """Whether the client gets a token for its secret."""
    try:
        return bool(token(place))
    except OSError:
        return False


def token(place: Place, client: str = USER) -> str:
    """Return a token that a client gets for its secret. Raises OSError if there is none to be had."""
    asked = {"grant_type": "client_credentials", "client_id": client, "client_secret": place.password}
    request = urllib.request.Request(
        f"https://{HOST}:{place.port}/realms/{REALM}/protocol/openid-connect/token",
        urllib.parse.urlencode(asked).encode(),
    )
    tls = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=place.ca))
    # No proxy of the environment has a part in reaching this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), tls)
    try:
        with opener.open(request, timeout=5) as response:
            return str(json.load(response)["access_token"])
    except (ValueError, KeyError):
        raise ConnectionError("Keycloak answers, but not with a token") from None


def signing_key(place: Place) -> bytes:
    """Return the key that the realm signs by at first, in PEM; whichever server is prepared first makes it."""
    root = place.folder.parent
    with locked(root / f"{REALM_KEY}.lock"):
        if not (file := root / REALM_KEY).exists():
            place.account.write(file, _new_key())
        return file.read_bytes()


def first_keys(place: Place) -> dict[str, Any]:
    """Return the set of public keys that tokens are verified by, as long as the realm has no others."""
    return {"keys": [_jwk(signing_key(place))]}


def _new_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _jwk(pem: bytes) -> dict[str, str]:
    key = load_pem_private_key(pem, password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    numbers = key.public_key().public_numbers()
    return {"kty": "RSA", "use": "sig", "alg": "RS256", "n": _base64url(numbers.n), "e": _base64url(numbers.e)}


def _base64url(number: int) -> str:
    raw = number.to_bytes((number.bit_length() + 7) // 8)
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _realm(secret: str, jwk: dict[str, str], signing_key: str) -> dict[str, Any]:
    by_key = {
        "use.jwks.string": "true",
        "jwks.string": json.dumps({"keys": [jwk]}),
        "token.endpoint.auth.signing.alg": "RS256",
    }
    briefly = {**by_key, "access.token.lifespan": str(BRIEF_LIFESPAN)}
    clients = [
        _client(USER, {"secret": secret}),
        _client(SIGNER, {"clientAuthenticatorType": "client-jwt", "attributes": by_key}),
        _client(BRIEF, {"clientAuthenticatorType": "client-jwt", "attributes": briefly}),
        _client(KEEPER, {"secret": secret}),
    ]
    keeper = {
        "username": f"service-account-{KEEPER}",
        "enabled": True,
        "serviceAccountClientId": KEEPER,
        "clientRoles": {"realm-management": ["realm-admin"]},
    }
    return {
        "realm": REALM,
        "enabled": True,
        "accessTokenLifespan": LIFESPAN,
        "clients": clients,
        "users": [keeper],
        "components": {"org.keycloak.keys.KeyProvider": [_provider(signing_key)]},
    }


def _provider(key: str) -> dict[str, Any]:
    known = {"privateKey": key, "algorithm": "RS256", "priority": "100", "enabled": "true", "active": "true"}
    return {"name": "first", "providerId": "rsa", "config": {name: [value] for name, value in known.items()}}


def _client(name: str, proof: dict[str, Any]) -> dict[str, Any]:
    return {
        "clientId": name,
        "serviceAccountsEnabled": True,
        "standardFlowEnabled": False,
        "publicClient": False,
        "protocolMappers": [_audience(each) for each in AUDIENCES],
        **proof,
    }


def _audience(name: str) -> dict[str, Any]:
    return {
        "name": f"for {name}",
        "protocol": "openid-connect",
        "protocolMapper": "oidc-audience-mapper",
        "config": {"included.custom.audience": name, "access.token.claim": "true"},
    }


SERVER = Server(
    name="keycloak",
    user=USER,
    database=None,
    download=versions.KEYCLOAK,
    patience=300,
    missing=missing,
    prepare=prepare,
    prepare_container=prepare_container,
    command=command,
    answers=answers,
)
