"""Which columns of the table hold what readers see, and for which versions.

A column of readers may be held by several columns of the table, one after another: what the
server cannot change in an instant gets a new one. Nothing is taken away, so each version is
read as it was loaded. The comment of a column says what it holds, if that is not all of the
column of its own name:

    `_5_amount` decimal(12,2) DEFAULT NULL COMMENT 'luigi_sinks column 1 {"column":"amount","since":5} in euros'
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import msgspec

from luigi_sinks.columns import Column, Columns, kind_of
from luigi_sinks.errors import Conflict, SinkError
from luigi_sinks.mariadb.connection import rows
from luigi_sinks.mariadb.names import MARKED, quoted
from luigi_sinks.mariadb.schema import COMPUTED, IN_KEY, READ_BY_COMPUTED, SEQ, Schema

FORMAT = 1

_TEXT = r"'(?:''|\\.|[^'\\])*'"
_LINE = re.compile(
    rf"`(?P<name>(?:[^`]|``)*)` (?P<type>.*?)(?P<required> NOT NULL)?(?P<default> DEFAULT (?:[bx]?{_TEXT}|[-+.\w]+))?"
    rf"(?: COMMENT (?P<comment>{_TEXT}))?(?P<json> CHECK \(json_valid\(.*\)\))?",
    re.DOTALL,
)
"""A column as SHOW CREATE TABLE has it."""

_KEY = re.compile(r"KEY `(?:[^`]|``)*`")
_ESCAPED = re.compile(r"''|\\(.)", re.DOTALL)
_LETTERS = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "Z": "\x1a"}

_FILLERS = {"date": "'1000-01-01'", "datetime": "'1000-01-01'", "uuid": "'00000000-0000-0000-0000-000000000000'"}
"""What new rows hold in a column that is no longer loaded, if it cannot be NULL, by the first word of its type."""

_FILLER = "'0'"
"""What they hold in one of any other type."""


class Mark(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which column of readers a column of the table holds, of the versions from `since` on and before `until`.

    `column` is empty once another one was renamed to what it held.
    """

    column: str
    since: int = 0
    until: int | None = None


@dataclass(frozen=True)
class Stored:
    """A column of the table; `type` is in the server's words, with what follows it but NULL, default and comment."""

    name: str
    type: str
    is_nullable: bool
    mark: Mark
    comment: str = ""
    default: str = ""

    @property
    def is_computed(self) -> bool:
        """Whether the server computes it."""
        return " GENERATED ALWAYS AS (" in self.type

    @property
    def ddl(self) -> str:
        """What declares it, in ALTER TABLE."""
        comment = self.comment
        if self.mark != Mark(self.name):
            comment = f"{MARKED}{FORMAT} {msgspec.json.encode(self.mark).decode()}{f' {comment}' if comment else ''}"
        said = comment.replace("\\", r"\\").replace("'", "''")
        nulls = "" if self.is_computed else " NULL" if self.is_nullable else " NOT NULL"
        return f"{quoted(self.name)} {self.type}{nulls}{self.default} COMMENT '{said}'"

    @property
    def said(self) -> str:
        """Its type, and whether it can be NULL."""
        return f"{self.type}{'' if self.is_nullable or self.is_computed else ' NOT NULL'}"

    @property
    def unloaded(self) -> Stored:
        """The same column with a default, if it needs one so that new rows need not give it."""
        if self.is_nullable:
            return self
        (word,) = re.findall(r"\A\w+", self.type)
        members = re.findall(_TEXT, self.type) if word == "enum" else [_FILLERS.get(word, _FILLER)]
        return replace(self, default=f" DEFAULT {members[0]}")

    def renamed(self, column: str) -> Stored:
        """Return the same column, for a column of readers that has another name from now on."""
        return replace(self, mark=Mark(column, self.mark.since, self.mark.until))

    def ended(self, number: int) -> Stored:
        """Return the same column, which from this version on is no longer loaded nor seen."""
        return replace(self.unloaded, mark=Mark(self.mark.column, self.mark.since, number))

    def become(self, declared: Stored) -> Stored:
        """Return the same column with the declared type; what can be NULL stays so, and need not be given."""
        return replace(declared, name=self.name, mark=self.mark, is_nullable=self.is_nullable or declared.is_nullable)

    def added(self, name: str, number: int) -> Stored:
        """Return the declared column as the table gets it, under a name, from this version on."""
        return replace(self, name=name, mark=Mark(self.name, number), is_nullable=True)

    def takes(self, declared: Stored) -> bool:
        """Whether it holds what is declared; that no value is None is checked where rows are given."""
        is_wide_enough = self.is_nullable or not declared.is_nullable
        return (self.type, self.comment) == (declared.type, declared.comment) and is_wide_enough


@dataclass(frozen=True)
class Layout:
    """The columns of a table in their order, without the version's number, and the lines of its keys and options."""

    stored: Sequence[Stored]
    keys: Mapping[str, str]

    @cached_property
    def shown(self) -> Mapping[str, Stored]:
        """The columns that readers see, with the column of the table that new versions are loaded into."""
        last = {name: self.history(name)[-1] for name in dict.fromkeys(each.mark.column for each in self.stored)}
        return {name: stored for name, stored in last.items() if name and stored.mark.until is None}

    @property
    def columns(self) -> Columns:
        """The columns that readers see, as the rules of changes take them."""
        return {name: Column(stored.type, self._fixed(stored)) for name, stored in self.shown.items()}

    @property
    def names(self) -> dict[str, str]:
        """What the table calls the columns that it holds under another name."""
        return {name: stored.name for name, stored in self.shown.items() if stored.name != name}

    @property
    def selected(self) -> str:
        """What the view selects from the table `f`, as the server itself writes it."""
        return ",".join(f"{self._value(name)} AS {quoted(name)}" for name in self.shown)

    def history(self, column: str) -> list[Stored]:
        """Return the columns of the table that hold a column of readers, oldest first."""
        return sorted((each for each in self.stored if each.mark.column == column), key=lambda each: each.mark.since)

    def holding(self, column: str, number: int) -> Stored | None:
        """Return the column of the table that holds a column of readers in a version; None if that does not have it."""
        *_, last = (None, *(each for each in self.history(column) if each.mark.since <= number))
        return last if last and (last.mark.until is None or number < last.mark.until) else None

    def held_before(self, loaded: Mapping[str, str], number: int) -> dict[str, str]:
        """Return what the table calls columns in an older version, as far as that has them.

        `loaded` maps them to what it calls them now, by which they are found: readers may
        know them by other names by now. Raises Conflict for a column that they no longer know.
        """
        columns = {each.name: each.mark.column for each in self.stored}
        for name, stored in loaded.items():
            if not columns[stored]:
                raise Conflict(f"column {name!r} was dropped meanwhile, and another one has its name; load again")
        found = {name: self.holding(columns[stored], number) for name, stored in loaded.items()}
        return {name: stored.name for name, stored in found.items() if stored}

    def unlike(self, declared: Layout) -> Iterator[str]:
        """Yield in what the declared columns and keys differ, a clause each; how keys are called does not matter."""
        for name in sorted({*self.shown, *declared.shown}):
            here, there = (each.shown[name].said if name in each.shown else "not there" for each in (self, declared))
            if here != there:
                yield f"column {name!r} is {here}, and is declared as {there}"
        here_keys, there_keys = ({_nameless(line) for line in each.keys.values()} for each in (self, declared))
        yield from (f"{key} is not declared" for key in sorted(here_keys - there_keys))
        yield from (f"{key} is declared, and not there" for key in sorted(there_keys - here_keys))

    def takes(self, declared: Layout) -> bool:
        """Whether rows of the declared columns can be loaded as it is."""
        return (
            self.keys == declared.keys
            and self.shown.keys() == declared.shown.keys()
            and all(self.shown[name].takes(stored) for name, stored in declared.shown.items())
        )

    def _fixed(self, stored: Stored) -> str:
        name = quoted(stored.name)
        if stored.is_computed:
            return COMPUTED
        if any(name in line.partition(" (")[2] for line in self.keys.values()):
            return IN_KEY
        return READ_BY_COMPUTED if any(name in each.type for each in self.stored if each.is_computed) else ""

    def _value(self, column: str) -> str:
        """Return the expression for a column of readers: it depends on the version where the table holds several."""
        *older, newest = self.history(column)
        if not older:
            return _of_table(newest)
        cases = [f"when {_SEQ} >= {newest.mark.since} then {_of_table(newest)}"]
        for stored in reversed(older):
            is_alike = stored.type == newest.type or kind_of(stored.type, newest.type) != "retyped"
            if stored.mark.until is not None:
                cases.append(f"when {_SEQ} >= {stored.mark.until} then NULL")
            cases.append(f"when {_SEQ} >= {stored.mark.since} then {_of_table(stored) if is_alike else 'NULL'}")
        return f"case {' '.join(cases)} end"


_SEQ = f"`f`.{quoted(SEQ)}"


def read(cursor: Any, table: str, schema: Schema) -> Layout:
    """Return the layout of a table as the server tells it; of its options, those that the schema declares."""
    ((_, statement),) = rows(cursor, f"SHOW CREATE TABLE {table}")
    *lines, last = (line.strip().rstrip(",") for line in statement.split("\n")[1:])
    options = {option: option for option in schema.options if option.casefold() in last.casefold().split()}
    keys = {"`".join(line.split("`")[:2]): line for line in lines if not line.startswith("`")}
    return Layout(tuple(_stored(lines)), keys | options)


def _nameless(key: str) -> str:
    """Return the line of a key without its name, and without the number of the version that each key begins with."""
    return _KEY.sub("KEY", key).replace(f"({quoted(SEQ)},", "(")


def _stored(lines: Sequence[str]) -> Iterator[Stored]:
    for line in lines:
        if (found := _LINE.fullmatch(line)) and (name := found["name"].replace("``", "`")) != SEQ:
            mark, comment = _mark(name, _unescaped(found["comment"] or "''"))
            kind = "json" if found["json"] else "bool" if found["type"] == "tinyint(1)" else found["type"]
            default = "" if found["default"] in {None, " DEFAULT NULL"} else found["default"]
            yield Stored(name, kind, not found["required"], mark, comment, default)


def _mark(name: str, comment: str) -> tuple[Mark, str]:
    """Return what a column holds, and the user's part of its comment."""
    if not comment.startswith(MARKED):
        return Mark(name), comment
    written, _, said = comment.removeprefix(MARKED).partition(" ")
    try:
        mark, end = json.JSONDecoder().raw_decode(said)
        if written == str(FORMAT):
            return msgspec.convert(mark, Mark), said[end + 1 :]
    except ValueError:
        pass
    raise SinkError(f"column {name!r} has the comment {comment!r}; install a newer luigi_sinks, or restore the comment")


def _unescaped(literal: str) -> str:
    return _ESCAPED.sub(lambda found: _LETTERS.get(found[1], found[1]) if found[1] else "'", literal[1:-1])


def _of_table(stored: Stored) -> str:
    return f"`f`.{quoted(stored.name)}"
