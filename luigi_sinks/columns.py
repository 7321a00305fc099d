"""What may become of a dataset's columns: the rules of every store, which only says what its columns are.

A column is added or widened freely. Where a reader may break, since a column is gone, has
another name, or holds other values, the task must allow it by the column's name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from luigi_sinks.errors import BadSetting
from luigi_sinks.record import Head, Record
from luigi_sinks.version import Version

Kind = Literal["added", "dropped", "renamed", "widened", "narrowed", "retyped", "fixed"]

_BREAKING = frozenset({"dropped", "renamed", "narrowed", "retyped"})

_LADDERS = (
    ("tinyint byte", "smallint short", "mediumint", "int integer", "bigint long"),
    ("half_float", "float", "double"),
    ("varchar", "text", "mediumtext", "longtext"),
    ("blob", "mediumblob", "longblob"),
    ("decimal numeric",),
)
"""Types in the words of the stores, each of which holds all values of those before it."""

_PLACES = {
    word: (at, rank) for at, each in enumerate(_LADDERS) for rank, words in enumerate(each) for word in words.split()
}
_WHOLE_NUMBERS, _DECIMALS = 0, 4
_TYPE = re.compile(r"(?P<word>\w+)(?:\((?P<inner>.*)\))?(?P<rest>.*)", re.DOTALL)
_MEMBER = re.compile("'(?:[^']|'')*'")


@dataclass(frozen=True)
class Column:
    """A column, field or property: its `type` in the store's words.

    `fixed` says why it cannot change, such as "is in a key"; it is empty if it can.
    `renamed_from` is what it was called before, if the user says so.
    """

    type: str
    fixed: str = ""
    renamed_from: str = ""


Columns = Mapping[str, Column]

LOAD_WHOLE = "load the whole once, without changes_by_key"
"""The way out where rows of the head do not fit the columns of today."""


@dataclass(frozen=True)
class Change:
    """What becomes of one column; `before` and `after` are its types, names if it is renamed, or why it is fixed."""

    column: str
    kind: Kind
    before: str
    after: str

    def __str__(self) -> str:
        """Return a clause about the column."""
        match self.kind:
            case "added":
                return f"column {self.column!r} is new"
            case "dropped":
                return f"column {self.column!r}, {self.before}, is no longer declared"
            case "renamed":
                return f"column {self.before!r} is declared as {self.after!r}"
            case "fixed":
                return (
                    f"column {self.column!r} {self.before or 'is free'}, and as declared it {self.after or 'is free'}"
                )
        return f"column {self.column!r} is {self.before}, and is declared as {self.after}"


def changes(before: Columns, after: Columns) -> list[Change]:
    """Return what becomes of the columns that readers see.

    Example:
        >>> before = {"id": Column("INTEGER"), "note": Column("VARCHAR(20)")}
        >>> after = {"id": Column("BIGINT"), "text": Column("VARCHAR(10)", renamed_from="note")}
        >>> [(change.column, change.kind) for change in changes(before, after)]
        [('id', 'widened'), ('text', 'renamed'), ('text', 'narrowed')]

    """
    return list(_changes(before, after))


def refuse(dataset: str, before: Columns, after: Columns, allowed: Collection[str]) -> None:
    """Raise BadSetting for the first change that cannot be made, or that can break readers and is not allowed.

    `allowed` names columns whose readers the user takes care of. Where the columns on either
    side are not known, nothing is refused.
    """
    for change in changes(before, after) if before and after else ():
        gone = change.before if change.kind == "renamed" else change.column
        fixed = {each.fixed for each in (before.get(gone), after.get(change.column)) if each and each.fixed}
        if fixed:
            raise BadSetting(
                f"dataset {dataset!r}: {change}. A column that {min(fixed)} cannot come, go or change; declare the "
                "columns as they were, or load another dataset"
            )
        if change.kind in _BREAKING and not {gone, change.column} & set(allowed):
            raise BadSetting(
                f"dataset {dataset!r}: {change}, which can break readers. Once they are ready, set allow_change = "
                f"({change.column!r},); or declare the column as it was, or load another dataset"
            )


def refuse_to_keep(version: Version, before: Columns, after: Columns, required: Collection[str] = ()) -> None:
    """Raise BadSetting for the first column that cannot take over what the rows of a version have.

    `before` are the version's columns under the names that they have in `after`, and
    `required` those that must have a value.
    """
    for name, column in after.items():
        if reason := _not_kept(before.get(name), column, is_required=name in required):
            raise BadSetting(
                f"dataset {version.dataset!r}: rows of {version} cannot be kept: column {name!r} {reason}; {LOAD_WHOLE}"
            )


def _not_kept(old: Column | None, new: Column, *, is_required: bool) -> str:
    if old is None:
        return "must have a value, and has none there" if is_required else ""
    if old.type == new.type or kind_of(old.type, new.type) == "widened":
        return ""
    return f"is {old.type} there, and {new.type}, as declared, does not hold all of its values"


def kind_of(before: str, after: str) -> Kind:
    """Return what a column becomes whose type was `before` and is `after`, which differ."""
    if _holds(after, before):
        return "widened"
    return "narrowed" if _holds(before, after) else "retyped"


def names_of(given: object) -> tuple[str, ...]:
    """Return the columns that `allow_change` names: one name or several. Raises BadSetting for anything else."""
    named = (given,) if isinstance(given, str) else given
    if isinstance(named, Collection) and all(isinstance(each, str) for each in named):
        return tuple(named)
    raise BadSetting(f"allow_change = {given!r} must name columns, such as ('carrier',)")


def newest(heads: Iterable[Head]) -> Record | None:
    """Return the newest version that readers see, whose columns are those of the dataset."""
    return max((head.record for head in heads if head.record), key=lambda record: record.seq, default=None)


def renamed(before: Columns, after: Columns) -> dict[str, str]:
    """Return the former names of the columns that are renamed, by the new ones."""
    found = {name: column.renamed_from for name, column in after.items() if name not in before}
    return {name: old for name, old in found.items() if old in before and old not in after}


def former_names(history: Sequence[Columns]) -> dict[str, str]:
    """Return what the columns of the last of some declarations are called in the first; those in between may rename.

    A column that has the former name of another one is not in the first.

    Example:
        >>> history = [{"a": Column("INT")}, {"b": Column("INT", renamed_from="a")}, {"b": Column("INT")}]
        >>> former_names(history)
        {'b': 'a'}

    """
    found = {name: name for name in history[-1]}
    for before, after in reversed(list(pairwise(history))):
        old = renamed(before, after)
        found = {name: old.get(was, was) for name, was in found.items() if was in old or was not in old.values()}
    return found


def _changes(before: Columns, after: Columns) -> Iterator[Change]:
    old_names = renamed(before, after)
    for name, column in after.items():
        old = old_names.get(name, name)
        if old not in before:
            yield Change(name, "added", "", column.type)
            continue
        if old != name:
            yield Change(name, "renamed", old, name)
        if before[old].fixed != column.fixed:
            yield Change(name, "fixed", before[old].fixed, column.fixed)
        if before[old].type != column.type:
            yield Change(name, kind_of(before[old].type, column.type), before[old].type, column.type)
    for name in before:
        if name not in after and name not in old_names.values():
            yield Change(name, "dropped", before[name].type, "")


def _holds(wide: str, narrow: str) -> bool:
    """Return whether a type is known to hold all values of another one."""
    (word, inner, rest), (other, others_inner, others_rest) = map(_parsed, (wide, narrow))
    if rest != others_rest:
        return False
    if word == other == "binary":  # a shorter value would be padded
        return inner == others_inner
    if word == other == "enum":
        return set(_MEMBER.findall(others_inner)) <= set(_MEMBER.findall(inner))
    ladder, rank = _PLACES.get(word, (word, 0))
    others_ladder, others_rank = _PLACES.get(other, (other, 0))
    if ladder != others_ladder or rank < others_rank:
        return False
    return rank > others_rank or ladder == _WHOLE_NUMBERS or _is_longer(inner, others_inner, ladder == _DECIMALS)


def _parsed(text: str) -> tuple[str, str, str]:
    found = _TYPE.fullmatch(text)
    return (found["word"].casefold(), found["inner"] or "", found["rest"].casefold()) if found else (text, "", "")


def _is_longer(inner: str, other: str, are_decimals: bool) -> bool:
    sizes, others = ([int(size) for size in re.findall(r"\d+", each)] or [0] for each in (inner, other))
    if are_decimals:  # digits before the point and behind it
        (*_, scale), (*_, others_scale) = [0, *sizes[1:]], [0, *others[1:]]
        return scale >= others_scale and sizes[0] - scale >= others[0] - others_scale
    return len(sizes) == len(others) and all(size >= another for size, another in zip(sizes, others, strict=True))
