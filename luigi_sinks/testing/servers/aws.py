"""What stands in for AWS: a program's own identity, STS, and the check of tokens that databases are shown.

Started only when it is asked for by name. Programs of this environment find it by
the variables that the AWS SDKs look at. The role `loader` is given keys that live
for an hour; those of `brief` live for a few seconds only.
"""

import os
import sys
import urllib.request
from collections.abc import Mapping, Sequence

import msgspec

from luigi_sinks.testing.servers import authentication_plugin
from luigi_sinks.testing.servers.account import ourselves
from luigi_sinks.testing.servers.needs import Need
from luigi_sinks.testing.servers.process import Command
from luigi_sinks.testing.servers.server import HOST, Place, Server

NAME = "aws"
ACCOUNT = "123456789012"
REGION = "eu-west-1"
CONFIG = "aws.json"
ROLE = "loader"
BRIEF = "brief"
LIFETIMES = {ROLE: 3600.0, BRIEF: 4.0}


def missing() -> Sequence[Need]:
    """Ask for what MariaDB's part in it is compiled with."""
    return authentication_plugin.missing()


def prepare(place: Place) -> None:
    """Write the configuration."""
    configuration = {
        "host": HOST,
        "port": place.port,
        "authorization": str(place.password_file),
        "database": f"{HOST}:{place.beside('mariadb').port}",
        "region": REGION,
        "lifetimes": LIFETIMES,
    }
    place.account.write(place.folder / CONFIG, msgspec.json.encode(configuration).decode())


def command(place: Place) -> Command:
    """Name the service."""
    service = (sys.executable, "-m", "luigi_sinks.testing.servers.aws_service", place.folder / CONFIG)
    return Command(service, {"PATH": os.environ.get("PATH", os.defpath)}, ourselves())


def answers(place: Place) -> bool:
    """Whether it says who it is."""
    # No proxy of the environment has a part in reaching this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{_url(place)}/.well-known/openid-configuration", timeout=5) as response:
            return bool(response.read())
    except OSError:
        return False


def variables(place: Place) -> Mapping[str, str]:
    """Say what makes the AWS SDKs ask here for who they are, and for nothing elsewhere."""
    return {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{_url(place)}/credentials/{ROLE}",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(place.password_file),
        "AWS_ENDPOINT_URL_STS": _url(place),
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _url(place: Place) -> str:
    return f"http://{HOST}:{place.port}"


SERVER = Server(
    name=NAME,
    user="",
    database=None,
    download=None,
    patience=60,
    missing=missing,
    prepare=prepare,
    prepare_container=prepare,
    command=command,
    answers=answers,
    variables=variables,
)
