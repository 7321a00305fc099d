"""The way into OpenSearch by signed requests, as into Amazon OpenSearch Service: a relay before it.

It takes the keys that `aws` gives out, where that is started too, and one that is made anew at each start and lies
in `keys.json`, which it reads again when it changes. A role may do what its policies in `policies/ROLE.json` allow;
one without that file may do everything, as where the policy of the domain lets the whole account in.
"""

import json
import os
import secrets
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import msgspec

from luigi_sinks.testing.servers import aws, opensearch
from luigi_sinks.testing.servers.account import ourselves
from luigi_sinks.testing.servers.needs import Need
from luigi_sinks.testing.servers.process import Command
from luigi_sinks.testing.servers.server import HOST, Place, Server
from luigi_sinks.testing.servers.signature_relay import Config

REGION = aws.REGION
CONFIG = "gate.json"
KEYS = "keys.json"
POLICIES = "policies"
DOMAIN = f"arn:aws:es:{REGION}:{aws.ACCOUNT}:domain/luigi-sinks"
LIFE = timedelta(days=30)


def missing() -> Sequence[Need]:
    """Ask for nothing: it is a program of this installation."""
    return []


def configuration(place: Place) -> Config:
    """Say what the relay must know; tests change it for relays of their own."""
    stand_in = place.beside(aws.NAME)
    return Config(
        host=HOST,
        port=place.port,
        server_port=place.beside(opensearch.SERVER.name).port,
        certificate=str(place.certificate),
        key=str(place.key),
        keys=str(place.folder / KEYS),
        aws=f"http://{HOST}:{stand_in.port}",
        authorization=str(stand_in.password_file),
        region=REGION,
        policies=str(place.folder / POLICIES),
        domain=DOMAIN,
    )


def new_key(life: timedelta = LIFE) -> dict[str, str]:
    """Make a session's key, as AWS hands it out."""
    return {
        "AccessKeyId": f"ASIA{secrets.token_hex(8).upper()}",
        "SecretAccessKey": secrets.token_hex(20),
        "Token": secrets.token_hex(40),
        "Expiration": (datetime.now(UTC) + life).isoformat(),
    }


def prepare(place: Place) -> None:
    """Make a key, and a folder for policies, and write the configuration."""
    place.account.make_folder(place.folder / POLICIES)
    place.account.write(place.folder / KEYS, json.dumps([new_key()]))
    place.account.write(place.folder / CONFIG, msgspec.json.encode(configuration(place)).decode())


def command(place: Place) -> Command:
    """Name the relay."""
    relay = (sys.executable, "-m", "luigi_sinks.testing.servers.signature_relay", place.folder / CONFIG)
    return Command(relay, {"PATH": os.environ.get("PATH", os.defpath)}, ourselves())


def answers(place: Place) -> bool:
    """Whether it turns a stranger away, and OpenSearch is there for others."""
    return opensearch.answers(place.beside(opensearch.SERVER.name)) and _turns_away(place)


def _turns_away(place: Place) -> bool:
    tls = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=place.ca))
    # No proxy of the environment has a part in reaching this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), tls)
    try:
        opener.open(f"https://{HOST}:{place.port}/", timeout=5).close()
    except urllib.error.HTTPError as error:
        return error.code == HTTPStatus.FORBIDDEN
    except OSError:
        pass
    return False


SERVER = Server(
    name="signature_gate",
    user="",
    database=None,
    download=None,
    patience=180,
    missing=missing,
    prepare=prepare,
    prepare_container=prepare,
    command=command,
    answers=answers,
)
