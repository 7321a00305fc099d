"""Caches one credential's token: one caller fetches it, all threads share it."""

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

from luigi_sinks import audit, config, redaction, running
from luigi_sinks.credentials import exposure, journal
from luigi_sinks.credentials.audit_entries import token_entry
from luigi_sinks.credentials.exchanges import bounded
from luigi_sinks.credentials.source import Leasing, Refused, Request, Source
from luigi_sinks.credentials.token import Token, require_sendable
from luigi_sinks.errors import BadSetting, CredentialError, SinkError

_log = logging.getLogger("luigi_sinks.credentials")

_MARGIN = 30.0
_MARGIN_SHARE = 0.1
"""A token is discarded this many seconds, or this share of its lifetime, before it expires; the shorter one counts."""

_REFRESH = 0.8
_JITTER = 0.1
"""A token is refreshed after this share of its usable time; jitter makes that up to `_JITTER` of it earlier."""


@dataclass(frozen=True)
class Timing:
    """The clock in seconds, and the jitter of refreshes: a random number from 0 (included) to 1 (excluded)."""

    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random


@dataclass(frozen=True)
class CachedToken:
    """A token, when to refresh it, and the deadline after which it is no longer used."""

    token: Token
    refresh_at: float
    deadline: float
    task_id: str
    uses: Iterator[int] = field(default_factory=count)


class TokenCache:
    """The token of one credential and one scope. Thread-safe."""

    def __init__(self, credential: str, source: Source, scope: Request, timing: Timing) -> None:
        self.credential = credential
        self._source = source
        self._scope = scope
        self._clock = timing.clock
        self._jitter = timing.jitter
        self._cached: CachedToken | None = None
        self._refresh_lock = threading.Lock()
        self._failures = 0
        self._last_failure = CredentialError()
        self._leases: dict[str, journal.LeaseRecord] = {}

    def token(self) -> Token:
        """Return a usable token, from the cache or the source. Raises CredentialError."""
        cached = self._cached
        if cached is not None and self._clock() < cached.refresh_at and not cached.token.info.changed():
            next(cached.uses)
            return cached.token
        return self._fetch_or_wait(cached)

    def replacement(self, refused: Token) -> Token:
        """Remove the refused token from the cache, and return another one."""
        self.drop(refused)
        return self.token()

    def drop(self, refused: Token) -> None:
        """Remove this token from the cache; a newer token stays."""
        with _without_cycles(self), self._refresh_lock:
            audit.record(token_entry("refusal", self.credential, refused, outcome="failure"))
            if self._cached is not None and self._cached.token.fingerprint == refused.fingerprint:
                self._discard()

    def adopt(self, task_id: str) -> None:
        """Let a token and leases that belong to no task belong to this one."""
        with _without_cycles(self), self._refresh_lock:
            if self._cached is not None and not self._cached.task_id:
                self._cached = replace(self._cached, task_id=task_id)
            for lease in [each for each in self._leases.values() if not each.task_id]:
                with suppress(OSError):  # then the journal names no task
                    journal.add(lease.lease, lease.credential, task_id)
                self._leases[lease.lease] = replace(lease, task_id=task_id)

    def end(self, task_id: str) -> None:
        """Discard the token that was fetched for the task, and revoke the task's leases."""
        with _without_cycles(self), self._refresh_lock:
            if self._cached is not None and self._cached.task_id == task_id:
                self._discard()
            ended = [lease for lease in self._leases.values() if lease.task_id == task_id]
        self._revoke(ended)

    def close(self) -> None:
        """Discard the token, and revoke every lease of this process."""
        with _without_cycles(self), self._refresh_lock:
            self._discard()
            ended = list(self._leases.values())
        self._revoke(ended)

    def _discard(self) -> None:
        """Empty the cache, and write to the audit log how often its token was used."""
        cached, self._cached = self._cached, None
        if cached is not None and (uses := next(cached.uses)):
            audit.record(token_entry("reuse", self.credential, cached.token, uses=uses))

    def _revoke(self, leases: Iterable[journal.LeaseRecord]) -> None:
        for lease in leases:
            self._leases.pop(lease.lease, None)
            revoke(self._source, lease)

    def _fetch_or_wait(self, seen: CachedToken | None) -> Token:
        """Fetch a token, or return the result of another caller's fetch; that caller's failure is raised here too."""
        before = self._failures
        usable = seen if seen is not None and self._is_usable(seen) else None
        with _without_cycles(self):
            if not self._refresh_lock.acquire(blocking=usable is None):
                assert usable is not None
                return usable.token
            try:
                return self._other_callers_result(seen, before) or self._refresh(usable)
            finally:
                self._refresh_lock.release()

    def _is_usable(self, cached: CachedToken) -> bool:
        return self._clock() < cached.deadline and not cached.token.info.changed()

    def _other_callers_result(self, seen: CachedToken | None, before: int) -> Token | None:
        """Return the token that another caller fetched while this one waited, or raise the error of that fetch."""
        if self._cached is not None and self._cached is not seen and self._is_usable(self._cached):
            return self._cached.token
        if self._failures != before:
            raise CredentialError(*self._last_failure.args)
        return None

    def _refresh(self, usable: CachedToken | None) -> Token:
        started = self._clock()
        try:
            fresh = self._cache(self._renew_or_fetch(usable), started)
        except CredentialError as error:
            if usable is None:
                self._failures += 1
                self._last_failure = error
                raise
            remaining = usable.deadline - started
            _log.warning("%s; the cached token is still valid for %.0f s", error, remaining)
            self._cached = replace(usable, refresh_at=started + remaining / 2)
            return usable.token
        if self._cached is not None and usable is None:
            audit.record(token_entry("expiry", self.credential, self._cached.token))
        self._discard()
        self._cached = fresh
        return fresh.token

    def _renew_or_fetch(self, usable: CachedToken | None) -> Token:
        """Renew the lease if the token has one, else fetch a token; both are audited before the token is used."""
        if usable is not None and usable.token.info.lease and isinstance(self._source, Leasing):
            try:
                return self._audited("renewal", partial(self._source.renew, usable.token))
            except CredentialError as error:
                _log.info("%s; fetching a new token", error)
        return self._audited("exchange", partial(self._source.fetch, self._scope))

    def _audited(self, action: str, get: Callable[[], Token]) -> Token:
        exposure.prevent()
        started = self._clock()
        try:
            with bounded(), redaction.shielded(), _explained(self.credential):
                token = get()
            require_sendable(self.credential, token)
        except CredentialError as error:
            audit.record(audit.Entry(action, "failure", str(error), self.credential))
            raise
        self._record_lease(token.info.lease)
        duration = round(self._clock() - started, 6)
        audit.require(token_entry(action, self.credential, token, server=self._scope.host, duration=duration))
        return token

    def _cache(self, token: Token, started: float) -> CachedToken:
        age = token.info.age
        usable_for = age - min(_MARGIN, age * _MARGIN_SHARE)
        if started + usable_for <= self._clock():
            raise CredentialError(
                f"credential {self.credential!r}: its source returned a token that lives only {age:.1f} s, too short "
                "to use; raise the token lifetime at the issuer"
            )
        refresh_at = started + usable_for * (_REFRESH - _JITTER * self._jitter())
        return CachedToken(token, refresh_at, started + usable_for, running.current().task_id)

    def _record_lease(self, lease: str) -> None:
        """Write a new lease to the journal at once, so that it can be revoked even if this process is killed."""
        if not lease or lease in self._leases:
            return
        try:
            self._leases[lease] = journal.add(lease, self.credential, running.current().task_id)
        except OSError as error:
            if isinstance(self._source, Leasing):
                with suppress(CredentialError), _explained(self.credential):  # then the lease expires by itself
                    self._source.revoke(lease)
            raise CredentialError(
                f"credential {self.credential!r}: the lease cannot be written to the journal ({error}), so it was "
                "revoked; check [luigi_sinks.leases] folder in luigi.cfg"
            ) from None


@contextmanager
def _explained(credential: str) -> Iterator[None]:
    """Raise CredentialError for an error of a source that is none of this package."""
    try:
        yield
    except (CredentialError, SinkError, Refused):
        raise
    except Exception as error:
        raise CredentialError(
            f"credential {credential!r}: its source failed ({type(error).__name__}: {error}); check its "
            "settings, or report this to the author of the source"
        ) from error


_in_progress = threading.local()


@contextmanager
def _without_cycles(cache: TokenCache) -> Iterator[None]:
    """Raise BadSetting for a credential that depends on itself, directly or not: it would deadlock."""
    above: tuple[TokenCache, ...] = getattr(_in_progress, "caches", ())
    if cache in above:
        cycle = " needs ".join(repr(each.credential) for each in (*above, cache))
        raise BadSetting(f"luigi.cfg: credential {cycle}; remove this cycle")
    _in_progress.caches = (*above, cache)
    try:
        yield
    finally:
        _in_progress.caches = above


def revoke(source: Source, lease: journal.LeaseRecord) -> None:
    """Revoke a lease and remove it from the journal; if that fails, the next sweep retries."""
    if not isinstance(source, Leasing):
        return
    kind = config.read_credential(lease.credential).get("source", "")
    entry = audit.Entry(
        "revocation", credential=lease.credential, source=kind, token=lease.lease, task_id=lease.task_id
    )
    try:
        with bounded(), redaction.shielded(), _explained(lease.credential):
            source.revoke(lease.lease)
    except CredentialError as error:
        audit.record(replace(entry, outcome="failure", reason=str(error)))
        _log.warning("%s; the lease expires by itself, or the next process revokes it", error)
    else:
        audit.record(entry)
        journal.remove(lease)
