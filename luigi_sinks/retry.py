"""Tries again what may be tried again: calls that mean the same however often they are made."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from luigi_sinks.errors import Unavailable

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_ATTEMPTS = 6
_LONGEST_WAIT = 5.0


def retry_unavailable(call: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """Return the call's result; for as long as it raises Unavailable, wait a little and call again.

    Gives up after six attempts, which take up to half a minute beside the calls
    themselves, and raises the last error.
    """
    import tenacity  # noqa: PLC0415 - it imports tornado, which takes half as long as all of luigi

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(Unavailable),
        wait=tenacity.wait_random_exponential(multiplier=0.2, max=_LONGEST_WAIT),
        stop=tenacity.stop_after_attempt(_ATTEMPTS),
        reraise=True,
    )(call, *args, **kwargs)
