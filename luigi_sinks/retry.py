"""Retries calls of a sink, a catalog or a stage while its store is unavailable: by time, not by count."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import chain, islice
from typing import Any, ParamSpec, TypeVar, cast

from luigi_sinks.errors import Unavailable

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
T = TypeVar("T")

PATIENCE = 60.0
"""Seconds for which a call is retried, unless the store's section of luigi.cfg sets another `patience`."""

_log = logging.getLogger("luigi_sinks")

_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0


def retry_unavailable(
    patience: float, call: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
) -> Result:
    """Return the result of an idempotent call, and retry it while it raises Unavailable.

    `patience` bounds, in seconds, when the last attempt begins; 0 makes one attempt only.
    Raises Unavailable that says so once the time is over, and every other error at once.
    """
    import tenacity  # noqa: PLC0415 - slow: it imports tornado

    wait = tenacity.wait_random_exponential(multiplier=_FIRST_WAIT, max=_LONGEST_WAIT)
    try:
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Unavailable),
            wait=lambda state: min(wait(state), max(0.0, patience - (state.seconds_since_start or 0.0))),
            stop=tenacity.stop_after_delay(patience),
            before_sleep=lambda state: _tell(state.outcome, patience) if state.attempt_number == 1 else None,
            reraise=True,
        )(call, *args, **kwargs)
    except Unavailable as error:
        if patience <= 0:
            raise
        raise Unavailable(
            f"{error}; retried for {patience:g} s, the patience of the store's section in luigi.cfg"
        ) from error


def _tell(outcome: Any, patience: float) -> None:
    """Log that a call is retried: until its patience is over, nothing else would be seen."""
    _log.warning("%s; retrying for %g s", outcome.exception(), patience)


def patient(found: T, patience: float | None = None) -> T:
    """Return the same sink, catalog or stage, each of whose calls is retried while its store is unavailable.

    All calls of these seams may be repeated. Of `read`, only the wait for the first row
    is retried: what follows it has been given to the reader.
    """
    if isinstance(found, _Patient):
        return found
    return cast("T", _Patient(found, cast("Any", found).patience if patience is None else patience))


class _Patient:
    """Stands before a sink, catalog or stage."""

    def __init__(self, found: Any, patience: float) -> None:
        self._found = found
        self._patience = patience

    def __getattr__(self, name: str) -> Any:
        asked = getattr(self._found, name)
        if name not in _RETRIED:
            return asked
        call = partial(retry_unavailable, self._patience, _RETRIED[name], asked)
        return (lambda record: patient(call(record), self._patience)) if name == "begin" else call


def _as_it_is(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return call(*args, **kwargs)


def _whole(call: Callable[..., Iterator[Any]], *args: Any, **kwargs: Any) -> Iterator[Any]:
    """Fetch all that the call yields."""
    return iter(list(call(*args, **kwargs)))


def _begun(call: Callable[..., Iterator[Any]], *args: Any, **kwargs: Any) -> Iterator[Any]:
    """Fetch the first of what the call yields."""
    rows = iter(call(*args, **kwargs))
    return chain(list(islice(rows, 1)), rows)


_RETRIED: Mapping[str, Callable[..., Any]] = {
    **dict.fromkeys(
        ("head", "heads", "example", "record", "change", "publish", "publish_all", "delete_rows", "count", "remains"),
        _as_it_is,
    ),
    **dict.fromkeys(("unpublish", "compare", "drop", "refuse_name", "expose", "hide", "shows"), _as_it_is),
    **dict.fromkeys(("begin", "attach", "write", "fill", "carry", "seal", "shared_key"), _as_it_is),
    "records": _whole,
    "unfinished": _whole,
    "read": _begun,
}
"""The calls of sinks, catalogs and stages, and what belongs to one attempt at each."""
