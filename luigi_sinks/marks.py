"""What is done with marks: to look for them, to set them, to adopt those of `luigi.contrib`. Listeners are told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from luigi_sinks.errors import BadSetting, Conflict, SinkError
from luigi_sinks.events import Action, Event, Outcome
from luigi_sinks.listeners import Telling
from luigi_sinks.mark import Mark, Marks, OldMark, TransactionalMarks
from luigi_sinks.record import Origin
from luigi_sinks.retry import retry_unavailable
from luigi_sinks.version import WHOLE, Version

_AT_ONCE = 500


def known(marks: Marks, update_ids: Collection[str]) -> Collection[str]:
    """Return those of the outputs that are marked. Raises Unavailable if the store does not answer."""
    return retry_unavailable(marks.patience, marks.known, update_ids)


def touch(marks: Marks, origin: Origin, *, rows: int = 0) -> None:
    """Mark an output as complete, and tell of its rows; one that is marked stays as it is."""
    with _telling(marks, Action.TOUCH, origin) as told:
        mark = Mark(origin, datetime.now(UTC), marks.login.principal)
        retry_unavailable(marks.patience, marks.add, [mark])
        told.tell(Outcome.SUCCESS, rows=rows)


def touch_in(marks: TransactionalMarks, connection: Any, origin: Origin) -> None:
    """Mark an output as complete in the caller's transaction: the mark is there once that is committed.

    Raises Conflict if another transaction committed the mark, so that no two commit the rows of one output.
    """
    retry_unavailable(marks.patience, marks.create)
    with _telling(marks, Action.TOUCH, origin) as told:
        try:
            is_new = marks.add_in(connection, Mark(origin, datetime.now(UTC), marks.login.principal))
        except SinkError:
            raise
        except Exception as error:  # a driver's own, as where the transaction began before the other's commit
            _refuse_committed(marks, origin, error)
            raise
        if not is_new:
            _refuse_committed(marks, origin)
        told.tell(Outcome.SUCCESS)


def _refuse_committed(marks: Marks, origin: Origin, cause: Exception | None = None) -> None:
    """Raise Conflict if the mark is seen from outside; if it is not, it is that of the caller's open transaction."""
    if known(marks, {origin.update_id}):
        raise Conflict(
            f"{marks.dataset}: another run committed this output, {origin.update_id!r}; roll back this transaction, "
            "its rows are there already"
        ) from cause


def adopt(
    open_marks: Callable[[str], Marks], found: Iterable[OldMark], source: str, *, is_dry: bool = False
) -> tuple[dict[str, int], list[str]]:
    """Take over marks of `luigi.contrib`: each under the name of the table or index that it was for.

    - `open_marks`: opens the marks under a name. `source` names where the old ones are.
    - `is_dry`: only count.

    Returns how many there are by name, and why others cannot be taken over. May be called again.
    """
    by_name: dict[str, list[OldMark]] = {}
    skipped = []
    for old in found:
        if old.update_id and old.name:
            by_name.setdefault(old.name, []).append(old)
        else:
            skipped.append(f"a mark has no {'update_id' if old.name else f'name ({old.update_id})'}")
    counts = {}
    for name, olds in sorted(by_name.items()):
        try:
            marks = open_marks(name)
        except BadSetting as error:
            skipped.append(f"{len(olds)} marks of {name}: {error}")
            continue
        counts[marks.dataset] = len(olds)
        if not is_dry:
            _take_over(marks, olds, source)
    return counts, skipped


def _take_over(marks: Marks, olds: list[OldMark], source: str) -> None:
    retry_unavailable(marks.patience, marks.create)
    with _telling(marks, Action.ADOPT, Origin(source)) as told:
        adopted = [
            Mark(Origin(old.update_id), _in_utc(old.at), marks.login.principal, adopted_from=source) for old in olds
        ]
        for first in range(0, len(adopted), _AT_ONCE):
            retry_unavailable(marks.patience, marks.add, adopted[first : first + _AT_ONCE])
        told.tell(Outcome.SUCCESS, rows=len(adopted))


def _in_utc(at: datetime | None) -> datetime:
    """Return when an old mark was set; the old ones have no time zone, and are taken for UTC."""
    if at is None:
        return datetime.now(UTC)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


@contextmanager
def _telling(marks: Marks, action: Action, origin: Origin) -> Iterator[Telling]:
    """Give what tells of the action within the block; tell the failure if the block ends in an error."""
    version = Version(marks.dataset, WHOLE, origin.update_id)
    told = Telling(marks, Event(action, Outcome.BEGUN, marks.store, version, marks.location, origin))
    told.tell(Outcome.BEGUN)
    try:
        yield told
    except BaseException as error:  # GeneratorExit and SystemExit too
        told.tell(Outcome.FAILURE, error=error)
        raise
