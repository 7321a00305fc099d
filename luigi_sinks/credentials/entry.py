"""One key's token: fetched by the caller who needs it first, for all who do."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count

from luigi_sinks import audit, config, running
from luigi_sinks.credentials import exposure, journal
from luigi_sinks.credentials.audit_entries import token_entry
from luigi_sinks.credentials.source import Leasing, Request, Source
from luigi_sinks.credentials.token import Token
from luigi_sinks.errors import BadSetting, CredentialError

_log = logging.getLogger("luigi_sinks.credentials")

_MARGIN = 30.0
_MARGIN_SHARE = 0.1
"""A token is let go this many seconds, or this share of its life, before its end; whichever is less."""

_REFRESH = 0.8
_JITTER = 0.1
"""A caller looks for a new token once this share of the time is over, or up to `_JITTER` of it sooner."""


@dataclass(frozen=True)
class Timing:
    """The clock, in seconds, and what spreads refreshes: a number from 0 up to 1."""

    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random


@dataclass(frozen=True)
class Held:
    """A token, from when on to replace it, and until when it may be handed out."""

    token: Token
    refresh_at: float
    deadline: float
    task_id: str
    uses: Iterator[int] = field(default_factory=count)


class Entry:
    """The token of one credential for one scope; safe to share by threads."""

    def __init__(self, credential: str, source: Source, scope: Request, timing: Timing) -> None:
        self.credential = credential
        self._source = source
        self._scope = scope
        self._clock = timing.clock
        self._jitter = timing.jitter
        self._held: Held | None = None
        self._flight = threading.Lock()
        self._failures = 0
        self._failure = CredentialError()
        self._leases: dict[str, journal.Leased] = {}

    def token(self) -> Token:
        """Return a token that is good for a while. Raises CredentialError."""
        held = self._held
        if held is not None and self._clock() < held.refresh_at and not held.token.info.changed():
            next(held.uses)
            return held.token
        return self._renewed(held)

    def replaced(self, refused: Token) -> Token:
        """Return another token than the refused one, which is dropped if it is still held."""
        self.drop(refused)
        return self.token()

    def drop(self, refused: Token) -> None:
        """Hold this token no longer; another one that came meanwhile stays."""
        with _only_once(self), self._flight:
            audit.record(token_entry("refusal", self.credential, refused, outcome="failure"))
            if self._held is not None and self._held.token.fingerprint == refused.fingerprint:
                self._let_go()

    def end(self, task_id: str) -> None:
        """Drop the token that was fetched for the task, and revoke the task's leases."""
        with _only_once(self), self._flight:
            if self._held is not None and self._held.task_id == task_id:
                self._let_go()
            over = [leased for leased in self._leases.values() if leased.task_id == task_id]
        self._give_back(over)

    def close(self) -> None:
        """Drop the token, and revoke every lease of this process."""
        with _only_once(self), self._flight:
            self._let_go()
            over = list(self._leases.values())
        self._give_back(over)

    def _let_go(self) -> None:
        """Hold no token, and say how often the one that was held was used."""
        held, self._held = self._held, None
        if held is not None and (uses := next(held.uses)):
            audit.record(token_entry("reuse", self.credential, held.token, uses=uses))

    def _give_back(self, leases: Iterable[journal.Leased]) -> None:
        for leased in leases:
            self._leases.pop(leased.lease, None)
            revoke(self._source, leased)

    def _renewed(self, seen: Held | None) -> Token:
        """Fetch a token unless another caller is at it, whose token or failure then counts for this one."""
        before = self._failures
        good = seen if seen is not None and self._is_good(seen) else None
        with _only_once(self):
            if not self._flight.acquire(blocking=good is None):
                assert good is not None
                return good.token
            try:
                return self._other_callers_result(seen, before) or self._refresh(good)
            finally:
                self._flight.release()

    def _is_good(self, held: Held) -> bool:
        return self._clock() < held.deadline and not held.token.info.changed()

    def _other_callers_result(self, seen: Held | None, before: int) -> Token | None:
        """Return what another caller's flight has brought meanwhile, or raise what it failed with."""
        if self._held is not None and self._held is not seen and self._is_good(self._held):
            return self._held.token
        if self._failures != before:
            raise CredentialError(*self._failure.args)
        return None

    def _refresh(self, good: Held | None) -> Token:
        started = self._clock()
        try:
            held = self._hold(self._exchange(good), started)
        except CredentialError as error:
            if good is None:
                self._failures += 1
                self._failure = error
                raise
            _log.warning("%s; the token that is held is good for %.0f s more", error, good.deadline - started)
            self._held = replace(good, refresh_at=started + (good.deadline - started) / 2)
            return good.token
        if self._held is not None and good is None:
            audit.record(token_entry("expiry", self.credential, self._held.token))
        self._let_go()
        self._held = held
        return held.token

    def _exchange(self, good: Held | None) -> Token:
        """Have the lease extended if there is one, else fetch a token; either is recorded before it is used."""
        if good is not None and good.token.info.lease and isinstance(self._source, Leasing):
            try:
                return self._recorded("renewal", partial(self._source.renew, good.token))
            except CredentialError as error:
                _log.info("%s; it is replaced", error)
        return self._recorded("exchange", partial(self._source.fetch, self._scope))

    def _recorded(self, action: str, get: Callable[[], Token]) -> Token:
        exposure.prevent()
        started = self._clock()
        try:
            token = get()
        except CredentialError as error:
            audit.record(audit.Entry(action, "failure", str(error), self.credential))
            raise
        self._keep_lease(token.info.lease)
        duration = round(self._clock() - started, 6)
        audit.require(token_entry(action, self.credential, token, server=self._scope.host, duration=duration))
        return token

    def _hold(self, token: Token, started: float) -> Held:
        age = token.info.age
        usable = age - min(_MARGIN, age * _MARGIN_SHARE)
        if started + usable <= self._clock():
            raise CredentialError(
                f"credential {self.credential!r}: its source gave a token that lives {age:.1f} s only"
            )
        refresh_at = started + usable * (_REFRESH - _JITTER * self._jitter())
        return Held(token, refresh_at, started + usable, running.current().task_id)

    def _keep_lease(self, lease: str) -> None:
        """Note a lease at once, so that it can be revoked whatever happens next."""
        if not lease or lease in self._leases:
            return
        try:
            self._leases[lease] = journal.enter(lease, self.credential, running.current().task_id)
        except OSError as error:
            if isinstance(self._source, Leasing):
                with suppress(CredentialError):  # then it ends by itself
                    self._source.revoke(lease)
            raise CredentialError(
                f"credential {self.credential!r}: its lease cannot be noted for its end ({error}), so it was given "
                "back; see [luigi_sinks.leases] folder in luigi.cfg"
            ) from None


_flying = threading.local()


@contextmanager
def _only_once(entry: Entry) -> Iterator[None]:
    """Refuse a credential that needs itself, directly or not: it would wait for ever."""
    above: tuple[Entry, ...] = getattr(_flying, "entries", ())
    if entry in above:
        circle = " needs ".join(repr(each.credential) for each in (*above, entry))
        raise BadSetting(f"luigi.cfg: credential {circle}")
    _flying.entries = (*above, entry)
    try:
        yield
    finally:
        _flying.entries = above


def revoke(source: Source, leased: journal.Leased) -> None:
    """Revoke a lease and strike it off the journal; where it fails, the next sweep tries again."""
    if not isinstance(source, Leasing):
        return
    kind = config.read_credential(leased.credential).get("source", "")
    entry = audit.Entry(
        "revocation", credential=leased.credential, source=kind, token=leased.lease, task_id=leased.task_id
    )
    try:
        source.revoke(leased.lease)
    except CredentialError as error:
        audit.record(replace(entry, outcome="failure", reason=str(error)))
        _log.warning("%s; the lease ends by itself, or when the next process sweeps", error)
    else:
        audit.record(entry)
        journal.strike(leased)
