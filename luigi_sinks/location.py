"""Where a dataset is, by the names that OpenLineage gives it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Location:
    """The name of a dataset for everyone, whichever connection leads to it.

    - `namespace`: the server, such as `mysql://db.internal:3306`; `file` for files.
    - `name`: the dataset within it, such as `flights.departures`.

    Source: https://openlineage.io/docs/spec/naming.

    Example:
        >>> str(Location("mysql://db.internal:3306", "flights.departures"))
        'mysql://db.internal:3306/flights.departures'

    """

    namespace: str
    name: str

    def __str__(self) -> str:
        """Return both in one."""
        return f"{self.namespace}/{self.name}"
