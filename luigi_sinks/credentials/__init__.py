"""One provider of credentials for all stores; it knows none of them."""

from luigi_sinks.credentials import audit
from luigi_sinks.credentials.provider import use
from luigi_sinks.credentials.source import Leasing, Refused, Request, Source
from luigi_sinks.credentials.tasks import watch
from luigi_sinks.credentials.token import Token, TokenInfo

__all__ = ["Leasing", "Refused", "Request", "Source", "Token", "TokenInfo", "audit", "use", "watch"]
