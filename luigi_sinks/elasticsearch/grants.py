"""What each kind of role may do in Elasticsearch.

Privileges are named ones where those are narrow enough, and actions where they are
not: `create_doc` would let the mapping be changed. Documents of a version are created
and never overwritten, so its loader can neither index, update nor delete any.

Permission to move an alias, which is what publishing is, also permits deleting its
index, by the action `remove_index` of `_aliases`, see
https://github.com/elastic/elasticsearch/issues/69422; and permission to block writes
also permits unblocking them. So a loader that publishes has both. Where luigi.cfg
names a `publish_credential`, only the publisher has them, and it creates the indices
too, since each is created with an alias.

An owner creates the registry, and upgrades one that an older release made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from luigi_sinks.elasticsearch import names
from luigi_sinks.elasticsearch.connection import Missing, ask
from luigi_sinks.elasticsearch.marks import ElasticsearchMarks
from luigi_sinks.elasticsearch.settings import ElasticsearchSettings
from luigi_sinks.elasticsearch.sink import ElasticsearchSink
from luigi_sinks.hcl import block, label
from luigi_sinks.role_kind import RoleKind
from luigi_sinks.version import Version

FORMAT, HEADING = "elasticsearch", "# Elasticsearch at {}: POST /_security/role"
"""What `luigi-sinks grants` calls the language of roles, and what it prints above those of a server."""

_ALIASES, _REFRESH = "indices:admin/aliases", "indices:admin/refresh*"
_LOOK = "view_index_metadata"
_WRITE = ("indices:data/write/bulk*", "indices:data/write/index*")
"""What `index` is, but for the right to change the mapping, which it has until Elasticsearch's next release."""

_HEALTH = ("cluster:monitor/health",)
_TEMPLATES = (
    *("cluster:admin/component_template/get", "indices:admin/index_template/get"),
    "indices:admin/template/get",
)
"""To see which template made an index otherwise than asked."""

_LOADING: Mapping[str, Sequence[str]] = {
    "cluster": _HEALTH,
    "heads": (_LOOK,),
    "versions": ("indices:data/write/bulk*", "indices:data/write/index:op_type/create", "read", _REFRESH),
    # Notes of the parts under way are deleted when they have arrived.
    "registry": ("delete", *_WRITE, "read", _LOOK, _REFRESH),
}
_PUBLISHING: Mapping[str, Sequence[str]] = {
    "cluster": _TEMPLATES,
    "heads": (_ALIASES,),
    # What it creates it reads back.
    "versions": ("indices:admin/block/add*", "indices:admin/create", "indices:admin/settings/update", _ALIASES, _LOOK),
    "exposures": (_ALIASES, _LOOK),
}
_OTHERS: Mapping[RoleKind, Mapping[str, Sequence[str]]] = {
    RoleKind.OWNER: {
        "cluster": _TEMPLATES,
        "heads": (_LOOK,),
        "registry": ("indices:admin/create", "indices:admin/mapping/put", "index", "read", _LOOK, _REFRESH),
    },
    RoleKind.PRUNER: {
        "heads": (_LOOK,),
        "versions": ("delete_index", _ALIASES, _LOOK),
        "registry": ("delete", *_WRITE, "read", _LOOK, _REFRESH),
    },
}
_APART = {**_OTHERS, RoleKind.LOADER: _LOADING, RoleKind.PUBLISHER: _PUBLISHING}
_TOGETHER = {
    **_OTHERS,
    RoleKind.LOADER: {
        "cluster": (*_HEALTH, *_TEMPLATES),
        "heads": (*_LOADING["heads"], *_PUBLISHING["heads"]),
        "versions": (*_LOADING["versions"], *_PUBLISHING["versions"]),
        "exposures": _PUBLISHING["exposures"],
        "registry": _LOADING["registry"],
    },
}


_CHANGING = {"versions": ("indices:data/write/index*", "indices:data/write/delete*")}
"""For changes by key: a loader overwrites and deletes documents of a clone; sealed versions are blocked for writes."""

_CLONING = {"versions": ("indices:admin/resize",)}

_OF_MARKS: Mapping[RoleKind, Mapping[str, Sequence[str]]] = {
    RoleKind.OWNER: {"cluster": _TEMPLATES, "marks": ("indices:admin/create", _LOOK)},
    # One that is there is never overwritten.
    RoleKind.LOADER: {"marks": ("indices:data/write/bulk*", "indices:data/write/index:op_type/create", "read", _LOOK)},
}


@dataclass(frozen=True)
class Role:
    """The role of one kind; `descriptor` is what Elasticsearch keeps of it."""

    name: str
    kind: RoleKind
    descriptor: Mapping[str, Any]

    @property
    def rights(self) -> frozenset[str]:
        """The privileges one by one."""
        return frozenset(_rights(self.descriptor))


Granted = ElasticsearchSink | ElasticsearchMarks
"""What privileges are needed for: a dataset, or the marks under a name."""


def roles(sinks: Iterable[Granted], name: str) -> list[Role]:
    """Return the roles for the datasets."""
    sinks = list(sinks)
    descriptors = ((role_kind, _descriptor(role_kind, sinks)) for role_kind in RoleKind)
    return [Role(role_kind.role(name), role_kind, found) for role_kind, found in descriptors if found["indices"]]


def text(roles: Iterable[Role]) -> str:
    """Return the roles as the body of `POST /_security/role`."""
    body = {"roles": {role.name: role.descriptor for role in sorted(roles, key=lambda role: role.name)}}
    return msgspec.json.format(msgspec.json.encode(body), indent=2).decode() + "\n"


def terraform(roles: Iterable[Role]) -> Iterator[str]:
    """Yield the roles as blocks of Terraform, for the provider elastic/elasticstack."""
    for role in roles:
        inner = [block("indices", (), entry) for entry in role.descriptor["indices"]]
        attributes = {"name": role.name, "cluster": role.descriptor["cluster"]}
        yield block("resource", ("elasticstack_elasticsearch_security_role", label(role.name)), attributes, inner)


def rights(settings: ElasticsearchSettings, role: str) -> frozenset[str]:
    """Return what the cluster grants to a role, nothing if there is no such role."""
    try:
        found = ask(settings, lambda es: es.security.get_role(name=role))
    except Missing:
        return frozenset()
    return frozenset(_rights(found[role]))


def conditions(settings: ElasticsearchSettings) -> Iterator[tuple[str, str]]:
    """Yield nothing: no setting of a server weakens these roles."""
    del settings
    yield from ()


def iam_user(settings: ElasticsearchSettings) -> str:
    """Return nothing: RDS IAM tokens log in to databases of RDS only."""
    del settings
    return ""


def create(sink: Granted, partition: str, role: str) -> None:
    """Make or upgrade the registry of a dataset, or make the index of marks.

    A user has all its roles at once, so none is taken here.
    """
    del partition, role
    sink.create()


def _descriptor(role_kind: RoleKind, sinks: Iterable[Granted]) -> dict[str, Any]:
    found: dict[tuple[str, Sequence[str]], set[str]] = {}
    cluster: set[str] = set()
    for sink in sinks:
        patterns, privileges = _patterns(sink.dataset), dict(_privileges(sink).get(role_kind, {}))
        cluster.update(privileges.pop("cluster", ()))
        for kind, given in privileges.items():
            found.setdefault((kind, tuple(sorted(given))), set()).update(patterns[kind])
    indices = [{"names": sorted(found[key]), "privileges": list(key[1])} for key in sorted(found)]
    return {"cluster": sorted(cluster), "indices": indices}


def _privileges(sink: Granted) -> Mapping[RoleKind, Mapping[str, Sequence[str]]]:
    if isinstance(sink, ElasticsearchMarks):
        return _OF_MARKS
    privileges = _APART if sink.settings.publish_credential else _TOGETHER
    if not sink.takes_changes:
        return privileges
    publisher = RoleKind.PUBLISHER if sink.settings.publish_credential else RoleKind.LOADER
    changing = {**privileges, RoleKind.LOADER: _added(privileges[RoleKind.LOADER], _CHANGING)}
    return {**changing, publisher: _added(changing[publisher], _CLONING)}


def _added(privileges: Mapping[str, Sequence[str]], more: Mapping[str, Sequence[str]]) -> Mapping[str, Sequence[str]]:
    return {kind: (*privileges.get(kind, ()), *more.get(kind, ())) for kind in privileges.keys() | more.keys()}


def _patterns(dataset: str) -> dict[str, Sequence[str]]:
    """Return what the names of a dataset's indices and aliases look like, by kind; no two kinds share one."""
    return {
        "heads": (dataset, f"{names.head(dataset, '*')}*"),
        "versions": (names.index(Version(dataset, "*", "v*")),),
        "exposures": (names.exposure(dataset, "*"),),
        "registry": (names.registry(dataset),),
        "marks": (names.marks(dataset),),
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
