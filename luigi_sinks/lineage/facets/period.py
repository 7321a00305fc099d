"""The time that a run is for."""

from __future__ import annotations

import re
from datetime import datetime, timedelta


def interval(period: str) -> tuple[datetime, datetime | None]:
    """Return when a period begins and, of Luigi's intervals, when it ends: a date may stand for a month.

    Raises ValueError for a text that is neither.
    """
    if found := re.fullmatch(r"(\d{4}-\d\d-\d\d)-(\d{4}-\d\d-\d\d)", period):
        return datetime.fromisoformat(found[1]), datetime.fromisoformat(found[2])
    if re.fullmatch(r"\d{4}-\d\d", period):
        begins = datetime.fromisoformat(f"{period}-01")
        return begins, (begins + timedelta(days=31)).replace(day=1)
    if re.fullmatch(r"\d{4}", period):
        begins = datetime.fromisoformat(f"{period}-01-01")
        return begins, begins.replace(year=begins.year + 1)
    begins = datetime.fromisoformat(period)
    return begins, begins + timedelta(days=7) if re.fullmatch(r"\d{4}-W\d\d", period) else None
