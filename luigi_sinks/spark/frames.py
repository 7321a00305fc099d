"""What has to be true of frames before a load of them begins, and the order of their rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from luigi_sinks.contract import Contract, Shape
from luigi_sinks.errors import BadSetting, did_you_mean

_UNORDERED = {"map", "variant", "interval"}
"""Types, and parts of types, by which Spark does not sort."""


def by_kind(dataset: str, given: Any, contract: Contract) -> dict[str, Any]:
    """Return the frame of each kind of row, nodes of a graph before its relationships.

    Raises BadSetting for anything but frames of Spark, and for kinds that the dataset does not have.
    """
    is_graph = set(contract.shapes) != {""}
    if is_graph != isinstance(given, Mapping):
        kind = next(iter(contract.shapes))
        wanted = f"a frame for each kind of row: {{{kind!r}: frame, ...}}" if is_graph else "one frame"
        raise BadSetting(f"{dataset!r} takes {wanted}; got a {type(given).__name__}")
    frames: Mapping[str, Any] = given if is_graph else {"": given}
    for kind, frame in frames.items():
        if kind not in contract.shapes:
            raise BadSetting(f"{dataset!r} has no rows of kind {kind!r}; {did_you_mean(kind, contract.shapes)}")
        _refuse(dataset, frame)
    return {kind: frames[kind] for kind in contract.shapes if kind in frames}


def _refuse(dataset: str, frame: Any) -> None:
    if not hasattr(frame, "mapInArrow"):
        raise BadSetting(
            f"{dataset!r}: a {type(frame).__name__} is not a frame of Spark; pass what session.createDataFrame makes "
            "of it, or load it by target.open('w')"
        )
    if getattr(frame, "isStreaming", False):
        raise BadSetting(f"{dataset!r}: a streaming frame has no end; write each batch of foreachBatch by itself")
    columns = frame.columns
    for name in columns:
        if columns.count(name) > 1:
            raise BadSetting(f"{dataset!r}: the frame has two columns {name!r}; rename or drop one of them")


def in_order(frame: Any, shape: Shape) -> Any:
    """Return the frame with each partition in an order that is the same whenever it is made again."""
    columns = order(frame.schema, shape)
    return frame.sortWithinPartitions(*(_quoted(name) for name in columns)) if columns else frame


def order(schema: Any, shape: Shape) -> Sequence[str]:
    """Return the columns to sort by: the key, as no two rows have the same, or else all that Spark sorts by."""
    sortable = [field.name for field in schema.fields if _UNORDERED.isdisjoint(_types(field.dataType))]
    return shape.key if shape.key and set(shape.key) <= set(sortable) else sortable


def _types(kind: Any) -> Iterator[str]:
    """Yield the name of a type of Spark, and those of its parts."""
    yield kind.typeName()
    for field in getattr(kind, "fields", ()):
        yield from _types(field.dataType)
    if element := getattr(kind, "elementType", None):
        yield from _types(element)


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
