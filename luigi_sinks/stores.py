"""The stores there are: each registers a descriptor by an entry point, and nothing else lists them.

The group is `luigi_sinks.stores`, the entry point's name is the store's, as in
`[luigi_sinks.NAME]` of luigi.cfg, and its object a `Store`. Names can be asked for
without importing any store; a store's SDK is imported when its descriptor is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from luigi_sinks import config
from luigi_sinks.declaration import Declaration
from luigi_sinks.errors import BadSetting, did_you_mean
from luigi_sinks.existing import Existing
from luigi_sinks.mark import Marks, OldMark
from luigi_sinks.sink import Catalog

GROUP = "luigi_sinks.stores"


@dataclass(frozen=True)
class Store:
    """What the core and the command line know of a store.

    `settings` is the frozen dataclass of the section `[luigi_sinks.NAME]`.
    `open_catalog` opens a dataset by its name, `list_datasets` yields the names of all
    datasets in the database or cluster, and `preflight` makes one call there, and
    raises what is wrong: Unavailable, Forbidden, BadSetting or CredentialError.
    `target` and `grants` are named as `module:name` and `module`, since targets import
    Luigi and most processes need neither; see `luigi_sinks.cli.module.Grants`. `grants_by_product`
    names other modules for connections whose settings have one of these as their `product`.
    `open_marks` opens the marks under a name, and `old_marks` yields those of `luigi.contrib` in a table or an
    index; None for a store without such. `declare` writes what exists under a name as Python,
    and `existing` finds what a sink's dataset has in its place, to adopt it. `old_marks_in` is the name that
    luigi.contrib gives its marks.
    """

    name: str
    title: str
    settings: type[Any]
    open_catalog: Callable[[Any, str], Catalog]
    list_datasets: Callable[[Any], Iterable[str]]
    preflight: Callable[[Any], None]
    target: str
    grants: str
    grants_by_product: Mapping[str, str] = field(default_factory=dict)
    open_marks: Callable[[Any, str], Marks] | None = None
    old_marks: Callable[[Any, str], Iterable[OldMark]] | None = None
    old_marks_in: str = ""
    declare: Callable[[Any, str], Declaration] | None = None
    existing: Callable[[Any], Existing] | None = None

    def catalog(self, dataset: str, connection: str = "", *, owner: str = "") -> Catalog:
        """Open the catalog of a dataset: its heads, its history and its rows, by its name alone.

        `dataset` is the name that readers use, `connection` chooses the section
        `[luigi_sinks.STORE.NAME]`, and `owner` is the team whose role to take, by default
        that of the section. Raises BadSetting if the section cannot work, or leads
        to no dataset of this name.

        Example:
            >>> from luigi_sinks import stores
            >>> flights = stores.find("mariadb").catalog("flights")
            >>> for record in flights.records():
            ...     print(record.version.partition, record.state, record.rows)
            _all retired 2
            _all published 3

        """
        if dataset not in (known := self.datasets(connection)):
            place = config.connection_key(self.name, connection)
            raise BadSetting(
                f"{place} has no dataset {dataset!r} ({did_you_mean(dataset, known)}); correct the name, or see by "
                "`luigi-sinks check` whether the connection works"
            )
        if (folder := config.common().local) is not None:
            from luigi_sinks.sqlite import SQLiteCatalog  # noqa: PLC0415 - most never need it

            return SQLiteCatalog(folder, config.connection_key(self.name, connection), dataset)
        return self.open_catalog(self._owned(connection, owner), dataset)

    def marks(self, name: str, connection: str = "", *, owner: str = "") -> Marks:
        """Open the marks under a name. Raises BadSetting for a store that keeps none, and as `catalog` does.

        Example:
            >>> from luigi_sinks import stores
            >>> stores.find("mariadb").marks("orders").known({"orders of 2013-01-31"})
            set()

        """
        if (folder := config.common().local) is not None:
            from luigi_sinks.sqlite import SQLiteMarks  # noqa: PLC0415 - as in `catalog`

            return SQLiteMarks(folder, config.connection_key(self.name, connection), name)
        if self.open_marks is None:
            raise BadSetting(f"store {self.name} keeps no marks; use one of another store")
        return self.open_marks(self._owned(connection, owner), name)

    def marks_of_contrib(self, source: str, connection: str = "") -> Iterable[OldMark]:
        """Yield the marks that `luigi.contrib` left in a table or an index. Raises BadSetting if it is not there."""
        if (folder := config.common().local) is not None:
            raise BadSetting(f"[{config.ROOT}] local = {folder} is set, and no server to adopt marks from")
        if self.old_marks is None:
            raise BadSetting(f"store {self.name} has no marks of luigi.contrib; name another connection")
        return self.old_marks(self._settings(connection), source)

    def declaration(self, name: str, connection: str = "") -> Declaration:
        """Return a table, an index, or the nodes of a label as Python to paste into a task.

        Raises BadSetting if there is none of this name.
        """
        if (folder := config.common().local) is not None:
            raise BadSetting(f"[{config.ROOT}] local = {folder} is set, and no server to look at")
        if self.declare is None:
            raise BadSetting(f"store {self.name} cannot declare what exists; name another connection")
        return self.declare(self._settings(connection), name)

    def datasets(self, connection: str = "") -> list[str]:
        """Return the names of all datasets that a connection leads to, sorted."""
        if (folder := config.common().local) is not None:
            from luigi_sinks import sqlite  # noqa: PLC0415 - as above

            return sqlite.datasets(folder, config.connection_key(self.name, connection))
        return sorted(self.list_datasets(self._settings(connection)))

    def connections(self) -> list[str]:
        """Return the names of the connections that are configured, "" for the section `[luigi_sinks.STORE]` itself."""
        key = f"{config.ROOT}.{config.connection_key(self.name)}"
        found = [name for name in config.section_names() if name == key or name.startswith(f"{key}.")]
        return sorted(name.removeprefix(key).removeprefix(".") for name in found)

    def check(self, connection: str = "") -> None:
        """Log in, and raise what keeps loads from working: a setting, a login, a right, or a server that is silent."""
        self.preflight(self._settings(connection))

    def _settings(self, connection: str) -> Any:
        return config.read_connection(self.settings, self.name, connection)

    def _owned(self, connection: str, owner: str) -> Any:
        settings = self._settings(connection)
        return replace(settings, owner=owner or settings.owner)

    @property
    def target_class(self) -> type[Any]:
        """The class of the store's Luigi targets."""
        module, _, name = self.target.partition(":")
        found: type[Any] = getattr(import_module(module), name)
        return found

    def grants_module(self, product: str = "") -> Any:
        """Return what the store knows about rights, on servers of a product if there are several."""
        return import_module(self.grants_by_product.get(product, self.grants))


def names() -> list[str]:
    """Return the names of the stores there are, sorted; imports none of them."""
    return sorted(_entry_points())


def find(name: str) -> Store:
    """Return a store by its name. Raises BadSetting for a name that none has, and NotInstalled if its extra is missing.

    Example:
        >>> find("mariadb").title
        'MariaDB'

    """
    if name not in _entry_points():
        raise BadSetting(f"{name!r} is not a store; {did_you_mean(name, names())}")
    store: Store = _entry_points()[name].load()
    return store


def open_at(place: str, dataset: str, *, owner: str = "") -> Catalog:
    """Open the catalog of a dataset at a place, STORE or STORE.CONNECTION; raises what `find` and `catalog` do.

    With `local`, a place is a file, also of a store that is not registered.

    Example:
        >>> open_at("mariadb", "flights").dataset
        'flights'

    """
    if (folder := config.common().local) is not None:
        from luigi_sinks.sqlite import SQLiteCatalog  # noqa: PLC0415 - as in `catalog`

        return SQLiteCatalog(folder, place, dataset)
    store, _, connection = place.partition(".")
    return find(store).catalog(dataset, connection, owner=owner)


def configured() -> list[str]:
    """Return the names of the stores that the configuration has a section for."""
    sections = {name.split(".")[1] for name in config.section_names() if "." in name}
    return [store for store in names() if store in sections]


def unread_sections(*, also: str = "") -> Iterator[str]:
    """Yield what is wrong with each section that nothing reads; `also` names a store without an entry point."""
    known = [*names(), "audit", "credential", "leases", "lineage", "owner"]
    for section in config.section_names():
        name = section.split(".")[1] if "." in section else also
        if name not in {*known, also}:
            advice = did_you_mean(name, known)
            yield f"[{section}] in {config.where()} is read by nothing: {name!r} is unknown; {advice}"


@cache
def _entry_points() -> dict[str, EntryPoint]:
    return {found.name: found for found in entry_points(group=GROUP)}
