"""Hands tokens to whoever opens a connection: kept briefly, and replaced when a server refuses one."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.util import Finalize, register_after_fork
from typing import Any, TypeVar
from weakref import WeakSet

from luigi_sinks import running
from luigi_sinks.credentials import journal
from luigi_sinks.credentials.entry import Entry, Timing, revoke
from luigi_sinks.credentials.source import Leasing, Refused, Request, Source, Use
from luigi_sinks.credentials.sources import open_source
from luigi_sinks.credentials.token import Token
from luigi_sinks.errors import CredentialError

Result = TypeVar("Result")

_PATIENCE = 2.0
"""Seconds that a child which was asked to end is given, before it is ended."""

_providers: WeakSet[Provider] = WeakSet()


class Provider:
    """One process's tokens, by credential and by what they are for.

    Has no thread of its own: whoever needs a token fetches it. After a fork the
    child's knows nothing.
    """

    def __init__(self, open_source: Callable[[str, Use], Source] = open_source, timing: Timing | None = None) -> None:
        self._open_source = open_source
        self._timing = timing or Timing()
        self.forget()
        _providers.add(self)

    def forget(self) -> None:
        """Begin anew, as in a forked child: drop all, revoke nothing, hold no inherited lock."""
        self._lock = threading.RLock()
        self._sources: dict[str, Source] = {}
        self._entries: dict[tuple[str, Request], Entry] = {}
        self._found: dict[tuple[str, Request], Entry] = {}

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
        """Return `connect(token)`; if it raises Refused, try once more with a token that differs.

        What the token is for may be given as in `Request`; the source uses what
        it needs. The owner is the running task's unless another is given. Raises
        CredentialError if there is no token, or no other one after a refusal.
        """
        task = running.current()
        request = Request(host, port, user, audience, owner or task.owner, task.family)
        entry = self._found.get((credential, request)) or self._find(credential, request)
        token = entry.token()
        try:
            return connect(token)
        except Refused as refusal:
            fresh = entry.replaced(token)
            if fresh.fingerprint == token.fingerprint:
                raise _refused(credential, refusal) from refusal.__cause__
        return _last_try(entry, connect, fresh)

    def begin(self, task: running.Running) -> None:
        """Say which task uses tokens from now on; what another one left is dropped."""
        before = running.here()
        if before.task_id != task.task_id:
            self.end(before.task_id)  # it waits for a dependency that it found while it ran
        running.become(task)
        with self._lock:
            self._found = {}

    def end(self, task_id: str) -> None:
        """Drop the tokens that were fetched for the task, and revoke its leases.

        Between tasks, when Luigi asks what is complete, tokens belong to no task
        and live as long as they may.
        """
        if not task_id:
            return
        with self._lock:
            entries = list(self._entries.values())
            self._found = {}
        try:
            for entry in entries:
                entry.end(task_id)
        finally:
            if running.here().task_id == task_id:
                running.become(running.Running())

    def close(self) -> None:
        """Drop all tokens and revoke all leases of this process."""
        with self._lock:
            entries = list(self._entries.values())
        for entry in entries:
            entry.close()

    def reap(self, task_id: str) -> None:
        """Revoke what a child of this process leased for the task and, killed, could not give back."""
        left = [each for each in journal.entries() if each.task_id == task_id and each.is_of_child]
        for leased in left:
            _see_to_its_end(leased)
        for credential in {leased.credential for leased in left}:
            self.sweep(credential)

    def sweep(self, credential: str) -> None:
        """Revoke this credential's leases whose processes are gone."""
        source = self._source(credential)
        for leased in journal.entries():
            if leased.credential == credential and not leased.is_held:
                revoke(source, leased)

    def __reduce__(self) -> str:
        """Ship the name of this process's provider, which stands for that of the other process."""
        if self is PROVIDER:
            return "PROVIDER"
        raise TypeError("a provider cannot be pickled; ship the credential's name instead")

    def _find(self, credential: str, request: Request) -> Entry:
        source = self._source(credential)
        scope = source.scope(request)
        with self._lock:
            entry = self._entries.get((credential, scope))
            if entry is None:
                entry = self._entries[credential, scope] = Entry(credential, source, scope, self._timing)
            self._found[credential, request] = entry
        return entry

    def _source(self, credential: str) -> Source:
        """Return the source of a credential; the first time, give back what a killed process left of it."""
        with self._lock:
            known = self._sources.get(credential)
            source = self._sources[credential] = known or self._open_source(credential, self.use)
        if known is None and isinstance(source, Leasing):
            self.sweep(credential)  # without the lock, as it may take another credential, which others fetch
        return source


def _last_try(entry: Entry, connect: Callable[[Token], Result], token: Token) -> Result:
    try:
        return connect(token)
    except Refused as refusal:
        entry.drop(token)
        raise _refused(entry.credential, refusal) from refusal.__cause__


def _refused(credential: str, refusal: Refused) -> CredentialError:
    return CredentialError(f"credential {credential!r} was refused by the server: {refusal.__cause__ or refusal}")


def _see_to_its_end(leased: journal.Leased) -> None:
    """Wait for a child that was told to end, and end it if it does not: it would lease again."""
    deadline = time.monotonic() + _PATIENCE
    while leased.is_held and time.monotonic() < deadline:
        time.sleep(0.02)
    if leased.is_held:
        os.kill(leased.pid, signal.SIGKILL)
        while leased.is_held and time.monotonic() < deadline + _PATIENCE:
            time.sleep(0.02)


def _forget_all() -> None:
    for provider in _providers:
        provider.forget()


PROVIDER = Provider()
use = PROVIDER.use
os.register_at_fork(after_in_child=_forget_all)


def _close_at_the_end(provider: Provider) -> None:
    """Have leases given back when the process ends; unlike atexit's, this is done in workers too."""
    Finalize(provider, provider.close, exitpriority=0)


_close_at_the_end(PROVIDER)
register_after_fork(PROVIDER, _close_at_the_end)
