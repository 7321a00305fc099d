"""`luigi.contrib.esindex`: change the import, remove the connection, declare the mapping, say what a run replaces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, ClassVar, Unpack

from luigi_sinks import elasticsearch
from luigi_sinks.contrib import without_effect
from luigi_sinks.contrib.adopted import Adoptable
from luigi_sinks.contrib.documents import Documents
from luigi_sinks.contrib.lines import lines
from luigi_sinks.contrib.old_targets import refusing
from luigi_sinks.contrib.proposal import proposed
from luigi_sinks.elasticsearch import names
from luigi_sinks.elasticsearch.schema import parse_schema
from luigi_sinks.errors import BadSetting
from luigi_sinks.record import Record
from luigi_sinks.retry import patient
from luigi_sinks.target import TargetOptions
from luigi_sinks.task import setting
from luigi_sinks.task_events import watch

__all__ = ["CopyToIndex", "IndexTarget"]

_LOOKED_AT = 100
"""Documents from which a mapping is proposed."""


class IndexTarget(elasticsearch.ElasticsearchTarget, Adoptable):
    """A version of an index that is declared as for `luigi.contrib.esindex`.

    - `mapping`: as for `ElasticsearchTarget`; may be within the name of the `doc_type`.
    - `settings`: as for `ElasticsearchTarget`; may be within "settings".
    - `marker_index_hist_size`: how many of the last outputs of the index are complete. Default: 0, all.

    The other options are those of `ElasticsearchTarget`.

    Example:
        >>> typed = {"default": {"properties": {"delay": {"type": "float"}}}}
        >>> IndexTarget("delays", mapping=typed, settings={"settings": {}}, update_id="first").schema.properties
        {'delay': {'type': 'float'}}

    """

    def __init__(
        self,
        index: str,
        *,
        mapping: Any,
        settings: Any = None,
        id_field: str = "",
        doc_type: str = "default",
        marker_index_hist_size: int = 0,
        **options: Unpack[TargetOptions],
    ) -> None:
        _refuse_size(index, marker_index_hist_size)
        untyped, unwrapped = _untyped(index, mapping, doc_type), _unwrapped(index, settings)
        super().__init__(index, mapping=untyped, settings=unwrapped, id_field=id_field, **options)
        self._hist_size = marker_index_hist_size

    def is_complete_by(self, records: Iterable[Record]) -> bool:
        """Return whether this output exists: by its records, or by a mark of luigi.contrib that was adopted."""
        return (self._has_version(records) and self._is_remembered()) or self._is_adopted()

    def _is_remembered(self) -> bool:
        """Return whether this output is among the last ones of the index that `marker_index_hist_size` allows."""
        if not self._hist_size:
            return True
        complete = [record for record in patient(self.sink()).records() if record.is_complete]
        latest = {record.origin.update_id: record.seq for record in complete}
        kept = sorted(latest, key=lambda update_id: latest[update_id])[-self._hist_size :]
        return self.origin.update_id in kept


class CopyToIndex(elasticsearch.CopyToIndex):
    r"""Loads `docs()`, by default the JSON lines of the input, as one version of an index.

    It takes what tasks of `luigi.contrib.esindex` are written with:

    - `index`, `mapping` and `settings`. A mapping is required: without one, making a task raises an error
      that proposes a strict one from the first documents.
    - `docs()`: JSON lines or dicts, which may have `_id`, `_index` and `_type`. Documents with an `_id` need
      `id_field`, the field that holds it.
    - `purge_existing_index = True`: each run replaces the whole index, as `partition_by = ()` does.
    - `marker_index_hist_size`: how many of the last outputs of the index are complete; 0, the default, means all.

    `chunk_size`, `doc_type` and `timeout` have no effect, and are warned of. `host`, `port`, `http_auth`,
    `extra_elasticsearch_args`, `update_id()`, `create_index()`, `delete_index()` and `raise_on_error = False`
    raise luigi's ParameterException, which says what to do. Running it raises what `CopyTask` does.

    Example, kept in SQLite by `local` in `[luigi_sinks]`:
        >>> class Items(CopyToIndex):
        ...     index = "items"
        ...     mapping = {"properties": {"id": {"type": "keyword"}, "n": {"type": "integer"}}}
        ...     id_field = "id"
        ...     def docs(self):
        ...         yield '{"_id": "a", "_type": "entry", "n": 1}\n'
        >>> task = Items()
        >>> task.run()
        >>> list(task.output().rows())
        [{'id': 'a', 'n': 1}]

    """

    _store = "elasticsearch"
    _target_class = IndexTarget
    _reads_adopted_marks = True
    _without_effect: ClassVar[tuple[str, ...]] = ("chunk_size", "doc_type", "timeout")

    doc_type = setting("")
    """Has no effect, except that a mapping may stand within this name."""

    purge_existing_index = setting(False)
    """Whether each run replaces the whole index."""

    marker_index_hist_size = setting(0)
    """How many of the last outputs of the index are complete; 0 means all."""

    raise_on_error = setting(True)
    """Whether a document that is refused ends the load; it always does."""

    def docs(self) -> Iterable[Any]:
        """Return the documents: by default the lines of the input."""
        return lines(self)

    def output(self) -> IndexTarget:
        """Return the version this task makes."""
        return IndexTarget(
            self.index,
            mapping=self.mapping,
            settings=self.settings,
            id_field=self.id_field,
            doc_type=self.doc_type,
            marker_index_hist_size=self.marker_index_hist_size,
            **self._target_options(),
        )

    def _refuse_what_is_ignored(self) -> None:
        super()._refuse_what_is_ignored()
        without_effect.warn(type(self), self._without_effect)
        self._read_purge()
        if not self.raise_on_error:
            raise BadSetting(
                f"{self.task_family}: raise_on_error = False would leave documents out unseen; set on_bad_row = "
                "'set_aside' and most_bad_rows, which name them in a file"
            )
        if not self.mapping:
            raise BadSetting(f"{self.task_family}: {self._without_mapping()}")
        names.check_dataset(self.index)
        _refuse_size(self.index, self.marker_index_hist_size)
        mapping, settings = _untyped(self.index, self.mapping, self.doc_type), _unwrapped(self.index, self.settings)
        self._id_type = parse_schema(self.index, mapping, settings, self.id_field).properties.get(self.id_field, {})

    def _read_purge(self) -> None:
        """Take `purge_existing_index` for what a run replaces."""
        if not isinstance(self.purge_existing_index, bool):
            raise BadSetting(
                f"{self.task_family}: purge_existing_index = {self.purge_existing_index!r} is neither True nor False"
            )
        if not self.purge_existing_index:
            return
        if self.partition_by:
            raise BadSetting(
                f"{self.task_family}: purge_existing_index = True replaces the whole index, and partition_by = "
                f"{self.partition_by!r} one partition; keep one of the two"
            )
        if self.partition_by is None:
            self.partition_by = ()

    def _without_mapping(self) -> str:
        """Return the error for a task without a mapping, with one that is proposed from its first documents."""
        with suppress(Exception):  # whatever the task's code raises, as when its input is not there yet
            found = [Documents(self.index).split(each) for each in self._first_documents()]
            ids = [id_ for _, id_ in found if id_ is not None]
            proposal = proposed([fields for fields, _ in found], ids if len(ids) == len(found) else ())
            count = f"the first {len(found)} documents" if len(found) > 1 else "the first document"
            return f"set mapping; each field must have a type. Proposed from {count}, to check and paste:\n{proposal}"
        return (
            "set mapping = {FIELD: {'type': ...}, ...}; each field must have a type. Make the task again when its "
            "input is there, and a mapping is proposed from its first documents"
        )

    def _first_documents(self) -> Sequence[Any]:
        documents: Any = iter(self.docs())
        found = list(islice(documents, _LOOKED_AT))
        if hasattr(documents, "close"):
            documents.close()
        if not found:
            raise ValueError("no documents")
        return found

    def fresh_rows(self) -> Iterator[Any]:
        """Yield the documents as a load takes them."""
        id_is_text = self._id_type.get("type", "keyword") == "keyword"
        documents = Documents(self.index, self.id_field, id_is_text=id_is_text)
        for given in super().fresh_rows():
            yield documents.plain(given)


def _refuse_size(index: str, size: Any) -> None:
    """Raise BadSetting for a `marker_index_hist_size` that is no number of outputs."""
    if type(size) is not int or size < 0:
        raise BadSetting(
            f"index {index!r}: marker_index_hist_size = {size!r} is no whole number from 0 on; 0 means that all "
            "outputs are complete"
        )


def _untyped(index: str, mapping: Any, doc_type: str) -> Any:
    """Return a mapping that may stand within the name of its type of documents.

    Raises BadSetting for one key with properties of its own that is either a type or a field.
    """
    if not isinstance(mapping, Mapping) or len(mapping) != 1:
        return mapping
    ((name, inner),) = mapping.items()
    if name == "properties" or not isinstance(inner, Mapping) or "properties" not in inner:
        return mapping
    if name == (doc_type or "default"):
        return inner
    raise BadSetting(
        f"index {index!r}: mapping holds {name!r} alone, with properties; if that is the type of the documents, set "
        f"doc_type = {name!r} or remove it from the mapping; if it is a field, write "
        f"{{'properties': {{{name!r}: ...}}}}"
    )


def _unwrapped(index: str, settings: Any) -> Any:
    """Return the settings of an index from the body that created it. Raises BadSetting for what else is there."""
    if not isinstance(settings, Mapping) or "settings" not in settings:
        return settings
    others = sorted(set(settings) - {"settings"})
    if others:
        raise BadSetting(
            f"index {index!r}: settings has {', '.join(others)} beside settings, which would be ignored; declare the "
            "mapping by mapping, and leave aliases to luigi_sinks"
        )
    return settings["settings"]


watch(CopyToIndex)

__getattr__ = refusing("ElasticsearchTarget", "luigi_sinks.elasticsearch.Marker")
