"""Which versions readers see: the aliases, which are the authority.

An index that is no head has an alias of its own that says so. Whoever takes it
away has the index: a publisher, which does it in the same step that moves the
head, or someone who will delete it. So a call that was sent long ago can neither
publish an index that is being deleted nor lose one that was published.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from luigi_sinks.elasticsearch import names
from luigi_sinks.elasticsearch.connection import CHANGE, Rejected, ask
from luigi_sinks.elasticsearch.settings import ElasticsearchSettings
from luigi_sinks.errors import BadSetting, Unavailable
from luigi_sinks.version import Version

_LOOKS = 20
"""At a head that moves again each time it is looked at."""

_LOST = {"aliases_not_found_exception", "index_not_found_exception", "illegal_state_exception"}
"""What a stale move gets: an alias or index is gone, or, on a first one, the head has a write index already."""


@dataclass(frozen=True)
class Pointer:
    """The version that is a partition's head, if any, and how often the head has moved."""

    version: Version | None = None
    epoch: int = 0


@dataclass(frozen=True)
class Heads:
    """The heads of one dataset."""

    settings: ElasticsearchSettings
    dataset: str

    def pointer(self, partition: str) -> Pointer:
        """Look at one partition's head."""
        head = names.head(self.dataset, partition)
        for _ in range(_LOOKS):
            found = self._behind(head)
            if not found:
                return Pointer()
            for index, aliases in found.items():
                for alias in aliases:
                    if alias.startswith(f"{head}~"):
                        return Pointer(names.version(index), int(alias.removeprefix(f"{head}~")))
        raise Unavailable(f"{head} has no epoch, or moves all the time; see GET {head}/_alias")

    def versions(self, partition: str | None = None) -> set[Version]:
        """Return the heads of all partitions, or that of one."""
        return {names.version(index) for index in self._behind(names.head(self.dataset, partition or "*"))}

    def move(self, version: Version, tag: str, after: Pointer) -> bool:
        """Make the version, which carries the tag, the head in one step; return False if another came first.

        A call whose answer was lost was repeated, and then lost to itself: look
        at the pointer before you believe a False.
        """
        actions = [
            _remove(version, names.tag(version, tag)),
            _add(version, self.dataset, is_hidden=False),
            _add(version, names.head(self.dataset, version.partition), is_write_index=True),
            _add(version, names.epoch(self.dataset, version.partition, after.epoch + 1)),
        ]
        if after.version is not None:
            actions += self._leave(after.version, after.epoch)
        return self._update(actions)

    def take(self, version: Version, tag: str) -> bool:
        """Take the tag off a version's index, so that nobody else may; return False if it is gone."""
        return self._update([_remove(version, names.tag(version, tag))])

    def give_back(self, version: Version, tag: str) -> None:
        """Put a tag back that was taken for nothing."""
        self._update([_add(version, names.tag(version, tag))])

    def mappings(self) -> dict[Version, dict[str, Any]]:
        """Return the mapping of each head; raise BadSetting if the dataset's name stands for something else."""
        found = ask(self.settings, lambda es: es.indices.get_mapping(index=self.dataset, ignore_unavailable=True))
        others = sorted(index for index in found if not index.startswith(f"{self.dataset}~"))
        if others == [self.dataset]:
            raise self._taken("there is an index of this name. Delete it, or reindex it under another name")
        if others:
            raise self._taken(f"it stands for {', '.join(others)}. Take the alias off, or rename the data stream")
        return {names.version(index): body["mappings"] for index, body in found.items()}

    def _leave(self, version: Version, epoch: int) -> list[dict[str, Any]]:
        return [
            _remove(version, self.dataset),
            _remove(version, names.head(self.dataset, version.partition)),
            _remove(version, names.epoch(self.dataset, version.partition, epoch)),
            _add(version, names.tag(version, names.RETIRED)),
        ]

    def _update(self, actions: list[dict[str, Any]]) -> bool:
        try:
            ask(self.settings.publisher, lambda es: es.indices.update_aliases(actions=actions), within=CHANGE)
        except Rejected as rejected:
            if rejected.kind in _LOST:
                return False
            if rejected.kind == "invalid_alias_name_exception":
                raise self._taken(f"{rejected.reason}. Delete it, or reindex it under another name") from rejected
            raise
        return True

    def _behind(self, head: str) -> dict[str, list[str]]:
        """Return the indices behind an alias, and all aliases of each.

        A server with security knows which aliases there are before it looks at the
        index: one that comes in between is missing in its answer.
        """
        found = ask(self.settings, lambda es: es.indices.get_alias(index=head, ignore_unavailable=True))
        return {index: list(body["aliases"]) for index, body in found.items()}

    def _taken(self, why: str) -> BadSetting:
        return BadSetting(f"{self.dataset} is to be the alias that readers use, but {why}, or choose another dataset")


def _remove(version: Version, alias: str) -> dict[str, Any]:
    return {"remove": {"index": names.index(version), "alias": alias, "must_exist": True}}


def _add(version: Version, alias: str, *, is_hidden: bool = True, **options: bool) -> dict[str, Any]:
    return {"add": {"index": names.index(version), "alias": alias, "is_hidden": is_hidden, **options}}
