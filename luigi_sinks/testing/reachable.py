"""Where the servers for tests are: named by variables of the environment, or started."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from configparser import ConfigParser
from contextlib import contextmanager
from dataclasses import dataclass

from luigi_sinks.credentials.provider import PROVIDER
from luigi_sinks.testing import servers
from luigi_sinks.testing.servers import signature_gate
from luigi_sinks.testing.servers.server import HOST
from luigi_sinks.testing.servers.state import State, find

Sections = dict[str, dict[str, str]]
"""Sections of luigi.cfg, by name."""

_SETTINGS = ("host", "port", "database", "user")
_OPENSEARCH = "opensearch"
_SIGNING = {
    "AccessKeyId": "AWS_ACCESS_KEY_ID",
    "SecretAccessKey": "AWS_SECRET_ACCESS_KEY",
    "Token": "AWS_SESSION_TOKEN",
}


@dataclass(frozen=True)
class Reachable:
    """Servers that answer.

    `sections` of luigi.cfg lead to them, those of `owner` with the right to delete datasets.
    `identity` are the variables by which AWS's SDK knows who this process is, and `way` says in
    words what the servers are.
    """

    sections: Sections
    owner: Sections
    identity: Mapping[str, str]
    way: str

    @contextmanager
    def known(self) -> Iterator[None]:
        """Be who the servers know, within a block."""
        before = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
        _become(self.identity or before)
        try:
            yield
        finally:
            _become(before)


def up(names: Sequence[str], *, by_tokens: bool = False) -> Reachable:
    """Have servers up.

    - `names`: stores, and "opensearch".
    - `by_tokens`: log in by short-lived tokens, and by no password. Servers that variables name have none to give.

    Raises ServersError for a server that cannot be started.
    """
    given = {} if by_tokens else {name: said for name in names if (said := _of_variables(name))}
    ours = [name for name in names if name not in given]
    state = _started(ours, by_tokens=by_tokens) if ours else None
    owner = servers.config() if ours else ""
    written = servers.passwordless_config() if by_tokens else owner
    return Reachable(
        _merged([*given.values(), _of_ours(ours, written, state)]),
        _merged([*given.values(), _of_ours(ours, owner, state)]),
        _identity(ours, state, by_tokens=by_tokens),
        _way(given, state),
    )


def _started(names: Sequence[str], *, by_tokens: bool) -> State:
    gate = [signature_gate.SERVER.name] if _OPENSEARCH in names else []
    servers.up([*names, *gate, *(servers.PASSWORDLESS if by_tokens else ())])
    state = find()
    assert state is not None  # they have just been started
    return state


def _of_variables(name: str) -> Sections:
    """Return the sections for a server that variables name, with the file of its password; empty if none do."""
    said = {
        key.removeprefix(prefix).lower(): value
        for key, value in os.environ.items()
        if key.startswith(prefix := f"LUIGI_SINKS_{name.upper()}_")
    }
    if not said.get("host"):
        return {}
    section = {key: said[key] for key in _SETTINGS if said.get(key)}
    if said.get("ca"):
        section["tls_ca"] = said["ca"]
    credential = {"source": "file", "path": said.get("password_file", "")}
    return _sections(name, section, credential)


def _of_ours(names: Sequence[str], written: str, state: State | None) -> Sections:
    """Return the sections for servers that run here; those of stores as a luigi.cfg says that was written for them."""
    parser = ConfigParser(interpolation=None)
    parser.read_string(written)
    return _merged(
        _of_opensearch(state)
        if name == _OPENSEARCH
        else _sections(name, parser[f"luigi_sinks.{name}"], parser[f"luigi_sinks.credential.local_{name}"])
        for name in names
    )


def _of_opensearch(state: State | None) -> Sections:
    """Return the sections for OpenSearch, behind the gate that checks signatures as Amazon's does."""
    assert state is not None  # it runs here
    gate = state.place(signature_gate.SERVER)
    section = {"host": HOST, "port": str(gate.port), "tls_ca": str(gate.ca)}
    return _sections(_OPENSEARCH, section, {"source": "sigv4", "region": signature_gate.REGION})


def _sections(name: str, section: Mapping[str, str], credential: Mapping[str, str]) -> Sections:
    store, product = ("elasticsearch", {"product": name}) if name == _OPENSEARCH else (name, {})
    used = f"test_{name}_{credential['source']}"  # what is cached of a credential is cached by its name
    return {
        f"luigi_sinks.{store}": {**section, **product, "credential": used},
        f"luigi_sinks.credential.{used}": {**credential},
    }


def _merged(sections: Iterable[Sections]) -> Sections:
    return {name: values for each in sections for name, values in each.items()}


def _identity(ours: Sequence[str], state: State | None, *, by_tokens: bool) -> Mapping[str, str]:
    if by_tokens:
        return {name: value for name, value in servers.env().items() if name.startswith("AWS_")}
    if state is None or _OPENSEARCH not in ours:
        return {}
    (key,) = json.loads((state.place(signature_gate.SERVER).folder / signature_gate.KEYS).read_text())
    return {variable: key[name] for name, variable in _SIGNING.items()}


def _become(identity: Mapping[str, str]) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(identity)
    PROVIDER.forget()


def _way(given: Mapping[str, Sections], state: State | None) -> str:
    ways = ["named by variables"] if given else []
    if state is not None:
        ways.append(f"run by {'Compose' if state.way == 'compose' else 'local processes'}")
    return " and ".join(ways)
