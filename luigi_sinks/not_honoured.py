"""What tasks of `luigi.contrib` are written with that a CopyTask would ignore, and what to do instead.

One table for all stores: an attribute that is in it is refused, unless the base class of the
task has it too, and so honours it.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

import luigi

from luigi_sinks.errors import BadSetting

_CONNECTION = (
    "remove it: [luigi_sinks.{store}] in luigi.cfg says where the server is, and connection = 'NAME' selects "
    "[luigi_sinks.{store}.NAME]"
)
_SECRET = "remove it: the section of the connection names a credential, whose source gives the token"  # noqa: S105
_METADATA = "declare these columns in `columns`, and give their values in rows()"
_INDEX = "remove it: each version gets an index of its own, made from `mapping` and `settings`"
_OLD = "luigi_sinks.contrib.{} honour it: take the base class from there, or give it another name if rows() reads it"
_OLD_INDEX = _OLD.format("esindex").replace("honour it", "takes it").replace("rows()", "docs()")
_MARKS = (
    "remove it: the record of each version says which output it is. `luigi-sinks adopt-marks NAME` takes over the "
    "marks that a table or index of this name has"
)
_ROUND = (
    "do this in rows(), or in a task that requires this one; nothing needs clearing, as each version replaces its "
    "partition"
)

WAYS_OUT: Mapping[str, str] = {
    **dict.fromkeys(("connection_string", "host", "port", "database", "user", "engine", "connect_args"), _CONNECTION),
    "extra_elasticsearch_args": _CONNECTION,
    "use_ssl": (
        "remove it: TLS is on, except for a loopback address without tls_ca; see [luigi_sinks.{store}] in luigi.cfg"
    ),
    **dict.fromkeys(("marker_table", "marker_index", "marker_doc_type"), _MARKS),
    **dict.fromkeys(("password", "http_auth"), _SECRET),
    "schema": "remove it: a schema is a database; connection = 'NAME' selects a section of luigi.cfg with it",
    "reflect": "remove it, and declare `columns`: each row is checked against them",
    "create_table": "remove it: the table is made from `columns`, which may be a sqlalchemy.Table with its keys",
    **dict.fromkeys(("create_index", "delete_index", "_init_connection", "_docs"), _INDEX),
    "null_values": _OLD.format("sqla and luigi_sinks.contrib.mysqldb") + "; or put None into the rows",
    **dict.fromkeys(("purge_existing_index", "marker_index_hist_size", "raise_on_error", "doc_type"), _OLD_INDEX),
    "copy": (
        "remove it: rows are never inserted among those that readers see. If rows repeat a key on purpose, remove the "
        "repeats in rows(). For an upsert of changed rows, set changes_by_key = True and partition_by = ()"
    ),
    **dict.fromkeys(("init_copy", "post_copy", "post_copy_metacolumns", "clear_table"), _ROUND),
    **dict.fromkeys(("metadata_columns", "metadata_queries", "enable_metadata_columns"), _METADATA),
    "release": (
        "remove it: a task publishes alone. Return the task from members() of a luigi_sinks.ReleaseTask, which "
        "publishes several together"
    ),
    "takes_over": (
        "remove it: Luigi does not say whether an earlier try is dead. A target takes it, for an orchestrator that does"
    ),
    "update_id": (
        "remove it: the task's id identifies its output. Make what it consists of parameters, and name them in "
        "partition_by; to load again, use the parameter rerun"
    ),
}
"""By the attribute's name."""

_IN_SERVER = "remove it: the server makes the rows itself, of `query`, and refuses those that do not fit"

_IN_PLACE = "remove it: the task changes the graph in place, and makes no versions; neo4j.CopyToGraph makes them"
_OF_VERSIONS = (
    *("checks", "shared_with", "keep", "min_age", "older", "on_bad_row", "most_bad_rows", "rerun"),
    *("missing_ends", "publish"),
)
_BY_PARAMETERS = "remove it: the parameters of the task identify what it does"

_OF_MEMBERS = (
    *("checks", "shared_with", "keep", "min_age", "older", "on_bad_row", "most_bad_rows", "allow_change"),
    *("changes_by_key", "rows", "docs", "deletes", "partition_by"),
)
"""What each member of a release says for itself."""

_NO_CHANGES = (
    "remove it: no version of a graph is made of changes; give all rows, or use neo4j.MergeIntoGraph, which merges "
    "them into a graph in place"
)

_OF_BASES: Mapping[str, Mapping[str, str]] = {
    "CopyToGraph": dict.fromkeys(("changes_by_key", "deletes"), _NO_CHANGES),
    "CopyToIndex": {"rows": "define docs() instead: it returns the documents, and rows() is made of it"},
    "QueryToTable": dict.fromkeys(("rows", "on_bad_row", "most_bad_rows", "changes_by_key", "deletes"), _IN_SERVER),
    "MergeIntoGraph": dict.fromkeys(_OF_VERSIONS, _IN_PLACE),
    "RunCypher": {
        **dict.fromkeys(_OF_VERSIONS, _IN_PLACE),
        **dict.fromkeys(("partition_by", "partition"), _BY_PARAMETERS),
    },
}
"""What the base class of some tasks has, and a task must not replace."""

_ALMOST = 0.9
"""Names of which so large a share is the same, such as partiton_by and partition_by, may be meant as one."""

_RENAME = "; if it means something else, name it in partition_by, or give it another name"


def refuse(task: luigi.Task, base: Any, store: str, partition_by: Collection[str]) -> None:
    """Raise BadSetting that lists all attributes of the task that would be ignored, and what to do instead.

    `base` is the class that the store gives such tasks. A parameter that chooses the partition is not ignored.
    """
    found: dict[str, list[str]] = {}
    for name, way_out in _ignored(task, base, partition_by):
        found.setdefault(way_out, []).append(name)
    if found:
        listed = "; ".join(f"{', '.join(names)}: {way_out.format(store=store)}" for way_out, names in found.items())
        others = _RENAME if any(_is_parameter(task, name) for names in found.values() for name in names) else ""
        raise BadSetting(f"{task.task_family} has attributes that would be ignored. {listed}{others}")


def refuse_of_members(task: luigi.Task) -> None:
    """Raise BadSetting for what a task says about rows that its members load; a parameter may be for them."""
    if found := [name for name in _OF_MEMBERS if hasattr(task, name) and not _is_parameter(task, name)]:
        raise BadSetting(
            f"{task.task_family} has attributes that would be ignored. {', '.join(found)}: set it in the tasks that "
            "members() returns, which load the rows"
        )


def configures(name: str) -> bool:
    """Return whether a parameter of this name only says where or how to load."""
    return name in WAYS_OUT


def _ignored(task: luigi.Task, base: Any, partition_by: Collection[str]) -> Iterator[tuple[str, str]]:
    yield from _ignored_of_class(type(task), base, frozenset(partition_by))
    for name in WAYS_OUT.keys() & vars(task).keys():  # where Luigi keeps the values of parameters too
        if _is_set(vars(task)[name]) and not hasattr(base, name) and not _is_parameter(task, name):
            yield name, WAYS_OUT[name]


@lru_cache(maxsize=1024)
def _ignored_of_class(kind: type[Any], base: type[Any], partition_by: frozenset[str]) -> Sequence[tuple[str, str]]:
    """Return what a class has that would be ignored."""
    found = [
        (name, way_out)
        for name, way_out in WAYS_OUT.items()
        if name not in partition_by and not hasattr(base, name) and _is_set(inspect.getattr_static(kind, name, None))
    ]
    for name, way_out in _OF_BASES.get(base.__name__, {}).items():
        if inspect.getattr_static(kind, name, None) is not inspect.getattr_static(base, name, None):
            found.append((name, way_out))
    return [*found, *_misspelled(kind, base)]


def _misspelled(kind: type[Any], base: type[Any]) -> Iterator[tuple[str, str]]:
    """Yield attributes that are almost called as an option of ours.

    A name that begins with another letter, or only lacks an s, is another word.
    """
    known = {name for each in base.__mro__ if each.__module__.startswith("luigi_sinks.") for name in vars(each)}
    for name in {name for each in kind.__mro__ if each not in base.__mro__ for name in vars(each)}:
        for close in get_close_matches(name, known, 1, _ALMOST) if not hasattr(base, name) else ():
            if close[0] == name[0] != "_" and close.rstrip("s") != name.rstrip("s"):
                yield name, f"if it means {close}, write that; else give it another name"


def _is_set(value: Any) -> bool:
    """Return whether a value asks for something; an empty one, as `schema = ""`, does not."""
    try:
        return bool(value)
    except Exception:  # noqa: BLE001 - a data frame, for example, is neither true nor false
        return True


def _is_parameter(task: luigi.Task, name: str) -> bool:
    return isinstance(inspect.getattr_static(type(task), name, None), luigi.Parameter)
