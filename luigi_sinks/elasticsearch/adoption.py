"""Adopts an index, or an alias of one: its clone becomes a version, which takes its name in one step.

The index takes no writes from then on, so the clone has the same documents. It is made
by hard links, without copying. An index that is called like the dataset is deleted by the
step that gives the alias its name; searches that run at that moment may get status 503.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from luigi_sinks.elasticsearch import cloning, creation, names
from luigi_sinks.elasticsearch.connection import CHANGE, Rejected, administer, ask
from luigi_sinks.elasticsearch.schema import field_types, parse_schema
from luigi_sinks.elasticsearch.sink import ElasticsearchSink, ElasticsearchStage
from luigi_sinks.errors import BadSetting, Conflict, Unavailable
from luigi_sinks.version import Version

_log = logging.getLogger("luigi_sinks")


@dataclass(frozen=True)
class _Beside(ElasticsearchSink):
    """The sink of a dataset whose name is taken by an index, or by an alias of that."""

    source: str = ""

    @property
    def _shown_as(self) -> str:
        """The alias that readers will use."""
        return names.beside(self.dataset)

    def attach(self, version: Version) -> _Cloning:
        """Open the stage of a registered version."""
        names.check_version(self.dataset, version)
        return _Cloning(self, version)


@dataclass(frozen=True)
class _Cloning(ElasticsearchStage):
    """A version that is made from another index."""

    sink: _Beside

    def create_index(self) -> None:
        """Let the other index take no more writes, and clone it."""
        source = self.sink.source
        _log.warning("index %s takes no writes from now on; if you give this up, set index.blocks.write: null", source)
        answer = administer(self.sink.settings, lambda es: es.indices.add_block(index=source, block="write"))
        if not answer["acknowledged"]:
            raise Unavailable(f"{source}: not all shards confirmed the write block; run this again")
        administer(self.sink.settings, lambda es: es.indices.refresh(index=source))
        try:
            cloning.copy_files(self.sink.settings, source, names.index(self.version), self._alias)
        except Rejected as rejected:
            raise BadSetting(f"index {source} cannot be cloned: {rejected.reason}") from rejected


@dataclass(frozen=True)
class ExistingIndex:
    """An index with the name of a dataset, or with an alias of this name; `of` is the sink that tasks load it by."""

    of: ElasticsearchSink

    @cached_property
    def sink(self) -> _Beside:
        """Makes a version of the index."""
        return _Beside(self.of.settings, self.of.dataset, self.of.schema, source=self._source)

    @cached_property
    def _source(self) -> str:
        found = creation.look(self.of.settings, self.of.dataset)
        others = sorted(index for index in found if not index.startswith(f"{self.of.dataset}~"))
        if len(others) == 1 and len(found) == 1:
            return others[0]
        if found and not others:
            raise BadSetting(f"index {self.of.dataset!r} is a dataset already, and there is nothing to adopt")
        listed = ", ".join(others) or "no index"
        raise BadSetting(f"{self.of.dataset!r} stands for {listed}; only one index, or an alias of one, can be adopted")

    def refuse(self) -> None:
        """Raise BadSetting for an index with settings that no version may have, or with other fields."""
        found = creation.look(self.of.settings, self._source)[self._source]
        mapping = {name: value for name, value in found["mappings"].items() if name != "dynamic"}
        settings = creation.chosen(found["settings"]).items()  # with a block, if this goes on with an adoption
        parse_schema(self._source, mapping, {name: value for name, value in settings if name != "blocks.write"}, "")
        there, declared = field_types(mapping["properties"]), field_types(self.of.schema.properties)
        if (by := self.of.schema.id_field) and by not in there:
            raise BadSetting(
                f"index {self._source}: its documents have no field {by!r}, which is the id_field. Adopt it without "
                f"{by!r} in mapping and without id_field, and set both before the next load; adopted documents keep "
                f"their _id, and have no {by!r}"
            )
        for field in sorted(there.keys() | declared.keys()):
            if there.get(field) != declared.get(field):
                raise BadSetting(
                    f"index {self._source}: field {field!r} is {there.get(field, 'not there')}, and declared as "
                    f"{declared.get(field, 'nothing')}; declare what is there, as `luigi-sinks declare "
                    f"elasticsearch:{self.of.dataset}` prints it"
                )

    def lost(self) -> Sequence[str]:
        """Return nothing: its versions have all of it."""
        return ()

    def copy(self, writer: Any) -> None:
        """Count what was cloned when the version was staged."""
        writer.make_part(lambda *_: self._count())

    def equals(self, version: Version) -> bool:
        """Tell whether a version has as many documents as the index, which still takes no writes."""
        settings = creation.look(self.of.settings, self._source)[self._source]["settings"]
        is_blocked = str(settings.get("blocks.write")).lower() == "true"
        return is_blocked and self._count() == self.of.count(version)

    def give_way(self, version: Version) -> str:
        """Give the version the name of the index, or of its alias."""
        source, dataset = self._source, self.of.dataset
        is_index = source == dataset
        gone = {"remove_index": {"index": source}}
        left = {"remove": {"index": source, "alias": dataset, "must_exist": True}}
        is_done = self.sink.aliases.replace(version, gone if is_index else left)
        if not is_done and creation.look(self.of.settings, dataset).keys() != {names.index(version)}:
            raise Conflict(f"{version}: {dataset} stands for something else meanwhile; run this again")
        if is_index:
            return "the index is gone, and the version has its documents"
        return f"the index {source} is kept, takes no writes, and is no longer read by this name"

    def _count(self) -> int:
        answer = ask(self.of.settings, lambda es: es.count(index=self._source), within=CHANGE)
        if answer["_shards"]["failed"]:
            raise Unavailable(f"{self._source}: some shards did not answer the count; try again")
        return int(answer["count"])
