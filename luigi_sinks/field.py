"""One field of a row: what msgspec checks of its values, and what it cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from luigi_sinks.plain import flat_list, is_flat, is_flat_list, plain


@dataclass(frozen=True)
class Field:
    """A field of a row. `refuse` returns why a value is wrong, for rules that msgspec cannot check; else None.

    `take` copies a value, so that the user cannot change it, or raises NotPlain; by default it
    follows from the type. Two tests are for many values at once, which else are looked at one by
    one: `admit` tells that `refuse` is sure to refuse none of these, of which None and what is empty are left
    out; `refuse_column` tells of a column of Polars that it might refuse one.
    """

    name: str
    type: Any
    refuse: Callable[[Any], str | None] | None = None
    take: Callable[[Any], Any] | None = None
    refuse_column: Callable[[Any], bool] | None = None
    admit: Callable[[Iterable[Any]], bool] | None = None

    @property
    def taken_by(self) -> Callable[[Any], Any] | None:
        """What takes a value; None if no accepted value can be changed."""
        if self.take or is_flat(self.type):
            return self.take
        return flat_list if is_flat_list(self.type) else plain

    def wrong(self, values: Sequence[Any]) -> Iterator[tuple[int, str]]:
        """Yield the indices of the values that `refuse` refuses, and why."""
        if self.refuse is None or (self.admit is not None and self.admit(filter(None, values))):
            return
        for index, value in enumerate(values):
            if (reason := self.refuse(value)) is not None:
                yield index, reason
