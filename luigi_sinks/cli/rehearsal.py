"""What a change would do, by the same rules, and without doing it: for `--dry-run`."""

from __future__ import annotations

from datetime import UTC, datetime

from luigi_sinks import record as rules
from luigi_sinks import withdrawal
from luigi_sinks.errors import CheckFailed
from luigi_sinks.record import Publication, Record, Withdrawal
from luigi_sinks.sink import Catalog


def roll_back(catalog: Catalog, record: Record) -> None:
    """Raise what keeps a version from being published again."""
    head = catalog.head(record.version.partition).pointer
    publication = Publication(0, datetime.now(UTC))
    rules.publish(rules.published_before(record), head, replacing=head, publication=publication)
    if not _is_whole(catalog, record):
        raise CheckFailed(f"{record.version} does not hold the {record.rows} rows that were published; load again")


def withdraw(catalog: Catalog, record: Record) -> Record | None:
    """Return what readers would see after a withdrawal, None for nothing. Raises what refuses it."""
    head = catalog.head(record.version.partition)
    withdrawal.withdraw(record, head.pointer, withdrawal=Withdrawal(datetime.now(UTC)))
    if head.version != record.version:
        return head.record
    others = withdrawal.sound(catalog.records(partition=record.version.partition), besides=record.version)
    return next((each for each in others if _is_whole(catalog, each)), None)


def _is_whole(catalog: Catalog, record: Record) -> bool:
    return record.rows in {None, catalog.count(record.version)}
