"""Keeps loads in the audit log."""

from __future__ import annotations

from luigi_sinks.credentials import audit
from luigi_sinks.credentials.audit import Event
from luigi_sinks.errors import BadRow, CredentialError, SinkError
from luigi_sinks.report import Report
from luigi_sinks.version import State


def load(report: Report) -> None:
    """Write a step of a load down.

    Raises CredentialError where the log must be kept and cannot be, before rows are
    written and before a version is published; a load that has failed or was
    published is past being stopped.
    """
    match report.state:
        case State.STAGED:
            audit.require(_event("load", report, outcome="begun"))
        case State.VALIDATED:
            audit.require(_event("load", report, rows=report.rows, duration=round(report.seconds, 6)))
        case State.PUBLISHED:
            audit.record(_event("publish", report, rows=report.rows, duration=round(report.seconds, 6)))
        case _:
            audit.record(_event("load", report, outcome="failure", reason=_reason(report.error)))


def _event(action: str, report: Report, **more: object) -> Event:
    return Event(action, server=report.store, dataset=report.version.dataset, version=str(report.version), **more)  # type: ignore[arg-type]  # by name


def _reason(error: BaseException | None) -> str:
    """Say what ended the load without what the rows held, and without words of others that may hold anything."""
    if isinstance(error, BadRow):
        return f"BadRow: row {error.row}, field {error.field!r}"
    if isinstance(error, (SinkError, CredentialError)):
        return f"{type(error).__name__}: {error}"
    return type(error).__name__
