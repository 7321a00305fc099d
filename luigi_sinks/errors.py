"""All errors that this package raises.

SinkError
├── Conflict           the version or its partition is in another state than the call requires; nothing changed
├── CheckFailed        the staged rows are wrong; nothing was published
│   └── BadRow         one row breaks the contract; has dataset, row and field
├── Unavailable        the store did not respond; safe to retry, and does not mean "not complete"
├── BadSetting         a name, schema or section of luigi.cfg cannot work
│   ├── Forbidden      authenticated, but not permitted
│   ├── NoPath         a target that is not a file has no path
│   └── NoRoles        grants cannot be generated or compared for this store
└── NotInstalled       the extra for this store is missing (also an ImportError)
CredentialError        no usable credential is available, or a required audit log cannot be written
"""

from __future__ import annotations

from collections.abc import Iterable


class SinkError(Exception):
    """Base of all sink errors."""


class Conflict(SinkError):
    """The version or its partition is in another state than the call requires; nothing changed.

    For example, another load has claimed the partition or was published first, or the
    version is the head and cannot be dropped.
    """


class CheckFailed(SinkError):
    """The staged version failed a check; readers still see the previous version."""


class BadRow(CheckFailed):
    """One row breaks the contract of its dataset.

    `row` counts from 1, in the order in which the rows were written. `field` is empty if
    the row as a whole is wrong. `reason` continues a sentence about the field or row.

    Example:
        >>> str(BadRow("flights", 3, "carrier", "is missing"))
        "flights: row 3, field 'carrier': is missing; nothing was published"

    """

    def __init__(self, dataset: str, row: int, field: str, reason: str) -> None:
        self.dataset = dataset
        self.row = row
        self.field = field
        self.reason = reason
        super().__init__(dataset, row, field, reason)

    def __str__(self) -> str:
        where = f", field {self.field!r}" if self.field else ""
        end = " Nothing was published" if self.reason.endswith("?") else "; nothing was published"
        return f"{self.dataset}: row {self.row}{where}: {self.reason}{end}"


class Unavailable(SinkError):
    """The store did not respond, or not in time. Run the load or the call again later."""


class BadSetting(SinkError, ValueError):
    """A setting that cannot work. The message says how to correct it."""


class NoPath(BadSetting, AttributeError):
    """A versioned target has no path in a file system."""


class Forbidden(BadSetting):
    """Authenticated but not permitted; check the grants."""


class NoRoles(BadSetting):
    """Grants cannot be generated or compared for this store; other stores are not affected."""


class NotInstalled(SinkError, ImportError):
    """The optional dependency of a store is missing."""

    def __init__(self, extra: str, missing: object) -> None:
        other = ", or without a compiler: pip install 'luigi-sinks[mariadb-wheel]'" if extra == "mariadb" else ""
        super().__init__(f"{missing}; install it with: pip install 'luigi-sinks[{extra}]'{other}")


class CredentialError(Exception):
    """The source of a credential returned no usable token, or a required audit log cannot be written.

    It is not a SinkError: the store is not involved, and nothing was done there.
    """


def public_message(error: BaseException) -> str:
    """Return what our own error says, without what rows held; empty for others' errors, which may hold anything.

    Example:
        >>> public_message(BadRow("flights", 3, "carrier", "is 'XX'")), public_message(OSError("secret"))
        ("row 3, field 'carrier'", '')

    """
    if isinstance(error, BadRow):
        return f"row {error.row}, field {error.field!r}"
    return str(error) if isinstance(error, (SinkError, CredentialError)) else ""


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return the end of an error about an unknown name: the closest known name, or all of them."""
    import difflib  # noqa: PLC0415 - only needed for an error

    known = list(known)
    close = difflib.get_close_matches(str(name), known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known are: {', '.join(known) or 'none'}"
