"""The Luigi task that loads its `docs()` into an index."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from luigi_sinks.elasticsearch.target import ElasticsearchTarget
from luigi_sinks.task import CopyTask, setting
from luigi_sinks.task_events import watch


class CopyToIndex(CopyTask):
    """Loads `docs()` as one version of an index.

    Subclasses set `index` and `mapping`, and define `docs()`. `luigi_sinks.CopyTask`
    describes what tasks of all stores take, and the errors that running one raises.

    Example, kept in SQLite by `local` in `[luigi_sinks]`:
        >>> class Delays(CopyToIndex):
        ...     index = "delays"
        ...     mapping = {"id": {"type": "keyword"}, "delay": {"type": "float"}}
        ...     id_field = "id"
        ...     def docs(self):
        ...         yield {"id": "UA1", "delay": 3.5}
        >>> task = Delays()
        >>> task.run()
        >>> task.complete(), list(task.output().rows())
        (True, [{'id': 'UA1', 'delay': 3.5}])

    """

    _store = "elasticsearch"

    index = setting("")
    """The alias that readers use."""

    mapping = setting(None)
    """{"properties": {...}}, or the properties themselves. It is always strict. Required."""

    settings = setting(None)
    """Settings of the index, such as number_of_shards, number_of_replicas and analysis; the server's by default."""

    id_field = setting("")
    """The field whose value is the document's id; without one, rows may repeat."""

    def docs(self) -> Iterable[Any]:
        """Return the documents: dicts, tuples in the mapping's order, or Arrow tables and data frames."""
        raise NotImplementedError(f"define {type(self).__name__}.docs(): it returns the documents to load")

    def rows(self) -> Iterable[Any]:
        """Return the documents."""
        return self.docs()

    def output(self) -> ElasticsearchTarget:
        """Return the version this task makes."""
        return ElasticsearchTarget(
            self.index,
            mapping=self.mapping,
            settings=self.settings,
            id_field=self.id_field,
            **self._target_options(),
        )


watch(CopyToIndex)
