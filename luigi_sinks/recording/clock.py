"""Times as lineage counts them: microseconds since 1970 in UTC, as integers; 0 for one that is not known."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

SECOND = 1_000_000
"""The microseconds of a second."""

DAY = 86_400 * SECOND

_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)


def now() -> int:
    """Return the time now."""
    return time.time_ns() // 1000


def moment(at: int) -> datetime:
    """Return a time as a datetime in UTC."""
    return _BEGIN + timedelta(microseconds=at)


def counted(when: datetime) -> int:
    """Return a datetime as a time; one without a zone is in UTC.

    Example:
        >>> counted(datetime(2023, 11, 14, 22, 13, 20)) == counted(moment(1_700_000_000_000_000))
        True

    """
    return round((_zoned(when) - _BEGIN) / timedelta(microseconds=1))


def iso(when: datetime) -> str:
    """Return a datetime in ISO 8601, in UTC; one without a zone is in UTC.

    Example:
        >>> iso(datetime(2013, 1, 31, 5))
        '2013-01-31T05:00:00Z'

    """
    return _zoned(when).astimezone(UTC).isoformat().replace("+00:00", "Z")


def _zoned(when: datetime) -> datetime:
    return when if when.tzinfo else when.replace(tzinfo=UTC)
