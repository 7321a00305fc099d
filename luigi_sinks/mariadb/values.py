"""The values that are given to the driver.

It writes each into the statement: text in quotes, and an object that it does not know as that says of itself,
which the server would compute as SQL. Dates are given as text: for them the driver 1.1 prepares the statement,
which is not possible for all.
"""

from __future__ import annotations

import math
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from luigi_sinks.errors import BadSetting


def bindable(value: Any, what: str = "a value of a statement") -> Any:
    """Return a value as any driver writes it right. Raises BadSetting for one that is no value of SQL.

    Example:
        >>> bindable(Decimal("1E+3")), bindable(timedelta(days=1, microseconds=5))
        (Decimal('1000'), '24:00:00.000005')

    """
    match value:
        case None | bool() | int() | str() | bytes():
            return value
        case float() if math.isfinite(value):
            return float(value)  # those of other libraries say of themselves what they are
        case Decimal() if value.is_finite():
            return Decimal(format(value, "f"))
        case timedelta():
            return _duration(value)
        case UUID() | date() | time() if getattr(value, "tzinfo", None) is None:
            return str(value)
    raise BadSetting(
        f"{what} is of type {type(value).__name__}, and no value of MariaDB; give text, a finite number, or a date or "
        "time without a time zone"
    )


def _duration(value: timedelta) -> str:
    """Write a duration as a TIME; the driver 2.0 gets its fraction wrong."""
    minutes, rest = divmod(abs(value), timedelta(minutes=1))
    sign = "-" if value < timedelta(0) else ""
    return f"{sign}{minutes // 60:02}:{minutes % 60:02}:{rest.seconds:02}.{rest.microseconds:06}"
