"""The two seams between the core and a store: a catalog of versions, and a sink that loads them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count, filterfalse, islice
from typing import Any, Protocol

from luigi_sinks.checks import SharedKey, StagedCounts
from luigi_sinks.comparison import Diff
from luigi_sinks.contract import Contract
from luigi_sinks.errors import BadSetting, Conflict
from luigi_sinks.location import Location
from luigi_sinks.login import Login
from luigi_sinks.record import Head, Record, Transition
from luigi_sinks.version import Version

Row = Any
"""What a user gives as a row and gets back: a mapping, or for a graph a pair of a kind and a mapping."""


class Catalog(Protocol):
    """The versions of one dataset: opened with a name alone, since each record keeps its schema.

    All calls may be repeated. Each raises Unavailable if the store does not answer,
    and Forbidden if it does not allow the call to this login.
    """

    @property
    def store(self) -> str:
        """The store's name, as in `luigi_sinks.mariadb`."""

    @property
    def dataset(self) -> str:
        """The name that readers use."""

    @property
    def location(self) -> Location:
        """Where the dataset is, the same by whichever connection."""

    @property
    def login(self) -> Login:
        """As whom the store knows who loads and reads; empty before the first call."""

    @property
    def publisher(self) -> Login:
        """As whom the store knows who publishes and drops; often the same."""

    @property
    def patience(self) -> float:
        """For how many seconds a verb or a load retries a call while the store is unavailable."""

    @property
    def database(self) -> Hashable:
        """What one step of `publish_all` reaches: equal for catalogs whose versions it publishes together."""

    def head(self, partition: str) -> Head:
        """Return what readers of the partition see now. Raises BadSetting for what is no partition's id."""

    def heads(self) -> Mapping[str, Head]:
        """Return what readers see now, by partition, in the order of their names.

        A partition of which they see nothing is left out.
        """

    def example(self) -> Record | None:
        """Return the published version that shows how the dataset is divided, see `luigi_sinks.scheme`."""

    def records(self, *, partition: str | None = None, update_ids: Collection[str] | None = None) -> Iterator[Record]:
        """Yield the history, oldest first, of one partition or of some outputs.

        Raises BadSetting for what is no partition's id.
        """

    def unfinished(self, partition: str) -> Iterator[Record]:
        """Yield the records of a partition that say that a load or a release is at work, or was when it ended.

        They come oldest first. A load asks this instead of the history, which grows. More may be yielded.
        """

    def record(self, version: Version) -> Record:
        """Return a version's record. Raises Conflict if there is none."""

    def change(self, version: Version, become: Transition) -> Record:
        """Replace the record by what `become` makes of it and of the head, in one atomic step; return the result.

        Writes nothing if `become` returns the record unchanged, or raises.
        """

    def publish(self, version: Version, *, replacing: Head, by: str = "", why: str = "") -> Record:
        """Make the version the head in one atomic step, if the head still is `replacing`, and retire that.

        Raises Conflict as `luigi_sinks.record.publish` does. Where the partition had no
        head, the same step compares the version with the dataset's example, and raises
        BadSetting as `luigi_sinks.scheme.refuse_another` does.
        """

    def publish_all(self, moves: Sequence[tuple[Version, Head]], *, why: str = "") -> Sequence[Record]:
        """Publish versions of datasets of this `database`, each in the place of a head, in this order.

        In a store that has transactions it is one step, and all are published or none.
        Raises what `publish` does.
        """

    def unpublish(self, version: Version, *, replacing: Head) -> Record:
        """Move the head to nothing in one atomic step, if it still is `replacing`, and retire its withdrawn version.

        Readers then see no rows, and no error; the head is `Head(None, epoch)`, and the
        next publication counts on. Raises Conflict as `luigi_sinks.withdrawal.unpublish` does.
        """

    def delete_rows(self, version: Version) -> None:
        """Delete the rows and parts of a version that is not the head, whatever its record says, if it has one.

        Raises Conflict if it is the head. After a failure half-way, call it again.
        """

    def remains(self, partition: str | None = None) -> Collection[Version]:
        """Return the dead versions of which something is left, of one partition or of all.

        `luigi_sinks.version.DEAD` lists their states. It is cheap, as each load asks: it does
        not read the history, nor the rows of versions that are alive. It looks at what is
        left before, or in the same statement as, the records: a version is registered before
        anything else of it is written. One without a record, which only a look at all
        partitions has to find, may have a made-up name, by which `delete_rows` finds it.
        """

    def count(self, version: Version) -> int:
        """Return how many rows of the version the server counts now."""

    def read(self, version: Version) -> Iterator[Row]:
        """Yield the version's rows, in no particular order. Raises Conflict if it has none to read."""

    def compare(self, before: Record, after: Record, *, examples: int) -> Diff:
        """Compare the rows of two versions by key, or as wholes; keep so many examples of each difference."""

    def refuse_name(self, version: Version, name: str) -> None:
        """Raise BadSetting for a name that readers cannot use, or that something other than this version has."""

    def expose(self, record: Record, name: str) -> None:
        """Let readers find a version under a name of its own, beside the head; raises what `refuse_name` does."""

    def hide(self, version: Version, name: str) -> None:
        """Remove a name under which readers find the version; leaves alone what has the name instead."""

    def shows(self, version: Version, name: str) -> bool:
        """Tell whether readers find the version under a name."""

    def drop(self) -> None:
        """Delete the dataset: all rows, the history, and what readers use. After a failure half-way, call it again."""


def keyless(dataset: str) -> BadSetting:
    """Return the error of `shared_key` where rows have no key."""
    return BadSetting(
        f"{dataset!r} has no key, so the check unique_across_partitions has nothing to compare; declare a key, or "
        "remove the check"
    )


@dataclass(frozen=True)
class Part:
    """A numbered piece of a staged version.

    `rows` are as the contract accepted them, and `text` is what its `encode` makes of them, or
    `encode_frame`, where it is `of_frames`. `first_row` is the number of the first one, counted
    from 1 over the whole load. `gaps` are the numbers of rows that were set aside between the others.
    """

    number: int
    kind: str
    first_row: int
    rows: Sequence[Any]
    text: bytes
    gaps: Sequence[int] = ()
    of_frames: bool = False

    def row_number(self, index: int) -> int:
        """Return the number, within the load, of the row at an index.

        Example:
            >>> Part(0, "", 7, ["a", "b", "c"], b"", gaps=[8]).row_number(1)
            9

        """
        return next(islice(numbers(self.first_row, self.gaps), index, None))

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the text, in hexadecimal digits, by which a part that comes again is known.

        Example:
            >>> Part(0, "", 1, [(1,)], b"[1]").digest == Part(9, "", 7, [(1,)], b"[1]").digest
            True

        """
        return hashlib.sha256(self.text).hexdigest()

    def refuse_another(self, version: Version, rows: int, digest: str | None) -> None:
        """Raise Conflict unless a part that was written before under this number had these rows, in this order.

        `rows` and `digest` are those of the part before; None if its digest was not kept.
        """
        if digest == self.digest or (digest is None and rows == len(self.rows)):
            return
        how = f"{len(self.rows)} other rows" if rows == len(self.rows) else f"{rows} rows, and has {len(self.rows)} now"
        raise Conflict(
            f"{version}: part {self.number} was written before with {how}; give the same rows in the same order, or "
            "load the version again"
        )


def numbers(first_row: int, gaps: Sequence[int]) -> Iterator[int]:
    """Return the numbers of a part's rows, without those that were set aside."""
    return filterfalse(frozenset(gaps).__contains__, count(first_row))


class Stage(Protocol):
    """A version being written where no reader looks."""

    @property
    def version(self) -> Version:
        """The version."""

    @property
    def writers(self) -> int:
        """How many parts may be written at once."""

    def write(self, part: Part) -> None:
        """Write a part exactly once, however often it is tried.

        Raises BadRow for a row that the server refuses, Conflict if the version takes
        no more rows, and Unavailable if it is unknown whether the part arrived: the
        same part may then be written again.
        """

    def seal(self) -> StagedCounts:
        """End all writing, make the version ready to serve, count it on the server, and record the counts."""


class ChangedStage(Stage, Protocol):
    """A stage to which the rows of the head can be carried over: its version is made of these and of changed rows."""

    def carry(self, number: int, base: Record, deleted: Sequence[Any]) -> int:
        """Add the rows of `base` whose keys are neither among the rows written so far nor deleted; return how many.

        It is called once all parts are written. It makes parts from this number on, each
        exactly once, however often it is tried. `deleted` are keys as `key_contract` of the
        sink accepted them. Raises Conflict if `base` loses its rows meanwhile.
        """


class ChangingSink(Protocol):
    """What a sink has whose stages are `ChangedStage`s."""

    @property
    def key_contract(self) -> Contract:
        """What the key of a row must look like."""


class Sink(Catalog, Protocol):
    """A catalog that can also load, as it knows the columns, mapping or graph."""

    @property
    def contract(self) -> Contract:
        """What a row must look like."""

    @property
    def declared(self) -> Mapping[str, Any]:
        """The columns, mapping or graph as JSON: the `schema` of the records of this sink's loads."""

    @property
    def columns(self) -> Mapping[str, str]:
        """The types of columns, fields or properties in the store's words; those of a graph by `kind.property`."""

    @property
    def lease(self) -> float:
        """For how many seconds the claim of a load is valid without being renewed."""

    def shared_key(self, version: Version) -> SharedKey | None:
        """Return a key of the sealed version that the head of another partition has too, None if there is none.

        Raises BadSetting if rows have no key.
        """

    def begin(self, record: Record) -> Stage:
        """Prepare the dataset, register a staged version under the next number, and open a stage for it.

        If the version is registered already, since the answer to an earlier call was lost, it is found.
        """

    def attach(self, version: Version) -> Stage:
        """Open the stage of a registered version, from any process or machine."""
