"""Retries idempotent calls while a store is unavailable."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from luigi_sinks.errors import Unavailable

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_ATTEMPTS = 6
_LONGEST_WAIT = 5.0


def retry_unavailable(call: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """Return the result of an idempotent call, and retry it while it raises Unavailable.

    After six attempts, which add up to half a minute of waiting, raises the last error.
    """
    import tenacity  # noqa: PLC0415 - slow: it imports tornado

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(Unavailable),
        wait=tenacity.wait_random_exponential(multiplier=0.2, max=_LONGEST_WAIT),
        stop=tenacity.stop_after_attempt(_ATTEMPTS),
        reraise=True,
    )(call, *args, **kwargs)
