"""Makes a section of configuration from a connection of Airflow, in which a password is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from luigi_sinks import config, stores
from luigi_sinks.errors import BadSetting

_FIELDS = {"host": "host", "port": "port", "login": "user"}
_OF_SCHEMA = {"mariadb": "database", "neo4j": "database"}
"""What the field `schema` of a connection is called in a store's section."""


@contextmanager
def connected(store: str, conn_id: str, *, connection: str = "", credential: str = "") -> Iterator[str]:
    """Give the name of a connection of luigi_sinks, which is configured within the block beside all else.

    - `conn_id`: the connection of Airflow that becomes its section. Default: none, the section that is there.
    - `connection`: the NAME of that section, `[luigi_sinks.STORE.NAME]`. Default: `[luigi_sinks.STORE]`.
    - `credential`: the NAME of a credential that replaces the one of the section. Default: none.

    Raises BadSetting for a connection or a section that cannot work.
    """
    name = f"airflow.{conn_id}" if conn_id else connection
    section = f"{config.ROOT}.{config.connection_key(store, name)}"
    known = {each: config.section(each) for each in config.section_names()}
    values = section_of(store, _found(conn_id)) if conn_id else known.get(section, {})
    if credential and values:
        values = {**values, "credential": credential}
    with config.using({**known, section: values}):
        if conn_id:
            _check(store, conn_id, name)
        yield name


def section_of(store: str, found: Any) -> dict[str, Any]:
    """Return the values of the section that a connection of Airflow becomes.

    Host, port, login and schema are its fields; all other settings are in `extra`, by their names.
    Raises BadSetting for a password, and for what has no place in the section.
    """
    if found.password:
        raise BadSetting(
            f"the connection {found.conn_id!r} of Airflow has a password, and passwords are no configuration. Move it "
            f"to a connection of its own, such as {found.conn_id}_login; name a credential in extra, "
            f'{{"credential": "NAME"}}; and set [{config.ROOT}.credential.NAME] source = airflow, conn_id = '
            f"{found.conn_id}_login"
        )
    fields = {**_FIELDS, "schema": _OF_SCHEMA[store]} if store in _OF_SCHEMA else _FIELDS
    if found.schema and "schema" not in fields:
        raise BadSetting(f"the connection {found.conn_id!r} of Airflow has a schema, which {store} does not; remove it")
    values = {ours: value for theirs, ours in fields.items() if (value := getattr(found, theirs))}
    extra = _extra(found)
    for name in extra.keys() & values.keys():
        raise BadSetting(f"the connection {found.conn_id!r} of Airflow says {name} twice; remove it from extra")
    return {**values, **extra}


def _extra(found: Any) -> Mapping[str, Any]:
    """Return the settings in `extra`. Airflow's own `extra_dejson` ignores what is not JSON."""
    try:
        extra = json.loads(found.extra or "{}")
    except ValueError:
        extra = None
    if not isinstance(extra, dict):
        raise BadSetting(f"extra of the connection {found.conn_id!r} of Airflow is not a JSON object; correct it")
    return extra


def _check(store: str, conn_id: str, name: str) -> None:
    try:
        config.read_connection(stores.find(store).settings, store, name)
    except BadSetting as error:
        raise BadSetting(f"the connection {conn_id!r} of Airflow cannot be used: {error}") from None


def _found(conn_id: str) -> Any:
    from luigi_sinks.airflow.sdk import BaseHook  # noqa: PLC0415 - the rest of this module needs no Airflow

    return BaseHook.get_connection(conn_id)
