"""The pointer: which version of a partition readers see. A module of its own because here the pointer is aliases.

An index that is not the head carries another alias, a tag: `staged` before it
was published, `retired` after. A publication removes the tag in the same call that
moves the head, and a deletion removes it first, so only one of the two can happen.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from luigi_sinks.elasticsearch import names
from luigi_sinks.elasticsearch.connection import CHANGE, Rejected, ask
from luigi_sinks.elasticsearch.settings import ElasticsearchSettings
from luigi_sinks.errors import Unavailable
from luigi_sinks.record import Pointer, Record, as_pointed
from luigi_sinks.version import Version

_LOOKS = 20
"""How often to look at a head that moves each time."""

_LOST = {"aliases_not_found_exception", "index_not_found_exception", "illegal_state_exception"}
"""What a stale move gets: an alias or index is gone, or, on a first one, the head has a write index already."""


@dataclass(frozen=True)
class Sight:
    """What the aliases say of a version: its partition's head, whether that is the example, and whether it was one."""

    head: Pointer
    was_head: bool
    is_example: bool = False

    def correct(self, record: Record) -> Record:
        """Return the record as the aliases have it: they also tell of a version that was the head before."""
        at = datetime.now(UTC)
        if self.was_head and record.state.is_open:
            record = as_pointed(record, Pointer(record.version), at=at)
        return as_pointed(record, self.head, at=at)


@dataclass(frozen=True)
class Aliases:
    """The aliases of one dataset; `shown_as` is the one for readers, where that is not the dataset's name."""

    settings: ElasticsearchSettings
    dataset: str
    shown_as: str = ""

    def pointer(self, partition: str) -> Pointer:
        """Return the head of one partition."""
        return self.pointers(partition).get(partition, Pointer())

    def pointers(self, partition: str | None = None) -> Mapping[str, Pointer]:
        """Return the heads of all partitions, or of one, by partition."""
        head = names.head(self.dataset, partition or "*")
        for _ in range(_LOOKS):
            found = [
                (names.version(index).partition, _pointer(index, aliases))
                for index, aliases in self._behind(head).items()
            ]
            known = {partition: pointer for partition, pointer in found if pointer}
            if len(known) == len(found):
                return known
        raise self._restless(head)

    def look(self, version: Version) -> Sight:
        """Return what the aliases say of a version, in one request."""
        head, index = names.head(self.dataset, version.partition), names.index(version)
        for _ in range(_LOOKS):
            found = self._behind(f"{head},{index}")
            was_head = names.tag(version, names.RETIRED) in found.get(index, ())
            heads = [_pointer(each, aliases) for each, aliases in found.items() if each != index or head in aliases]
            is_example = any(names.example(self.dataset) in found[each] for each in found if head in found[each])
            if not heads:  # of a version that was the head, the head may have moved while the server looked
                return Sight(self.pointer(version.partition) if was_head else Pointer(), was_head)
            if heads[0]:
                return Sight(heads[0], was_head, is_example)
        raise self._restless(head)

    def example(self) -> Version | None:
        """Return the head that shows how the dataset is divided."""
        return next(map(names.version, self._behind(names.example(self.dataset))), None)

    def move(
        self, version: Version, tag: str, before: Pointer, example: tuple[Version | None, Version] | None = None
    ) -> bool:
        """Make the version, or an empty index, which carries the tag, the head in one step; return False if it is late.

        `example` is from which version to which the example's alias moves in the same
        step. That alias is one for writing, which only one index can have: so only one of
        several first publications of a dataset succeeds. A retry fails if the first attempt
        succeeded; on False, check the pointer.
        """
        head, leaving = names.head(self.dataset, version.partition), names.behind(version, before)
        readers = self.shown_as or self.dataset
        actions = [
            _remove(version, names.tag(version, tag)),
            _add(version, readers, is_hidden=False),
            _add(version, head, is_write_index=True),
            _add(version, f"{head}~{before.epoch + 1}"),
        ]
        if leaving is not None:
            state = names.STAGED if names.is_void(leaving) else names.RETIRED  # an empty index may then be swept
            actions += [_remove(leaving, alias) for alias in (readers, head, f"{head}~{before.epoch}")]
            actions += [_add(leaving, names.tag(leaving, state))]
        if example is not None:
            alias, (from_, to) = names.example(self.dataset), example
            actions += [_remove(from_, alias)] if from_ else []
            actions += [_add(to, alias, is_write_index=True)]
        return self._update(actions)

    def replace(self, version: Version, instead_of: dict[str, Any]) -> bool:
        """Give a head the dataset's name in the same step that takes it from what has it now; False if it is late."""
        return self._update([_remove(version, self.shown_as), _add(version, self.dataset, is_hidden=False), instead_of])

    def take(self, version: Version, tag: str) -> bool:
        """Remove the tag from a version's index, which only one caller can; return False if it is gone."""
        return self._update([_remove(version, names.tag(version, tag))])

    def give_back(self, version: Version, tag: str) -> None:
        """Add a tag again, after the index could not be deleted."""
        self._update([_add(version, names.tag(version, tag))])

    def hold(self, version: Version) -> None:
        """Say, by an alias, that another index is made of this one."""
        self._update([_add(version, names.tag(version, names.CLONED))])

    def release(self, version: Version) -> None:
        """Take that alias away, if it is there."""
        self._update([_remove(version, names.tag(version, names.CLONED))])

    def is_held(self, version: Version) -> bool:
        """Tell whether another index may be being made of a version's."""
        return names.tag(version, names.CLONED) in self._of(version)

    def stands(self, version: Version) -> bool:
        """Tell whether a version's index is there, and nobody has taken its tag to delete it."""
        head = names.head(self.dataset, version.partition)
        return bool({head, names.tag(version, names.RETIRED)} & set(self._of(version)))

    def _of(self, version: Version) -> Collection[str]:
        return self._behind(names.index(version)).get(names.index(version), ())

    def others(self, partition: str | None = None) -> list[Version]:
        """Return the versions that have an index which is not a head."""
        every = names.index(Version(self.dataset, partition or "*", "v*"))
        found = ask(
            self.settings,
            lambda es: es.indices.get_alias(index=every, expand_wildcards="all", ignore_unavailable=True),
        )
        versions = {names.version(index): body["aliases"] for index, body in found.items()}
        return [each for each, aliases in versions.items() if names.head(self.dataset, each.partition) not in aliases]

    def _update(self, actions: list[dict[str, Any]]) -> bool:
        try:
            ask(self.settings.publisher, lambda es: es.indices.update_aliases(actions=actions), within=CHANGE)
        except Rejected as rejected:
            if rejected.kind == "invalid_alias_name_exception":
                raise names.taken(
                    self.dataset, f"{rejected.reason}. Delete it, or reindex it under another name"
                ) from rejected
            if rejected.kind not in _LOST:
                raise
            return False
        return True

    def _behind(self, name: str) -> Mapping[str, Collection[str]]:
        """Return the indices that a name stands for, and all aliases of each.

        A server with security resolves the name before it reads the index: an alias that
        is added in between is missing in its response.
        """
        found = ask(self.settings, lambda es: es.indices.get_alias(index=name, ignore_unavailable=True))
        return {index: body["aliases"] for index, body in found.items()}

    def _restless(self, head: str) -> Unavailable:
        return Unavailable(f"{head} has no epoch, or keeps moving; run this again, and see GET {head}/_alias")


def _pointer(index: str, aliases: Collection[str]) -> Pointer | None:
    """Return a head's index as a pointer; None if the head moved away meanwhile."""
    version = names.version(index)
    epochs = f"{names.head(version.dataset, version.partition)}~"
    found = [alias.removeprefix(epochs) for alias in aliases if alias.startswith(epochs)]
    return Pointer(None if names.is_void(version) else version, int(found[0])) if found else None


def _remove(version: Version, alias: str) -> dict[str, Any]:
    return {"remove": {"index": names.index(version), "alias": alias, "must_exist": True}}


def _add(version: Version, alias: str, *, is_hidden: bool = True, **options: bool) -> dict[str, Any]:
    return {"add": {"index": names.index(version), "alias": alias, "is_hidden": is_hidden, **options}}
