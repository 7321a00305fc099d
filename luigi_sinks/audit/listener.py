"""Writes what happens to versions into the audit log; knows no store."""

from __future__ import annotations

from luigi_sinks.audit import log, notes
from luigi_sinks.errors import public_message
from luigi_sinks.events import Action, Event, Outcome


def write(event: Event) -> None:
    """Write an event.

    Raises CredentialError where the log is required and cannot be written, before
    anything is done; what is past cannot be stopped, and is only warned of.
    """
    if event.is_past:
        notes.end(event, is_logged=log.record(_entry(event)))
        return
    with log.requiring():
        log.write(_entry(event))
        notes.add(event)


def _entry(event: Event) -> log.Entry:
    is_counted = event.outcome in {Outcome.SUCCESS, Outcome.STOPPED, Outcome.SUPERSEDED} and event.action not in {
        Action.PRUNE,
        Action.ABANDON,
        Action.SWEEP,
        Action.TOUCH,
    }
    return log.Entry(
        action=event.action,
        outcome=event.outcome,
        reason=_reason(event.error),
        principal=event.login.principal,
        token=event.login.token,
        server=event.store,
        dataset=event.version.dataset,
        version=str(event.version),
        replaced=str(event.replaced or ""),
        epoch=event.epoch or None,
        rows=event.rows if is_counted else None,
        duration=round(event.seconds, 6) if is_counted else None,
    )


def _reason(error: BaseException | None) -> str:
    """Explain what ended the action, without what rows held and without others' words, which may hold anything."""
    if error is None:
        return ""
    said, kind = public_message(error), type(error).__name__
    return f"{kind}: {said}" if said else kind
