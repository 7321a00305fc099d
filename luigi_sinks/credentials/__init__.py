"""One provider of credentials for all stores; it knows none of them."""

from luigi_sinks.credentials.provider import Refused, use
from luigi_sinks.credentials.token import Token

__all__ = ["Refused", "Token", "use"]
