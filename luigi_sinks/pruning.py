"""Deletes what a policy says, of a whole dataset or of one partition: first the plan, then exactly that."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from luigi_sinks import retention, versions
from luigi_sinks.errors import Conflict
from luigi_sinks.record import Record
from luigi_sinks.retention import Retention
from luigi_sinks.retry import patient
from luigi_sinks.sink import Catalog
from luigi_sinks.version import Version

_log = logging.getLogger("luigi_sinks")


@dataclass(frozen=True)
class Plan:
    """What is to be deleted.

    - `drops`: versions whose rows go, since the policy does not keep them.
    - `orphans`: dead versions of which a killed process or a late request left something.
    - `policy`: why.
    """

    drops: tuple[Record, ...]
    orphans: tuple[Version, ...]
    policy: Retention

    @property
    def versions(self) -> list[Version]:
        """All of them."""
        return [*(record.version for record in self.drops), *self.orphans]


def plan_prune(catalog: Catalog, policy: Retention, *, partition: str | None = None) -> Plan:
    """Return what `prune_all` would delete now. Changes nothing.

    Never planned are a head, a pinned version, a version that is being loaded or from which
    a load is made, one that was the head less than `policy.min_age` ago, and the newest
    `policy.keep` of each partition. `partition` limits the plan to one.

    Example:
        >>> from datetime import timedelta
        >>> from luigi_sinks import stores
        >>> flights = stores.find("mariadb").catalog("flights")
        >>> plan_prune(flights, Retention(keep=2, min_age=timedelta(days=7))).versions
        []

    """
    catalog = patient(catalog)
    orphans = tuple(catalog.remains(partition))
    drops = retention.to_drop(catalog.records(partition=partition), policy)
    return Plan(tuple(record for record in drops if record.version not in orphans), orphans, policy)


def prune_all(catalog: Catalog, plan: Plan) -> list[Version]:
    """Delete what a plan says, and nothing else; return what is gone.

    A version that became the head or was pinned since is kept, with a warning. Raises
    Forbidden for a login that may not delete, and CredentialError as `versions.prune` does.
    """
    return list(_pruned(patient(catalog), plan))


def _pruned(catalog: Catalog, plan: Plan) -> Iterator[Version]:
    for record in plan.drops:
        try:
            versions.prune(catalog, record.version, min_age=plan.policy.min_age)
        except Conflict as kept:
            _log.warning("%s is kept: %s", record.version, kept)
        else:
            yield record.version
    for version in plan.orphans:
        if versions.sweep_version(catalog, version):
            yield version
