"""A loader beside a publisher tries each path that OpenSearch's client knows, by each method; what succeeds is listed.

It signs as a role with exactly the policies that `luigi-sinks grants` prints. The gate lets a request pass if its
path is allowed as it was sent or as it is decoded: AWS does not say which one a policy is compared with.
"""

import inspect
import json
import re
import warnings
from contextlib import suppress
from itertools import chain, combinations
from types import SimpleNamespace

import opensearchpy
import pytest

from luigi_sinks.elasticsearch import names
from luigi_sinks.role_kind import RoleKind
from luigi_sinks.testing.servers.signature_relay import Relay
from luigi_sinks.testing.suite import rows
from luigi_sinks.version import WHOLE
from tests.integration.opensearch.test_grants import (  # noqa: F401 - fixtures
    _assuming,
    caller,
    known_key,
    other,
    people_apart,
    published,
    settings,
)

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
BODIES = {"params", "headers", "body"}
ARE_INDICES = {"alias", "index", "name", "new_index", "target"}
_PLACE = re.compile(r"%7B(\w+)%7D")
A_VERSION = "~v20990101t000000_aaaaaa"

ROWS = ("rows", "rows, as a bulk", "rows, as aliases")
SEVERAL = ("several", "several, as a search", "several, as aliases", "several, encoded")
SUCCEED = {
    "a load looks at the heads, and at versions that are left; by GET it may name several indices, see limitations": {
        ("GET", "/{index}/_alias"): ("registry", *ROWS, *SEVERAL),
    },
    "a load waits for its shards": {
        ("GET", "/_cluster/health/{index}"): (*ROWS, *SEVERAL),
    },
    "a load looks at the registry": {
        ("GET", "/{index}/_doc/{id}"): ("registry",),
        ("GET", "/{index}/_mapping"): ("registry",),
    },
    "a load reads rows and records back, and counts them": {
        ("POST", "/{index}/_count"): ROWS,
        ("POST", "/{index}/_refresh"): ("registry", *ROWS),
        ("POST", "/{index}/_search"): ("registry", *ROWS),
    },
    "a load writes records and notes; what it forges is not believed over the aliases": {
        ("PUT", "/{index}/_create/{id}"): ("registry",),
        ("PUT", "/{index}/_doc/{id}"): ("registry",),
    },
    "only if AWS decodes a path, whose last part then looks like another call; it shows no more than those above": {
        ("GET", "/{index}/_mapping/field/{fields}"): ("rows, as aliases", "several, as aliases"),
        ("GET", "/{index}/_termvectors/{id}"): ("rows, as aliases",),
        ("POST", "/{index}/_termvectors/{id}"): ("rows, as a bulk",),
    },
}
"""Why a request may succeed, and the requests: method, path, and what is put into its places."""


class Lenient(Relay):
    """Lets pass what is allowed by either reading of a path."""

    must_allow = staticmethod(any)


class Transport:
    """Notes what would be sent."""

    def __init__(self):
        self.paths = set()
        self.serializer = SimpleNamespace(dumps=json.dumps)

    def perform_request(self, method, url, **_):
        self.paths.add(url)
        return {}


def every_path():
    """Return the paths of all calls, with places as the client names them: with all places, and with those required."""
    client = opensearchpy.OpenSearch()
    client.transport = transport = Transport()
    spaces = [client, *(each for each in vars(client).values() if hasattr(each, "client"))]
    spaces += [each for each in vars(client.plugins).values() if hasattr(each, "client")]
    for space in spaces:
        for name, call in inspect.getmembers(space, inspect.ismethod):
            parameters = inspect.signature(call).parameters
            if name.startswith("_") or name in {"close", "perform_request"} or "url" in parameters:
                continue
            body = {"body": {"a": 1}} if "body" in parameters else {}
            places = [
                each for each, found in parameters.items() if each not in BODIES and found.kind != found.VAR_KEYWORD
            ]
            required = [each for each in places if parameters[each].default is inspect.Parameter.empty]
            optional = [each for each in places if each not in required]
            for some in chain.from_iterable(combinations(optional, count) for count in range(len(optional) + 1)):
                with warnings.catch_warnings(action="ignore"), suppress(ValueError):  # an index without an id
                    call(**{each: f"{{{each}}}" for each in (*required, *some)}, **body)
    return sorted(transport.paths)


@pytest.fixture
def people(people_apart):  # noqa: F811 - a fixture
    return people_apart


def filled(path, index, value):
    return _PLACE.sub(lambda place: index if place[1] in ARE_INDICES else value, path)


def ways(dataset, rows, elsewhere):
    """Return what to put into places for indices, and into others, by a name for it."""
    registry = names.registry(dataset)
    several = f"{registry},{elsewhere},{rows}"
    return {
        "rows": (rows, "0"),
        "registry": (registry, "0"),
        "readers": (dataset, "0"),
        "another's": (elsewhere, "1"),
        "all": ("*", "1"),
        "several": (several, f"a{A_VERSION}"),
        "several, encoded": (several.replace(",", "%2C", 1).replace(",", "%2c", 1), f"a{A_VERSION}"),
        "several, as aliases": (several, f"a{A_VERSION}%2F_alias"),
        "several, as a search": (several, f"a{A_VERSION}%2F_search"),
        "rows, as a bulk": (rows, f"a{A_VERSION}~staged%2F_bulk"),
        "rows, as aliases": (rows, f"a{A_VERSION}%2F_alias"),
    }


def is_refused(status, said):
    """Tell whether the gate, or the server, refuses a request for what it is, and not for how it is signed."""
    return status >= 400 and (status != 403 or not said or "User: " in str(said) or "cluster_block" in str(said))


@pytest.mark.timeout(1_200)
def test_all_that_a_loader_can_ask_for_is_listed(published, cluster, other, caller):  # noqa: F811 - fixtures
    head, records, paths = published.head(WHOLE), list(published.records()), every_path()
    assert len(paths) > 400
    loader, succeeded = caller(RoleKind.LOADER, Lenient), dict[tuple[str, str], set[str]]()
    known = ways(published.dataset, names.index(head.version), other)
    for path in paths:
        for what, way in known.items() if _PLACE.search(path) else [("", ("", ""))]:
            for method in METHODS:
                status, said = loader(method, filled(path, *way), b"{}" if method in {"PUT", "POST", "PATCH"} else None)
                if status < 400:
                    succeeded.setdefault((method, _PLACE.sub(r"{\1}", path)), set()).add(what)
                else:
                    assert is_refused(status, said), (method, path, what, said)
    assert succeeded == {call: {*how} for listed in SUCCEED.values() for call, how in listed.items()}
    assert published.head(WHOLE) == head
    assert list(published.records()) == records
    assert sorted(published.read(head.version), key=lambda row: row["id"]) == rows(3)
    assert cluster("GET", f"/{other}/_doc/1")["_source"] == {"secret": 1}
