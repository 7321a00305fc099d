"""Short-lived credentials for all stores. This package depends on no store."""

from luigi_sinks.credentials.provider import use
from luigi_sinks.credentials.source import Leasing, Refused, Request, Source
from luigi_sinks.credentials.token import Token, TokenInfo

__all__ = ["Leasing", "Refused", "Request", "Source", "Token", "TokenInfo", "use"]
