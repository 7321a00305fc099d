"""Gathers datasets by the server they lie on, with the roles that they take there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from luigi_sinks import owners
from luigi_sinks.cli import terraform
from luigi_sinks.cli.module import Dataset, Grants, seen_by

_EVERYBODY = "luigi_sinks_tasks"
"""The role of tasks without an owner. Not `luigi_sinks`: users are called that, and MariaDB keeps both in one table."""


@dataclass(frozen=True)
class Place:
    """One server of a store: all that a role is granted there is in one place.

    `grants` is what the store knows about rights there.
    """

    store: str
    server: str
    grants: Grants
    settings: Any
    roles: Sequence[Any]

    @property
    def heading(self) -> str:
        """What is printed above the roles."""
        return self.grants.HEADING.format(self.server)

    def text(self) -> str:
        """Return the roles in the server's own language."""
        return self.grants.text(self.roles)

    def seen_by(self, user: str, credential: str) -> Place:
        """Return the same server for somebody who takes no role, and may log in as another user."""
        return replace(self, settings=seen_by(self.settings, user, credential))

    def differences(self) -> Iterator[tuple[str, str]]:
        """Yield `-` for a right that the server does not grant and `+` for one that it should not, and its name.

        Raises NoRoles if the server does not say what it grants.
        """
        yield from self.grants.conditions(self.settings)
        for role in self.roles:
            wanted, found = frozenset(role.rights), self.grants.rights(self.settings, role.name)
            for right in sorted(wanted ^ found):
                yield "-" if right in wanted else "+", f"{role.name}: {right}"


def need_roles(dataset: Dataset) -> None:
    """Raise NoRoles if there is no writing the roles of a dataset."""
    dataset.grants.roles([dataset.sink], _role(dataset))


def places(datasets: Iterable[Dataset]) -> list[Place]:
    """Return the servers in the order of their stores and addresses. Raises what the stores' `roles` do."""
    ordered = sorted(datasets, key=lambda each: (*_server(each), _role(each), each.sink.dataset))
    groups = (list(found) for _, found in groupby(ordered, _server))
    return [
        Place(first.store, first.server, first.grants, first.sink.settings, list(_roles([first, *others])))
        for first, *others in groups
    ]


def as_terraform(datasets: Iterable[Dataset], places: Iterable[Place]) -> str:
    """Return all roles of the places, and those of the datasets' owners in AWS."""
    blocks = list(_in_aws(datasets))
    for place in places:
        blocks += place.grants.terraform(place.roles)
    return "\n\n".join(blocks) + "\n"


def _roles(datasets: Iterable[Dataset]) -> Iterator[Any]:
    for name, group in groupby(datasets, _role):
        found = list(group)
        yield from found[0].grants.roles([each.sink for each in found], name)


def _server(dataset: Dataset) -> tuple[str, str, str]:
    return dataset.store, dataset.server, dataset.grants.FORMAT


def _role(dataset: Dataset) -> str:
    return dataset.role or dataset.owner or _EVERYBODY


def _in_aws(datasets: Iterable[Dataset]) -> Iterator[str]:
    users: dict[str, set[str]] = {}
    for each in datasets:
        if role := owners.find(each.owner).aws_role:
            users.setdefault(role, set()).add(each.grants.iam_user(each.sink.settings))
    if users:
        yield from terraform.variables(dbusers=any(any(names) for names in users.values()))
    for role, names in sorted(users.items()):
        yield from terraform.aws(role, sorted(filter(None, names)))
