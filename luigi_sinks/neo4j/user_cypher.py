"""Runs a user's Cypher with rows in batches, each exactly once, in a database that nothing is versioned in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from functools import partial
from hashlib import sha256
from itertools import islice
from types import NoneType
from typing import Any

import msgspec
import neo4j

from luigi_sinks.errors import BadRow, BadSetting, CheckFailed, Conflict, did_you_mean
from luigi_sinks.neo4j.errors import QueryRefused
from luigi_sinks.neo4j.progress import Progress
from luigi_sinks.plain import NotPlain, plain

ROWS = "rows"

_SENT = (NoneType, int, float, str, bytes, date, time)
"""A bool is an int, a datetime a date."""

_NO_CODE = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`(?:``|[^`])*`|//[^\n]*|/\*.*?\*/""", re.DOTALL)
"""Texts, quoted names and comments."""

_PARAMETER = re.compile(r"\$(\w+)")
_IN_TRANSACTIONS = re.compile(r"\bIN\s+(?:\d+\s+CONCURRENT\s+|CONCURRENT\s+)?TRANSACTIONS\b", re.IGNORECASE)


@dataclass(frozen=True)
class Statement:
    """One statement of Cypher that takes a batch of rows as `$rows`, and the values of its other parameters.

    Raises BadSetting for text that is no such statement, and for parameters that differ
    from those it names.

    Example:
        >>> Statement("people", "UNWIND $rows AS row CREATE (:Person {id: row.id})", {}).cypher[:12]
        'UNWIND $rows'

    """

    name: str
    cypher: str
    parameters: Mapping[str, Any]

    def __post_init__(self) -> None:
        if not isinstance(self.cypher, str):
            raise self._wrong("cypher must be a text, such as 'UNWIND $rows AS row MERGE (:Person {id: row.id})'")
        code = _NO_CODE.sub(" ", self.cypher).strip().rstrip(";")
        if ";" in code:
            raise self._wrong(
                "cypher has more than one statement; give each a task of its own, in the order of requires()"
            )
        if _IN_TRANSACTIONS.search(code):
            raise self._wrong(
                "cypher has its own transactions, CALL { } IN TRANSACTIONS; remove them, as each batch of rows is one "
                "transaction, and its size is rows_at_once"
            )
        self._check_parameters(_PARAMETER.findall(code))

    def _check_parameters(self, named: Sequence[str]) -> None:
        if ROWS not in named:
            raise self._wrong("cypher does not use $rows; begin it with UNWIND $rows AS row")
        for name in named:
            if name != ROWS and name not in self.parameters:
                raise self._wrong(f"cypher names ${name}; {did_you_mean(name, self.parameters)}: add it to parameters")
        for name, value in self.parameters.items():
            if name == ROWS or name not in named:
                raise self._wrong(f"parameters has {name!r}, which cypher does not use; remove it")
            try:
                sendable(plain(value))
            except NotPlain as unfit:
                raise self._wrong(f"parameter {name!r} {unfit.reason}") from None

    def _wrong(self, reason: str) -> BadSetting:
        return BadSetting(f"graph {self.name!r}: {reason}")


@dataclass(frozen=True)
class Batches:
    """The batches of one output's rows, which a statement takes one after the other."""

    statement: Statement
    progress: Progress
    rows_at_once: int

    def run(self, given: Iterable[Any]) -> int:
        """Run the statement for each batch that no earlier attempt ran; return how many rows there are.

        Raises BadRow for what Neo4j cannot take as a row, CheckFailed for rows that the
        statement fails for, and Conflict if these are not the rows of the earlier attempt.
        """
        begun, digest, count, number = self.progress.begin(), "", 0, 0
        rows = self._checked(given)
        while batch := list(islice(rows, self.rows_at_once)):
            number, digest = number + 1, _digest(digest, batch)
            if number == begun.batches and digest != begun.digest:
                raise self._other_rows(count + len(batch))
            if number > begun.batches:
                self._run(number, digest, count, batch)
            count += len(batch)
        if number < begun.batches:
            raise self._other_rows(count)
        return count

    def _run(self, number: int, digest: str, before: int, batch: Sequence[Any]) -> None:
        try:
            self.progress.step(number, partial(self._work, batch), digest)
        except QueryRefused as refusal:
            raise CheckFailed(
                f"graph {self.statement.name!r}: rows {before + 1} to {before + len(batch)} were refused: {refusal}; "
                f"correct cypher or the rows, and run this again: it goes on from row {before + 1}"
            ) from refusal

    def _work(self, batch: Sequence[Any], tx: neo4j.Transaction) -> Sequence[int]:
        tx.run(self.statement.cypher, {**self.statement.parameters, ROWS: list(batch)}).consume()
        return ()

    def _checked(self, given: Iterable[Any]) -> Iterator[Any]:
        for number, row in enumerate(given, 1):
            if not isinstance(row, Mapping):
                raise self._bad(number, "", f"is a {type(row).__name__}; give a dict")
            kept = {}
            for name, value in row.items():
                try:
                    kept[name] = sendable(plain({name: value}))[name]
                except NotPlain as unfit:
                    raise self._bad(number, str(name), unfit.reason) from None
            yield kept

    def _bad(self, number: int, field: str, reason: str) -> BadRow:
        return BadRow(self.statement.name, number, field, reason)

    def _other_rows(self, upto: int) -> Conflict:
        return Conflict(
            f"graph {self.statement.name!r}: rows() gave other rows up to row {upto} than the attempt that stopped "
            "there, whose rows are in the graph; give the same rows in the same order in each attempt"
        )


def sendable(value: Any) -> Any:
    """Return a plain value as it is. Raises NotPlain for one that Neo4j has no type for."""
    if isinstance(value, (list, tuple)):
        return [sendable(each) for each in value]
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        return {name: sendable(each) for name, each in value.items()}
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise NotPlain("is an integer of more than 64 bits; give it as text")
    if isinstance(value, str) and not value.isascii() and any("\ud800" <= each <= "\udfff" for each in value):
        raise NotPlain("has a lone surrogate, which is not valid text; correct it")
    if not isinstance(value, _SENT):
        raise NotPlain(f"is a {type(value).__name__}, which Neo4j has no type for; give text or a number")
    return value


def _digest(before: str, batch: Sequence[Any]) -> str:
    return sha256(before.encode() + msgspec.json.encode(batch, enc_hook=repr)).hexdigest()
