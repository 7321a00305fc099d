"""What each principal may do in Elasticsearch.

Privileges are named ones where those are narrow enough, and actions where they are
not: `create_doc` would let the mapping be changed. Documents of a version are created
and never overwritten, so its loader may neither index, update nor delete any.

One thing cannot be withheld: whoever may move an alias, which is what publishing is,
may delete the index it stands for, by the action `remove_index` of `_aliases`. See
https://github.com/elastic/elasticsearch/issues/69422. `DELETE` of an index is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from luigi_sinks.elasticsearch import names
from luigi_sinks.elasticsearch.connection import Missing, ask
from luigi_sinks.elasticsearch.settings import Settings
from luigi_sinks.elasticsearch.sink import ElasticsearchSink
from luigi_sinks.elasticsearch.target import ElasticsearchTarget
from luigi_sinks.errors import NoRoles
from luigi_sinks.principal import Principal
from luigi_sinks.version import Version

Target = ElasticsearchTarget
ROLE = "elasticsearch_role"

_ALIASES, _REFRESH = "indices:admin/aliases", "indices:admin/refresh*"
_LOOK = "view_index_metadata"

_CLUSTER = {
    Principal.OWNER: (),
    Principal.LOADER: ("cluster:monitor/health",),
    Principal.PRUNER: (),
}
_PRIVILEGES: Mapping[Principal, Mapping[str, Sequence[str]]] = {
    Principal.OWNER: {
        "heads": (_LOOK,),
        "registry": ("indices:admin/create", _LOOK),
    },
    Principal.LOADER: {
        # No more than on the versions: an alias that allows more than its index is refused.
        "heads": (_ALIASES, _LOOK),
        "versions": (
            "indices:admin/block/add*",
            "indices:admin/create",
            "indices:admin/settings/update",
            "indices:data/write/bulk*",
            "indices:data/write/index:op_type/create",
            "read",
            _ALIASES,
            _LOOK,
            _REFRESH,
        ),
        # Notes of the parts under way are deleted when they have arrived.
        "registry": ("delete", "index", "read", _LOOK, _REFRESH),
    },
    Principal.PRUNER: {
        "heads": (_LOOK,),
        "versions": ("delete_index", _ALIASES, _LOOK),
        "registry": ("delete", "index", "read", _LOOK, _REFRESH),
    },
}


@dataclass(frozen=True)
class Role:
    """One principal's role; `descriptor` is what Elasticsearch keeps of it."""

    name: str
    principal: Principal
    descriptor: Mapping[str, Any]

    @property
    def rights(self) -> frozenset[str]:
        """The privileges one by one."""
        return frozenset(_rights(self.descriptor))


def roles(sinks: Iterable[ElasticsearchSink], name: str) -> list[Role]:
    """Return the roles for the datasets. Raises NoRoles for OpenSearch, whose roles have another form."""
    sinks = list(sinks)
    for sink in sinks:
        if sink.settings.product != "elasticsearch":
            raise NoRoles(
                f"{sink.dataset}: roles are written for Elasticsearch, not for OpenSearch yet; write those by hand"
            )
    datasets = sorted({sink.dataset for sink in sinks})
    return [Role(principal.role(name), principal, _descriptor(principal, datasets)) for principal in Principal]


def text(roles: Iterable[Role]) -> str:
    """Return the roles as the body of `POST /_security/role`."""
    body = {"roles": {role.name: role.descriptor for role in sorted(roles, key=lambda role: role.name)}}
    return msgspec.json.format(msgspec.json.encode(body), indent=2).decode() + "\n"


def rights(settings: Settings, role: str) -> frozenset[str]:
    """Return what the cluster grants to a role, nothing if there is no such role."""
    try:
        found = ask(settings, lambda es: es.security.get_role(name=role))
    except Missing:
        return frozenset()
    return frozenset(_rights(found[role]))


def create(sink: ElasticsearchSink, partition: str, role: str) -> None:
    """Make the registry of a dataset. Roles are not taken here: a user has them all."""
    del partition, role
    sink.create()


def _descriptor(principal: Principal, datasets: Iterable[str]) -> dict[str, Any]:
    privileges = _PRIVILEGES[principal]
    indices = [
        {"names": sorted(name for dataset in datasets for name in _patterns(dataset)[kind]), "privileges": given}
        for kind, given in ((kind, sorted(privileges[kind])) for kind in sorted(privileges))
    ]
    return {"cluster": list(_CLUSTER[principal]), "indices": indices}


def _patterns(dataset: str) -> dict[str, Sequence[str]]:
    """Return what the names of a dataset's indices and aliases look like, by kind; no two kinds share one."""
    return {
        "heads": (dataset, f"{names.head(dataset, '*')}*"),
        "versions": (names.index(Version(dataset, "*", "v*")),),
        "registry": (names.registry(dataset),),
    }


def _rights(descriptor: Mapping[str, Any]) -> Iterator[str]:
    for privilege in descriptor.get("cluster", ()):
        yield f"{privilege} on the cluster"
    for entry in descriptor.get("indices", ()):
        for name in entry["names"]:
            for privilege in entry["privileges"]:
                yield f"{privilege} on {name}"
    for user in descriptor.get("run_as", ()):
        yield f"run as {user}"
    for kind in ("applications", "global", "remote_indices", "remote_cluster"):
        if descriptor.get(kind):
            yield f"{kind}: {msgspec.json.encode(descriptor[kind]).decode()}"
