"""Provides tokens for connections: caches them briefly, and replaces a token that a server refuses."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.util import Finalize, register_after_fork
from typing import TypeVar
from weakref import WeakSet

from luigi_sinks import redaction, running
from luigi_sinks.credentials import journal
from luigi_sinks.credentials.cache import Timing, TokenCache, revoke
from luigi_sinks.credentials.source import Leasing, Refused, Request, Source, Use
from luigi_sinks.credentials.sources import open_source
from luigi_sinks.credentials.token import Token
from luigi_sinks.errors import CredentialError

Result = TypeVar("Result")

_GRACE = 2.0
"""Seconds to wait for a terminating child process before it is killed."""

_REMEMBERED = 5.0
"""Seconds for which a final refusal is repeated without asking again, unless the source has changed meanwhile."""

_providers: WeakSet[Provider] = WeakSet()


@dataclass(frozen=True)
class Refusal:
    """Why a server refused a token finally, until when that is repeated, and whether the source has changed."""

    reason: str
    until: float
    changed: Callable[[], bool]


class Provider:
    """The tokens of one process, by credential and request.

    It has no thread of its own: the caller that needs a token fetches it. In a forked
    child it starts empty.
    """

    def __init__(self, open_source: Callable[[str, Use], Source] = open_source, timing: Timing | None = None) -> None:
        self._open_source = open_source
        self._timing = timing or Timing()
        self.forget()
        _providers.add(self)

    def forget(self) -> None:
        """Reset to the state of a new process: discard all tokens, revoke nothing, replace inherited locks."""
        self._lock = threading.RLock()
        self._sources: dict[str, Source] = {}
        self._caches: dict[tuple[str, Request], TokenCache] = {}
        self._by_request: dict[tuple[str, Request], TokenCache] = {}
        self._refusals: dict[tuple[str, Request], Refusal] = {}

    def use(
        self,
        credential: str,
        connect: Callable[[Token], Result],
        *,
        host: str = "",
        port: int = 0,
        user: str = "",
        audience: str = "",
        owner: str = "",
    ) -> Result:
        """Return `connect(token)`, with a token that is valid now.

        If `connect` raises Refused, it is called once more, with a new token.

        - `credential`: the NAME of a section `[luigi_sinks.credential.NAME]`.
        - `connect`: takes a `Token`, and uses `token.reveal()` to log in.
        - `host`, `port`, `user`, `audience`: the server that the token is for, as in
          `Request`; the source ignores those that it does not need.
        - `owner`: the team that the token is for. Default: the owner of the running task.

        Raises CredentialError if the source returns no token, or no other one after the
        server refused the first, and BadSetting if the section is missing or wrong.

        Example, with `source = file` and `path = /run/secrets/db` in `[luigi_sinks.credential.db]`:
            >>> from luigi_sinks.credentials import use
            >>> use("db", lambda token: f"{token.scheme} of {len(token.reveal())} characters", host="db.internal")
            'password of 12 characters'

        """
        task = running.current()
        request = Request(host, port, user, audience, owner or task.owner, task.family)
        key = credential, request
        cache = self._by_request.get(key) or self._cache_for(credential, request)
        if key in self._refusals:
            self._repeat_refusal(key)
        token = cache.token()
        try:
            return _shielded(connect, token)
        except Refused as refusal:
            fresh = cache.replacement(token)
            if fresh.fingerprint == token.fingerprint:
                raise self._refused(key, token, refusal) from refusal.__cause__
        try:
            return _shielded(connect, fresh)
        except Refused as refusal:
            cache.drop(fresh)
            raise self._refused(key, fresh, refusal) from refusal.__cause__

    def _refused(self, key: tuple[str, Request], token: Token, refusal: Refused) -> CredentialError:
        said = f"credential {key[0]!r} was refused by the server: {refusal.__cause__ or refusal}"
        self._refusals[key] = Refusal(said, self._timing.clock() + _REMEMBERED, token.info.changed)
        return CredentialError(said)

    def _repeat_refusal(self, key: tuple[str, Request]) -> None:
        """Raise the error of a recent refusal: each attempt would make two exchanges, and count as a failed login."""
        refusal = self._refusals.get(key)
        if refusal is not None and self._timing.clock() < refusal.until and not refusal.changed():
            raise CredentialError(f"{refusal.reason} (a moment ago; it is not asked again within {_REMEMBERED:.0f} s)")
        self._refusals.pop(key, None)

    def begin(self, task: running.Running) -> None:
        """Set the task that uses tokens from now on; discard tokens and revoke leases of the one before.

        What was fetched before any task, such as by the check whether this one is complete, is the task's from now on.
        """
        before = running.here()
        if before.task_id != task.task_id:
            self.end(before.task_id)  # it yielded a dependency, and will run again after it
        running.become(task)
        with self._lock:
            caches = list(self._caches.values())
            self._by_request = {}
        for cache in caches:
            cache.adopt(task.task_id)

    def end(self, task_id: str) -> None:
        """Discard the tokens that were fetched for the task, and revoke its leases."""
        if not task_id:
            return
        with self._lock:
            caches = list(self._caches.values())
            self._by_request = {}
        try:
            for cache in caches:
                cache.end(task_id)
        finally:
            if running.here().task_id == task_id:
                running.become(running.Running())

    def close(self) -> None:
        """Discard all tokens and revoke all leases of this process."""
        with self._lock:
            caches = list(self._caches.values())
        for cache in caches:
            cache.close()

    def reap(self, task_id: str) -> None:
        """Revoke the leases of the task that a killed child of this process left."""
        left = [lease for lease in journal.entries() if lease.task_id == task_id and lease.is_of_child]
        for lease in left:
            _wait_or_kill(lease)
        for credential in {lease.credential for lease in left}:
            self.sweep(credential)

    def sweep(self, credential: str) -> None:
        """Revoke the leases of this credential whose processes have ended."""
        source = self._source(credential)
        for lease in journal.entries():
            if lease.credential == credential and not lease.is_held:
                revoke(source, lease)

    def __reduce__(self) -> str:
        """Pickle the provider of this process by name; it unpickles as the provider of the other process."""
        if self is PROVIDER:
            return "PROVIDER"
        raise TypeError("a provider cannot be pickled; pass the name of the credential instead")

    def _cache_for(self, credential: str, request: Request) -> TokenCache:
        source = self._source(credential)
        scope = source.scope(request)
        with self._lock:
            cache = self._caches.get((credential, scope))
            if cache is None:
                cache = self._caches[credential, scope] = TokenCache(credential, source, scope, self._timing)
            self._by_request[credential, request] = cache
        return cache

    def _source(self, credential: str) -> Source:
        """Return the source of a credential; on first use, revoke the leases that killed processes left."""
        with self._lock:
            known = self._sources.get(credential)
            source = self._sources[credential] = known or self._open_source(credential, self.use)
        if known is None and isinstance(source, Leasing):
            self.sweep(credential)  # not under the lock: it may fetch another credential
        return source


def _shielded(connect: Callable[[Token], Result], token: Token) -> Result:
    """Return `connect(token)`. An error contains no secret, neither in a text nor in a variable of a frame."""
    outer = sys.exception()
    try:
        return connect(token)
    except BaseException as error:  # not `redaction.shielded`, which costs a microsecond each time
        redaction.clean(error, outer)
        raise


def _wait_or_kill(lease: journal.LeaseRecord) -> None:
    """Wait for a child that was told to terminate, then kill it: alive, it would lease again."""
    deadline = time.monotonic() + _GRACE
    while lease.is_held and time.monotonic() < deadline:
        time.sleep(0.02)
    if lease.is_held:
        os.kill(lease.pid, signal.SIGKILL)
        while lease.is_held and time.monotonic() < deadline + _GRACE:
            time.sleep(0.02)


def _reset_all() -> None:
    for provider in _providers:
        provider.forget()


PROVIDER = Provider()
use = PROVIDER.use
os.register_at_fork(after_in_child=_reset_all)


def _close_at_exit(provider: Provider) -> None:
    """Revoke leases when the process ends. Unlike atexit, this also runs in multiprocessing workers."""
    Finalize(provider, provider.close, exitpriority=0)


_close_at_exit(PROVIDER)
register_after_fork(PROVIDER, _close_at_exit)
