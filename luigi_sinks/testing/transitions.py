"""Every state that a version can be in, how it gets there, and what each rule makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from luigi_sinks import record as rules
from luigi_sinks import removal, retention, superseding, withdrawal
from luigi_sinks.checks import StagedCounts
from luigi_sinks.claim import Claim, held
from luigi_sinks.record import Origin, Pointer, Publication, Record, Withdrawal
from luigi_sinks.sink import Sink
from luigi_sinks.version import State, Version, new_version

ORIGIN = Origin("Load_1", family="Load", owner="tests", params={"day": "2026-01-02"})
WHOLE = "_all"
LEFT = "left"
"""Abandoned by a login that may not delete: a state of its own for the rules."""

_MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_ANOTHER = Version("d", WHOLE, "v20260102t030405_bbbbbb")
_HOLDER = Claim("a host", "its boot", 1, 1, _MOMENT)
_OTHER = Claim("another host", "its boot", 1, 1, _MOMENT)


def begin(sink: Sink, partition: str = WHOLE) -> Version:
    """Register a staged version, held by nobody."""
    version = new_version(sink.dataset, partition)
    with held(version.id) as claim:
        sink.begin(rules.staged(version, ORIGIN, claim, schema=sink.declared))
    return version


def sealed(sink: Sink) -> Version:
    """Register a version and seal it, without rows."""
    version = begin(sink)
    sink.attach(version).seal()
    return version


def validated(sink: Sink) -> Version:
    """Seal a version and approve it."""
    version = sealed(sink)
    sink.change(version, rules.approve)
    return version


def published(sink: Sink) -> Version:
    """Make a version the head."""
    version = validated(sink)
    sink.publish(version, replacing=sink.head(WHOLE))
    return version


def retired(sink: Sink) -> Version:
    """Make a version the head, and then another one."""
    version = published(sink)
    published(sink)
    return version


def superseded(sink: Sink) -> Version:
    """Complete a version that is not shown, as there is a head."""
    published(sink)
    version = validated(sink)
    sink.change(version, superseding.supersede)
    return version


def dropping(sink: Sink) -> Version:
    """Begin to drop a retired version, and stop there, as a crash does."""
    version = retired(sink)
    sink.change(version, removal.begin_drop)
    return version


def dropped(sink: Sink) -> Version:
    """Record that a version was dropped."""
    version = dropping(sink)
    sink.change(version, removal.end_drop)
    return version


def abandoned(sink: Sink) -> Version:
    """Abandon a staged version, and stop there, as a crash does."""
    version = begin(sink)
    sink.change(version, rules.abandon)
    return version


def failed(sink: Sink) -> Version:
    """Record that the rows of an abandoned version are deleted."""
    version = abandoned(sink)
    sink.change(version, rules.fail)
    return version


def left(sink: Sink) -> Version:
    """Leave an abandoned version to a pruner."""
    version = abandoned(sink)
    sink.change(version, rules.leave)
    return version


STATES: Mapping[str, Callable[[Sink], Version]] = {
    State.STAGED: begin,
    State.SEALED: sealed,
    State.VALIDATED: validated,
    State.PUBLISHED: published,
    State.RETIRED: retired,
    State.SUPERSEDED: superseded,
    State.DROPPING: dropping,
    State.DROPPED: dropped,
    State.ABANDONED: abandoned,
    State.FAILED: failed,
    LEFT: left,
}
"""How a version gets into each state."""


def publish(record: Record, head: Pointer) -> Record:
    """Publish over whatever is the head."""
    return rules.publish(record, head, replacing=head, publication=Publication(0, _MOMENT))


def supersede(record: Record, head: Pointer) -> Record:
    """Supersede the version as if another one were the head."""
    return superseding.supersede(record, head if head.version else Pointer(_ANOTHER, head.epoch))


RULES: Mapping[str, rules.Transition] = {
    "accept_rows": rules.accept_rows,
    "renew": partial(rules.renew, claim=_OTHER),
    "close": rules.close,
    "seal": partial(rules.seal, counts=StagedCounts(0)),
    "approve": rules.approve,
    "publish": publish,
    "supersede": supersede,
    "retire": partial(rules.retire, at=_MOMENT),
    "abandon": rules.abandon,
    "fail": rules.fail,
    "leave": rules.leave,
    "begin_drop": removal.begin_drop,
    "end_drop": removal.end_drop,
    "cancel_drop": removal.cancel_drop,
    "withdraw": partial(withdrawal.withdraw, withdrawal=Withdrawal(_MOMENT, "tests", "wrong")),
    "pin": retention.pin,
}

CHANGES: Mapping[str, Mapping[str, State]] = {
    State.STAGED: {"renew": State.STAGED, "close": State.SEALED, "seal": State.SEALED, "abandon": State.ABANDONED},
    State.SEALED: {"renew": State.SEALED, "approve": State.VALIDATED, "abandon": State.ABANDONED},
    State.VALIDATED: {
        "renew": State.VALIDATED,
        "publish": State.PUBLISHED,
        "supersede": State.SUPERSEDED,
        "abandon": State.ABANDONED,
    },
    State.PUBLISHED: {"withdraw": State.PUBLISHED, "pin": State.PUBLISHED},
    State.RETIRED: {
        "publish": State.PUBLISHED,
        "begin_drop": State.DROPPING,
        "withdraw": State.RETIRED,
        "pin": State.RETIRED,
    },
    State.SUPERSEDED: {
        "begin_drop": State.DROPPING,
        "withdraw": State.SUPERSEDED,
        "pin": State.SUPERSEDED,
    },
    State.DROPPING: {"end_drop": State.DROPPED, "cancel_drop": State.RETIRED, "withdraw": State.DROPPING},
    State.DROPPED: {"withdraw": State.DROPPED},
    State.ABANDONED: {"renew": State.ABANDONED, "fail": State.FAILED, "leave": State.ABANDONED},
    State.FAILED: {},
    LEFT: {"fail": State.FAILED, "begin_drop": State.DROPPING},
}
"""What each rule that changes the record of a version in a state makes of it."""

_SEALED = ("close", "seal")
_UNFINISHED = "is being loaded or was interrupted; it cannot be dropped. The next load clears it"
_CLOSED: Mapping[str, str] = {
    "accept_rows": "takes no more rows",
    "close": "cannot be sealed",
    "seal": "cannot be sealed",
    "approve": "cannot be approved",
    "publish": "cannot be published",
    "supersede": "cannot be superseded",
}
_NO_PIN = {"pin": "cannot be pinned"}
_NEVER = {"withdraw": "was never published", **_NO_PIN}
_OVER: Mapping[str, str] = {**_CLOSED, "renew": "has no load to renew the claim of"}


def _some(*rules: str) -> Mapping[str, str]:
    return {rule: _CLOSED[rule] for rule in rules}


REFUSALS: Mapping[str, Mapping[str, str]] = {
    State.STAGED: {**_some("approve", "publish", "supersede"), "begin_drop": _UNFINISHED, **_NEVER},
    State.SEALED: {**_some("accept_rows", "publish", "supersede"), "begin_drop": _UNFINISHED, **_NEVER},
    State.VALIDATED: {**_some("accept_rows"), "begin_drop": _UNFINISHED, **_NEVER},
    State.PUBLISHED: {
        **{rule: reason for rule, reason in _OVER.items() if rule != "publish"},
        "begin_drop": "the head; it cannot be dropped",
    },
    State.RETIRED: {rule: reason for rule, reason in _OVER.items() if rule != "publish"},
    State.SUPERSEDED: {rule: reason for rule, reason in _OVER.items() if rule != "supersede"},
    State.DROPPING: {**_OVER, **_NO_PIN},
    State.DROPPED: {**_OVER, **_NO_PIN},
    State.ABANDONED: {**_CLOSED, "begin_drop": _UNFINISHED, **_NEVER},
    State.FAILED: {**_OVER, **_NEVER},
    LEFT: {**_CLOSED, **_NEVER},
}
"""What each rule that refuses a version in a state says, after the version's name and its state."""


def message(version: Version, state: str, rule: str) -> str:
    """Return the whole message of a refusal."""
    reason = REFUSALS[state][rule]
    shown = {LEFT: State.ABANDONED.value}.get(state, state)
    return f"{version} is {reason}" if reason.startswith("the head") else f"{version} is {shown}; it {reason}"


def example(state: str) -> tuple[Record, Pointer]:
    """Return a record in a state, and the pointer of its partition, without any store."""
    version = Version("d", WHOLE, "v20260102t030405_aaaaaa")
    record = replace(
        rules.staged(version, ORIGIN, _HOLDER),
        state=State.ABANDONED if state == LEFT else State(state),
        rows=None if state in {State.STAGED, State.ABANDONED, State.FAILED, LEFT} else 0,
    )
    if state == LEFT:
        record = replace(record, claim=record.claim.given_up())
    if state in {State.PUBLISHED, State.RETIRED, State.DROPPING, State.DROPPED}:
        record = replace(record, publications=(Publication(1, _MOMENT),))
    if state in {State.RETIRED, State.DROPPING, State.DROPPED}:
        record = replace(record, retired_at=_MOMENT)
    if state == State.SUPERSEDED:
        record = replace(record, superseded_at=_MOMENT)
    return record, Pointer(version, 1) if state == State.PUBLISHED else Pointer(None, 1)
