"""The contract of a dataset's rows, which validates them in batches and reports the bad row and field.

A store converts its columns, mapping or properties to shapes, one for each kind of row;
msgspec validates them. In addition, text with lone surrogates or NUL is refused: msgspec
accepts it, but each store handles it differently.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass
from functools import cached_property, partial
from operator import itemgetter
from typing import Any, Protocol, get_args

import msgspec

from luigi_sinks.encoding import DirtyText, Encode, encoded, lines
from luigi_sinks.errors import BadRow, did_you_mean
from luigi_sinks.field import Field as Field  # noqa: PLC0414 - shapes are declared with it
from luigi_sinks.kept import change
from luigi_sinks.plain import NotPlain, plainer_row


class WrongRow(Exception):
    """A row breaks the contract; `index` counts from 0 within the batch."""

    def __init__(self, index: int, field: str, reason: str) -> None:
        super().__init__(index, field, reason)
        self.index = index
        self.field = field
        self.reason = reason


class Shape(Protocol):
    """The fields of one kind of row."""

    @property
    def names(self) -> tuple[str, ...]:
        """The field names, in the order of a row that is a tuple."""

    @property
    def rows_type(self) -> Any:
        """The type of accepted rows for msgspec: `list[...]`."""

    @property
    def key(self) -> tuple[str, ...]:
        """The fields of the unique key; empty if rows may repeat."""

    @property
    def of_key(self) -> Shape:
        """The form of a key alone, of which rows may repeat."""

    @property
    def is_flat(self) -> bool:
        """Whether no accepted value can be changed: then a copy of a dict, and a tuple itself, need not be taken."""

    def take(self, row: Any) -> Any:
        """Return a user's row, a dict or a tuple, as one that `accept` takes, and that the user cannot change.

        Raises WrongRow if the row does not have the right fields, or a value cannot be copied.
        """

    @property
    def unique(self) -> Sequence[tuple[str, ...]]:
        """The fields of each further unique key; in these, None repeats."""

    def accept(self, rows: Sequence[Any]) -> Sequence[Any]:
        """Validate rows that were taken, and return them in the form that the store writes.

        Raises WrongRow, or msgspec.ValidationError whose path starts with the index of
        the row.
        """

    def fields_of(self, columns: Sequence[str]) -> Sequence[Field] | None:
        """Return the fields of a data frame with these columns; None if its rows have to be looked at one by one."""

    def field_at(self, path: str) -> str:
        """Return the name of the field at a path within a row, in the notation of msgspec."""

    def key_of(self, row: Any) -> tuple[Any, ...]:
        """Return the key of an accepted row."""

    def as_given(self, row: Any) -> Mapping[str, Any]:
        """Return an accepted row as a mapping of field names to values."""


@dataclass(frozen=True)
class TupleShape:
    """Rows with the same fields; users give dicts or tuples, the store gets tuples."""

    fields: tuple[Field, ...]
    key: tuple[str, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The field names, in the order of an accepted row."""
        return tuple(field.name for field in self.fields)

    @property
    def of_key(self) -> TupleShape:
        """The form of a key alone."""
        fields = {field.name: field for field in self.fields}
        return TupleShape(tuple(fields[name] for name in self.key), self.key)

    @cached_property
    def rows_type(self) -> Any:
        """The type of the rows: a list of tuples of the field types."""
        return list[tuple[tuple(field.type for field in self.fields)]]  # type: ignore[misc]  # made at run time

    @cached_property
    def is_flat(self) -> bool:
        """Whether all fields are of types whose values cannot be changed."""
        return not self._takers

    @cached_property
    def _takers(self) -> Sequence[tuple[int, Callable[[Any], Any]]]:
        """The positions of values that can be changed, and what takes them."""
        return [(position, field.taken_by) for position, field in enumerate(self.fields) if field.taken_by]

    @cached_property
    def _values(self) -> Callable[[Any], tuple[Any, ...]]:
        return _tuple_getter(self.names)

    @cached_property
    def _count(self) -> int:
        return len(self.fields)

    @cached_property
    def _key_values(self) -> Callable[[Any], tuple[Any, ...]]:
        return _tuple_getter([self.names.index(name) for name in self.key])

    def accept(self, rows: Sequence[Any]) -> Sequence[Any]:
        """Return each row as a tuple in the order of the fields, after validation."""
        tuples = self._as_tuples(rows)
        accepted: list[tuple[Any, ...]] = msgspec.convert(tuples, self.rows_type, builtin_types=(bytes,))
        if accepted != tuples:
            self._refuse_changes(tuples, accepted)
        for position, field in enumerate(self.fields):
            if field.refuse is not None:
                for index, reason in field.wrong(list(map(itemgetter(position), accepted))):
                    raise WrongRow(index, field.name, reason)
        return accepted

    def fields_of(self, columns: Sequence[str]) -> Sequence[Field] | None:
        """Return all fields, of which none may be missing."""
        return self.fields if set(columns) == set(self.names) else None

    def field_at(self, path: str) -> str:
        """Return the name of the field at a path such as `[2]`."""
        position = re.match(r"\[(\d+)\]", path)
        return self.names[int(position[1])] if position else ""

    def key_of(self, row: Any) -> tuple[Any, ...]:
        """Return the values of the key."""
        return self._key_values(row)

    def as_given(self, row: Any) -> Mapping[str, Any]:
        """Return the row as a mapping."""
        return dict(zip(self.names, row, strict=True))

    def _refuse_changes(self, given: Sequence[Any], accepted: Sequence[Any]) -> None:
        for position, field in enumerate(self.fields):
            pairs = zip((row[position] for row in given), (row[position] for row in accepted), strict=True)
            for index, (value, kept) in enumerate(pairs):
                if value is not kept and (found := change(value, kept)):
                    raise WrongRow(index, field.name + found[0], found[1])

    def take(self, row: Any) -> tuple[Any, ...]:
        """Return the row as a tuple in the order of the fields, with copies of what can be changed."""
        is_whole = type(row) is dict and len(row) == self._count
        try:
            values = self._values(row) if is_whole else self._as_tuple(0, row)
        except KeyError:
            raise self._wrong_fields(0, row) from None
        if not self._takers:
            return values
        taken = list(values)
        try:
            for position, take in self._takers:
                taken[position] = take(taken[position])
        except NotPlain as unfit:
            raise WrongRow(0, self.names[position], unfit.reason) from None
        return tuple(taken)

    def _as_tuples(self, rows: Sequence[Any]) -> Sequence[Any]:
        """Return the rows as tuples: all at once if they have the same type and length, else one by one."""
        types, lengths = set(map(type, rows)), set(map(len, rows))
        if lengths == {len(self.fields)}:
            if types == {tuple}:
                return rows
            with suppress(KeyError, TypeError):
                if types == {dict}:
                    return list(map(self._values, rows))
        return [self._as_tuple(index, row) for index, row in enumerate(rows)]

    def _as_tuple(self, index: int, row: Any) -> tuple[Any, ...]:
        if len(row) == len(self.fields):
            if isinstance(row, tuple):
                return row
            try:
                return self._values(row)
            except (KeyError, TypeError):
                pass
        raise self._wrong_fields(index, row)

    def _wrong_fields(self, index: int, row: Any) -> WrongRow:
        if not isinstance(row, Mapping):
            return WrongRow(index, "", f"has {len(row)} values for {len(self.fields)} fields ({', '.join(self.names)})")
        for name in row:
            if name not in self.names:
                return WrongRow(index, str(name), f"is unknown; {did_you_mean(name, self.names)}")
        missing = next(field for field in self.fields if field.name not in row)
        is_optional = type(None) in get_args(missing.type)
        advice = "set it to None if there is no value" if is_optional else "give it in each row"
        return WrongRow(index, missing.name, f"is missing; {advice}: no default or number is filled in")


@dataclass(frozen=True)
class Contract:
    """The contract of a dataset: the shape of each kind of row, and how the store is sent what they accept.

    The texts that `encode` makes of two runs of rows can be joined, and so can those that
    `encode_frame` makes of two data frames of Polars; without it, frames are made rows.
    """

    dataset: str
    shapes: Mapping[str, Shape]
    _: KW_ONLY
    encode: Encode = lines
    encode_frame: Callable[[Any], bytes] | None = None

    def split(self, row: Any) -> tuple[str, Any]:
        """Return the kind of a user's row, and the row itself."""
        return "", row

    def follow(self, kind: str, next_kind: str) -> None:
        """Raise WrongRow if rows of `next_kind` must not follow rows of `kind` ("" before the first row)."""

    def dangling(self, kind: str, rows: Sequence[Any], keys: Mapping[str, Collection[Any]]) -> Mapping[int, str]:
        """Return the fields of accepted rows that refer to a missing key, by the row's index. `keys` are by kind."""
        del kind, rows, keys
        return {}

    @property
    def sets_aside(self) -> bool:
        """Return whether rows that refer to missing keys are counted and skipped instead of refused."""
        return False

    def join(self, kind: str, row: Mapping[str, Any]) -> Any:
        """Return a row in the form in which users give it."""
        del kind
        return row

    def accept(self, kind: str, rows: Sequence[Any], first_row: int) -> tuple[Sequence[Any], bytes]:
        """Take rows and check them: `take` of each, then `check` of all. Raises BadRow."""
        taken = []
        for number, row in enumerate(rows, first_row):
            try:
                taken.append(self.shapes[kind].take(row))
            except WrongRow as wrong:
                raise self.bad_row(number, wrong.field, wrong.reason) from None
        return self.check(kind, taken, first_row)

    def check(self, kind: str, rows: Sequence[Any], first_row: int) -> tuple[Sequence[Any], bytes]:
        """Validate rows that were taken; return them as `accept` of their shape does, and encoded.

        Raises BadRow for the first row that breaks the contract.
        """
        try:
            return self._checked(kind, rows, first_row)
        except BadRow:
            return self._checked(kind, list(map(plainer_row, rows)), first_row)

    def _checked(self, kind: str, rows: Sequence[Any], first_row: int) -> tuple[Sequence[Any], bytes]:
        shape = self.shapes[kind]
        try:
            accepted = shape.accept(rows)
            return accepted, encoded(accepted, self.encode)
        except WrongRow as wrong:
            raise self.bad_row(first_row + wrong.index, wrong.field, wrong.reason) from None
        except msgspec.ValidationError as error:
            from luigi_sinks.wrong_values import located  # noqa: PLC0415 - most rows are right

            index, field, reason = located(error, shape, rows)
            raise self.bad_row(first_row + index, field, reason) from None
        except (ArithmeticError, AttributeError, TypeError, ValueError):  # which msgspec lets through
            from luigi_sinks.wrong_values import unreadable  # noqa: PLC0415 - as above

            index, field, reason = unreadable(partial(_is_readable, shape), shape.names, rows)
            raise self.bad_row(first_row + index, field, reason) from None
        except DirtyText:
            from luigi_sinks.wrong_values import dirty_value  # noqa: PLC0415 - as above

            index, field, reason = dirty_value(shape, accepted)
            raise self.bad_row(first_row + index, field, reason) from None

    def bad_row(self, row: int, field: str, reason: str) -> BadRow:
        """Return the error for a row that breaks the contract."""
        return BadRow(self.dataset, row, field, reason)

    def duplicate(
        self, row: int, key: Sequence[str], values: Sequence[Any], *, earlier: int | None = None, why: str = ""
    ) -> BadRow:
        """Return the error for a row with the key of an earlier row, whose number may be unknown.

        `why` ends the sentence where the two keys differ, and only the store finds them equal.
        """
        from luigi_sinks.wrong_values import shown  # noqa: PLC0415 - most rows are right

        listed = ", ".join(map(shown, values))
        place = "an earlier row" if earlier is None else f"row {earlier}"
        return self.bad_row(row, ", ".join(key), f"repeats the key {listed} of {place}{why}")

    def first_repeat(self, kind: str, rows: Iterable[Any]) -> tuple[int, int] | None:
        """Return the index of the first row with the key of an earlier row, and the index of that; or None."""
        key_of, seen = self.shapes[kind].key_of, dict[Any, int]()
        for index, row in enumerate(rows):
            earlier = seen.setdefault(key_of(row), index)
            if earlier < index:
                return index, earlier
        return None


def _is_readable(shape: Shape, row: Any) -> bool:
    try:
        shape.accept([row])
    except (WrongRow, msgspec.ValidationError):
        return True
    except (ArithmeticError, AttributeError, TypeError, ValueError):
        return False
    return True


def _tuple_getter(names: Sequence[Any]) -> Callable[[Any], tuple[Any, ...]]:
    """Return an itemgetter that always returns a tuple, also for one name or none; it can be pickled."""
    return itemgetter(*names) if len(names) > 1 else partial(_few, names)


def _few(names: Sequence[Any], row: Any) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)
