"""A dataset, as a DAG declares it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any

from luigi_sinks import option_types, stores, unseen, versions
from luigi_sinks.airflow import published
from luigi_sinks.airflow.connections import connected
from luigi_sinks.airflow.identity import TaskRun
from luigi_sinks.airflow.lifetime import lifetime
from luigi_sinks.airflow.sdk import Asset, get_current_context
from luigi_sinks.config import common
from luigi_sinks.errors import BadSetting, did_you_mean
from luigi_sinks.listeners import Listener
from luigi_sinks.load import writing
from luigi_sinks.target_options import TargetOptions
from luigi_sinks.version import WHOLE, Version
from luigi_sinks.writer import Writer

SCHEME = "luigi-sinks"
"""The scheme of the URIs of assets, which `luigi_sinks_airflow.provider` registers."""

_SCHEMA = {"mariadb": "columns", "elasticsearch": "mapping", "neo4j": "nodes"}
"""What says how the rows of each store look."""

_DECLARED = {
    "mariadb": {"columns"},
    "elasticsearch": {"mapping", "settings", "id_field"},
    "neo4j": {"nodes", "relationships", "publish", "missing_ends"},
}
"""The arguments of each store's own target, whose module is not to be imported with a DAG."""

_OF_THE_RUN = ("task", "partition", "partition_by", "rerun", "update_id", "origin", "takes_over")
"""Options of a target that the task run chooses."""


class Dataset:
    """A dataset in a store, which tasks load versions of. Declaring it opens nothing, and imports no driver.

    - `store`: "mariadb", "elasticsearch" or "neo4j".
    - `name`: the name of the table, index or graph.
    - `conn_id`: the connection of Airflow that says where it is; a password in it is refused. Default: the section
      `[luigi_sinks.STORE]`, or `[luigi_sinks.STORE.NAME]` with `connection = "NAME"`.
    - `credential`: the NAME of the section `[luigi_sinks.credential.NAME]`. Default: as the connection says.
    - `owner`: the team that it belongs to. Default: the task's `owner`, else the only role that may edit the DAG.
    - `declared`: what the store's target takes: `columns` of a table; `mapping`, `settings` and `id_field` of an
      index; `nodes` and `relationships` of a graph; and for each `checks`, `keep`, `shared_with`, `older` and so on,
      see `luigi_sinks.target.TargetOptions`. A function is called when the task loads, so that what it
      imports is not imported with the DAG; `checks` are passed on as they are.

    Raises BadSetting for an unknown store, an unknown option, and those that the task run chooses; what
    else is wrong is raised by the load. One that is only read, or waited for, needs no schema.

    Example:
        from airflow.sdk import DAG, task
        from luigi_sinks.airflow import Dataset

        departures = Dataset("mariadb", "departures", conn_id="warehouse", columns=columns)

        with DAG("flights"):

            @task(outlets=[departures.asset])
            def load(ds_nodash=None):
                with departures.loading(ds_nodash) as sink:
                    for row in flights(ds_nodash):
                        sink.write(row)

            load()

    """

    def __init__(
        self,
        store: str,
        name: str,
        *,
        conn_id: str = "",
        connection: str = "",
        credential: str = "",
        owner: str = "",
        **declared: Any,
    ) -> None:
        if store not in stores.names():
            raise BadSetting(f"dataset {name!r}: {store!r} is not a store; {did_you_mean(store, stores.names())}")
        if conn_id and connection:
            raise BadSetting(f"dataset {name!r} has conn_id and connection, either of which says where it is; keep one")
        for option in _OF_THE_RUN:
            if option in declared:
                raise BadSetting(f"dataset {name!r}: the run of a task chooses {option}; remove it")
        known = {*_DECLARED.get(store, declared), *TargetOptions.__annotations__}
        if unknown := next((option for option in declared if option not in known), None):
            raise BadSetting(f"dataset {name!r}: {unknown} is unknown; {did_you_mean(unknown, known)}")
        option_types.refuse(
            f"dataset {name!r}", {each: given for each, given in declared.items() if not _is_late(each, given)}
        )
        unseen.refuse(name, "dataset")
        self.store, self.name, self.owner = store, name, owner
        self._connection = {"conn_id": conn_id, "connection": connection, "credential": credential}
        self._declared = declared

    @cached_property
    def asset(self) -> Any:
        """The asset of Airflow that stands for the dataset: an outlet of tasks that load it, a schedule of others."""
        place = self._connection["conn_id"] or self._connection["connection"]
        return Asset(uri=f"{SCHEME}://{'/'.join(filter(None, (self.store, place, self.name)))}")

    @contextmanager
    def loading(
        self, partition: str = WHOLE, *, context: Mapping[str, Any] | None = None, listeners: Sequence[Listener] = ()
    ) -> Iterator[Writer]:
        """Give a writer; publish what was written when the block ends cleanly, and tell Airflow which version that is.

        - `partition`: the partition's id, of a-z, 0-9 and _, such as `ds_nodash`. Default: the whole dataset.
        - `context`: the task's context. Default: that of the task that runs.
        - `listeners`: are told of each step.

        A try after the first takes the partition over from the ones before, wherever they ran.
        At the end connections are closed, and leases revoked; SIGTERM abandons the load. Raises
        what `luigi_sinks.loading` raises.
        """
        context = context or get_current_context()
        told: list[dict[str, Any]] = []

        def hear(event: Any) -> None:
            told.extend(filter(None, (published.facts(event),)))

        with self._running(context) as (run, connection):
            load = replace(self._target(run, partition, connection).load(), listeners=(*listeners, hear))
            with writing(load) as writer:
                yield writer
            for facts in told:
                published.tell(context, self.asset, facts)

    @contextmanager
    def reading(self, event: Any, *, context: Mapping[str, Any] | None = None) -> Iterator[Iterator[Any]]:
        """Give the rows of exactly the version that an asset event names, whatever was published since.

        - `event`: one of `triggering_asset_events[dataset.asset]`, or its `extra`, or what a `LoadOperator` returned.
        - `context`: the task's context. Default: that of the task that runs.

        Raises BadSetting for an event without a version, and Conflict if its rows were deleted since.
        """
        told = _extra(event)
        with self._running(context or get_current_context()) as (run, connection):
            dataset = common().dataset(self.name)
            catalog = stores.find(self.store).catalog(dataset, connection, owner=self.owner or run.owner)
            published.tell_read(self.asset, told)
            yield versions.read(catalog, Version(dataset, told["partition"], told["version"]))

    @contextmanager
    def _running(self, context: Mapping[str, Any]) -> Iterator[tuple[TaskRun, str]]:
        run = TaskRun.of(context)
        with connected(self.store, **self._connection) as connection, lifetime(run, self.owner or run.owner):
            yield run, connection

    def _target(self, run: TaskRun, partition: str, connection: str) -> Any:
        if (schema := _SCHEMA.get(self.store, "")) not in {"", *self._declared}:
            raise BadSetting(f"dataset {self.name!r}: {schema} is missing; declare it, as rows are to be loaded")
        options = {name: value() if _is_late(name, value) else value for name, value in self._declared.items()}
        return stores.find(self.store).target_class(
            self.name,
            **options,
            partition=partition,
            connection=connection,
            origin=run.origin(self.owner or run.owner),
            takes_over=run.is_retry,
        )

    def __repr__(self) -> str:
        """Return store and name."""
        return f"Dataset({self.store!r}, {self.name!r})"


def _is_late(name: str, value: Any) -> bool:
    return name != "checks" and callable(value)


def _extra(event: Any) -> Mapping[str, Any]:
    told = event if isinstance(event, Mapping) else getattr(event, "extra", None)
    if not isinstance(told, Mapping) or not {"version", "partition"} <= told.keys():
        raise BadSetting(
            f"{event!r} names no version: give an event of triggering_asset_events[dataset.asset], or its extra, of a "
            "task that loads by luigi_sinks"
        )
    return told
