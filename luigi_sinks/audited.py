"""Keeps in the audit log what is done to versions: loads, and by hand, older versions published again and pruned."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, Self, runtime_checkable

from luigi_sinks.credentials import audit, logins
from luigi_sinks.credentials.audit import Event
from luigi_sinks.errors import BadRow, CredentialError, Forbidden, SinkError
from luigi_sinks.report import Report
from luigi_sinks.sink import Sink
from luigi_sinks.version import State, Version


class Login(Protocol):
    """As whom a process is known to a store."""

    @property
    def address(self) -> str:
        """Where the store answers."""

    @property
    def credential(self) -> str:
        """Where the tokens come from."""

    @property
    def publisher(self) -> Self:
        """Who publishes, hides and deletes versions there; often the same."""


@runtime_checkable
class LoggedIn(Protocol):
    """A sink whose store is logged in to by tokens: the lines name them."""

    @property
    def settings(self) -> Login:
        """As whom."""


def load(sink: Sink, report: Report) -> None:
    """Write a step of a load down.

    Raises CredentialError where the log must be kept and cannot be, before rows are
    written and before a version is published; a load that has failed or was
    published is past being stopped.
    """
    match report.state:
        case State.STAGED:
            audit.require(_of_load("load", sink, report, outcome="begun"))
        case State.VALIDATED:
            audit.require(_of_load("load", sink, report, rows=report.rows, duration=round(report.seconds, 6)))
        case State.PUBLISHED:
            audit.record(_of_load("publish", sink, report, rows=report.rows, duration=round(report.seconds, 6)))
        case _:
            audit.record(_of_load("load", sink, report, outcome="failure", reason=_reason(report.error)))


def roll_back(sink: Sink, version: Version) -> None:
    """Publish a version that was the head before in the place of the one that is, and retire that.

    Raises Conflict if somebody else moves the head at the same time, or if the
    version never was published or is dropped, and CredentialError as for `prune`.
    """
    _check("roll_back", version)
    with _kept("rollback", sink, version):
        head = sink.head(version.partition)
        sink.publish(version, replacing=head)
        if head.version:
            sink.retire(head.version)


def prune(sink: Sink, version: Version) -> None:
    """Delete the rows of a version that is no head; its record stays.

    Raises CredentialError where the log must be kept and cannot be; then nothing is
    done. Raises Forbidden for a loader whom the server keeps from it.
    """
    _check("prune", version)
    with _kept("prune", sink, version):
        try:
            sink.drop(version)
        except Forbidden as refusal:
            raise Forbidden(
                f"{version} is for a pruner to delete, by a login and a luigi.cfg of its own; `luigi-sinks grants` "
                f"prints what it takes: {refusal}"
            ) from refusal


def _check(name: str, version: object) -> None:
    """Raise TypeError for what is likely to be taken for a version."""
    if not isinstance(version, Version):
        raise TypeError(
            f"{name} takes a version and was given a {type(version).__name__}; pass record.version of one of "
            "sink.records()"
        )


@contextmanager
def _kept(action: str, sink: Sink, version: Version) -> Iterator[None]:
    """Write down that the block is begun, and how it ends."""
    audit.require(_event(action, sink, version, outcome="begun"))
    try:
        yield
    except BaseException as error:
        token = _token(action, sink)
        audit.record(_event(action, sink, version, outcome="failure", reason=_reason(error), token=token))
        raise
    audit.record(_event(action, sink, version, token=_token(action, sink)))


def _of_load(action: str, sink: Sink, report: Report, **more: object) -> Event:
    return _event(action, sink, report.version, token=_token(action, sink), **more)


def _event(action: str, sink: Sink, version: Version, **more: object) -> Event:
    return Event(action, server=sink.store, dataset=version.dataset, version=str(version), **more)  # type: ignore[arg-type]  # by name


def _token(action: str, sink: Sink) -> str:
    """Name the token that the store has seen last of who does such a thing."""
    if not isinstance(sink, LoggedIn):
        return ""
    login = sink.settings if action == "load" else sink.settings.publisher
    return logins.last(login.address, login.credential)


def _reason(error: BaseException | None) -> str:
    """Say what ended the load without what the rows held, and without words of others that may hold anything."""
    if isinstance(error, BadRow):
        return f"BadRow: row {error.row}, field {error.field!r}"
    if isinstance(error, (SinkError, CredentialError)):
        return f"{type(error).__name__}: {error}"
    return type(error).__name__
