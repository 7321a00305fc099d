"""Every error this package raises, as a tree.

SinkError
├── Conflict           another load of the same partition came first; nothing of this one is seen
├── CheckFailed        the staged rows are wrong; nothing was published
│   └── BadRow         one row breaks the contract; names dataset, row and field
├── Unavailable        the store did not answer; safe to retry, and never "not complete"
├── BadSetting         a name, schema or section of luigi.cfg that cannot work
│   ├── Forbidden      the store knows who asks, and does not allow it
│   └── NoRoles        roles of this store cannot be written, or not be compared
└── NotInstalled       the extra for this store is missing (also an ImportError)
CredentialError        no usable credential could be had
"""

from __future__ import annotations

from collections.abc import Iterable


class SinkError(Exception):
    """Base of all sink errors."""


class Conflict(SinkError):
    """The partition is claimed by another load, or its head moved on meanwhile."""


class CheckFailed(SinkError):
    """A check refused the staged version; readers keep the old one."""


class BadRow(CheckFailed):
    """One row breaks the dataset's contract.

    `row` counts from 1 in the order in which the rows were given; `field` may be
    empty when the row as a whole is at fault.
    """

    def __init__(self, dataset: str, row: int, field: str, reason: str) -> None:
        self.dataset = dataset
        self.row = row
        self.field = field
        self.reason = reason
        super().__init__(dataset, row, field, reason)

    def __str__(self) -> str:
        where = f", field {self.field!r}" if self.field else ""
        return f"{self.dataset}: row {self.row}{where}: {self.reason}; nothing was published"


class Unavailable(SinkError):
    """The store did not answer, or not in time."""


class BadSetting(SinkError, ValueError):
    """A setting that cannot work, with the way out in the message."""


class Forbidden(BadSetting):
    """The store knows who asks, and does not allow it; grants are what mends it."""


class NoRoles(BadSetting):
    """Roles of this store cannot be written, or not be compared; those of others can."""


class NotInstalled(SinkError, ImportError):
    """The optional dependency of a store is missing."""

    def __init__(self, extra: str, missing: object) -> None:
        super().__init__(f"{missing}; install it with: pip install 'luigi-sinks[{extra}]'")


class CredentialError(Exception):
    """The credential source gave nothing usable."""


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """End an error about an unknown name with what was probably meant, or with all there is."""
    import difflib  # noqa: PLC0415 - few go wrong, and all import this

    known = list(known)
    close = difflib.get_close_matches(str(name), known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known are: {', '.join(known) or 'none'}"
