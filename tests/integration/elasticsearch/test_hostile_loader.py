"""A loader beside a publisher tries every call that Elasticsearch's client knows; what succeeds is on a list."""

import inspect
import pkgutil
import re
import urllib.error
import urllib.request
from importlib import import_module

import elasticsearch._sync.client as calls

from luigi_sinks.elasticsearch import names
from luigi_sinks.role_kind import RoleKind
from luigi_sinks.testing.suite import rows
from luigi_sinks.version import WHOLE
from tests.integration.elasticsearch.test_grants import people_apart, published_apart  # noqa: F401 - fixtures

_PATH = re.compile(r"__path = f?(['\"])(/.*?)\1$", re.MULTILINE)
_METHOD = re.compile(r'perform_request\(.*?"([A-Z]+)",', re.DOTALL)
_PLACE = re.compile(r"\{__path_parts\[.(\w+).\]\}")
ARE_INDICES = {"index", "target", "name", "alias", "source", "indices", "data_stream", "new_index"}

SUCCEED = {
    "anybody who is logged in may ask who they are, and what a name of theirs stands for and holds": {
        ("GET", "/_cat", ""),
        ("GET", "/_cat/count", ""),
        ("GET", "/_cat/count/{index}", "registry"),
        ("GET", "/_cat/count/{index}", "rows"),
        ("GET", "/_resolve/cluster", ""),
        ("GET", "/_resolve/cluster/{name}", "registry"),
        ("GET", "/_resolve/cluster/{name}", "rows"),
        ("GET", "/_resolve/index/{name}", "registry"),
        ("GET", "/_resolve/index/{name}", "rows"),
        ("GET", "/_security/_authenticate", ""),
        ("GET", "/_security/user/_privileges", ""),
    },
    "a load waits for its shards": {
        ("GET", "/_cat/health", ""),
        ("GET", "/_cluster/health", ""),
        ("GET", "/_cluster/health/{index}", "registry"),
        ("GET", "/_cluster/health/{index}", "rows"),
        ("GET", "/_health_report", ""),
    },
    "a load looks at the heads and at the registry": {
        ("GET", "/_alias", ""),
        ("GET", "/_cat/aliases", ""),
        ("GET", "/_cat/aliases/{name}", "registry"),
        ("GET", "/_mapping", ""),
        ("GET", "/_mapping/field/{fields}", "registry"),
        ("GET", "/_mapping/field/{fields}", "rows"),
        ("GET", "/_settings", ""),
        ("GET", "/_settings/{name}", "registry"),
        ("GET", "/_settings/{name}", "rows"),
        ("GET", "/{index}", "registry"),
        ("GET", "/{index}/_alias", "registry"),
        ("GET", "/{index}/_mapping", "registry"),
        ("GET", "/{index}/_mapping/field/{fields}", "registry"),
        ("GET", "/{index}/_settings", "registry"),
        ("GET", "/{index}/_settings/{name}", "registry"),
        ("HEAD", "/{index}", "registry"),
    },
    "a load reads rows back, and counts them": {
        ("GET", "/{index}/_doc/{id}", "rows"),
        ("GET", "/{index}/_source/{id}", "rows"),
        ("HEAD", "/{index}/_doc/{id}", "rows"),
        ("HEAD", "/{index}/_source/{id}", "rows"),
        ("POST", "/_count", ""),
        ("POST", "/_search", ""),
        ("POST", "/{index}/_count", "registry"),
        ("POST", "/{index}/_count", "rows"),
        ("POST", "/{index}/_search", "registry"),
        ("POST", "/{index}/_search", "rows"),
        ("POST", "/{index}/_termvectors/{id}", "registry"),
        ("POST", "/{index}/_termvectors/{id}", "rows"),
    },
    "a load writes records and notes; what it forges is not believed over the aliases": {
        ("PUT", "/{index}/_create/{id}", "registry"),
    },
}
"""Why a call may succeed, and the calls: method, path, and which index it was about."""


def every_call():
    """Return the methods and paths of all calls, with their places as the client names them."""
    found = set()
    inner = (import_module(f"{calls.__name__}.{each.name}") for each in pkgutil.iter_modules(calls.__path__))
    for module in (calls, *inner):
        for function in re.split(r"\n    def ", inspect.getsource(module)):
            method = _METHOD.search(function)
            found |= {(method[1], path) for _, path in _PATH.findall(function) if method}
    return sorted(found)


def filled(path, target):
    return _PLACE.sub(lambda place: target if place[1] in ARE_INDICES else "0", path)


def status(client, method, path):
    body = b"{}" if method in {"PUT", "POST"} else None
    request = urllib.request.Request(client.url + path, body, client._headers, method=method)
    try:
        with urllib.request.urlopen(request, context=client.tls, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_all_that_a_loader_can_do_is_listed(published_apart, people_apart):  # noqa: F811 - fixtures
    loader, head = people_apart.clients[RoleKind.LOADER], published_apart.head(WHOLE)
    targets = {"rows": names.index(head.version), "registry": names.registry(published_apart.dataset)}
    assert len(every_call()) > 400
    succeeded = set()
    for method, path in every_call():
        for kind, target in targets.items() if _PLACE.search(path) else [("", "")]:
            if status(loader, method, filled(path, target)) < 400:
                succeeded.add((method, _PLACE.sub(r"{\1}", path), kind))
    assert succeeded - {call for listed in SUCCEED.values() for call in listed} == set()
    assert published_apart.head(WHOLE) == head
    assert sorted(published_apart.read(head.version), key=lambda row: row["id"]) == rows(3)
