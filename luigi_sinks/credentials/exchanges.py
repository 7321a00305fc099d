"""How long the source of a token may take, and how much it may receive."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from luigi_sinks import config
from luigi_sinks.limit import Limit, within

LARGEST: Final = 1 << 20
"""Maximum size of a response in bytes."""


@dataclass(frozen=True)
class Exchanges:
    """The section `[luigi_sinks.exchanges]`: how long a token's source may take, in seconds.

    - `connect_timeout`: to connect to an identity provider, Vault or AWS. Default: 10.
    - `request_timeout`: for one request to it, until the last byte of the response. Default: 20.
    - `exchange_timeout`: for all requests that make one token, retries included. Default: 60.

    Example:
        >>> from luigi_sinks import config
        >>> config.use({"luigi_sinks": {"exchanges": {"exchange_timeout": 90}}})
        >>> exchanges().exchange_timeout
        90.0

    """

    connect_timeout: float = 10.0
    request_timeout: float = 20.0
    exchange_timeout: float = 60.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ValueError(f"{name} = {value} must be more than 0 seconds")


def exchanges() -> Exchanges:
    """Return the section `[luigi_sinks.exchanges]`. Raises BadSetting."""
    return config.read(Exchanges, "luigi_sinks.exchanges")


def bounded() -> AbstractContextManager[Limit]:
    """Bound all requests of one exchange, renewal or revocation."""
    return within("exchange_timeout", exchanges().exchange_timeout, LARGEST)
