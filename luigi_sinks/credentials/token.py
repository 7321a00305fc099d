"""A secret that does not show itself, and what may be said about it."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NoReturn

from luigi_sinks.errors import CredentialError

Scheme = Literal["password", "bearer", "api_key", "signature", "none"]
"""How a token is shown to a server: with a user's name, alone, by signing requests with it, or not at all."""

_KEY: Final = os.urandom(32)
_epoch = object()
"""Another one in each forked child, by which a token knows that it was inherited."""


def _never() -> bool:
    return False


@dataclass(frozen=True)
class TokenInfo:
    """What is known of a token besides its secret; all of it may be logged.

    `lifetime` is in seconds from when the token was asked for, None where the
    source does not say; `max_age` bounds how long it is kept in any case.
    `scheme` is how to show it to a server, `user` the name to log in by, where
    the source and not the connection chooses it. `token_id` names the token in
    the logs of others (a JWT's `jti`, a version of a secret); `lease` is what can
    be revoked. `changed` tells at no cost that the source holds another token by
    now.
    """

    lifetime: float | None = None
    max_age: float = 300.0
    scheme: Scheme = "password"
    user: str = ""
    principal: str = ""
    issuer: str = ""
    audience: str = ""
    token_id: str = ""
    lease: str = ""
    issued: float = field(default_factory=time.time)
    changed: Callable[[], bool] = field(default=_never, repr=False, compare=False)

    @property
    def age(self) -> float:
        """How many seconds from its issue on the token may be kept, before any margin."""
        return self.max_age if self.lifetime is None else min(self.lifetime, self.max_age)


class Token:
    """Holds a secret until `reveal()`; refuses to be copied, pickled or formatted.

    The fingerprint tells two tokens apart within a run and says nothing about
    them outside it: its key is random.
    """

    __slots__ = ("_epoch", "_secret", "fingerprint", "info")

    def __init__(self, secret: str, info: TokenInfo | None = None) -> None:
        self._secret = secret
        self._epoch = _epoch
        self.info = info or TokenInfo()
        self.fingerprint = hashlib.blake2b(secret.encode(), key=_KEY, digest_size=6).hexdigest()

    @property
    def scheme(self) -> Scheme:
        """How to show it to a server."""
        return self.info.scheme

    @property
    def user(self) -> str:
        """The name to log in by, where the source chooses it; else empty."""
        return self.info.user

    def reveal(self) -> str:
        """Return the secret, for the one call that hands it to the server.

        Raises CredentialError in a child that was forked after the token was made.
        """
        if self._epoch is not _epoch:
            raise CredentialError("a token does not outlive a fork; ask for one in the process that needs it")
        return self._secret

    def renewed(self, info: TokenInfo) -> Token:
        """Return the same secret under a info that was extended."""
        return Token(self.reveal(), info)

    def digest(self, key: bytes) -> str:
        """Return a fingerprint under a key that several processes share."""
        return hashlib.blake2b(self.reveal().encode(), key=key, digest_size=12).hexdigest()

    def __repr__(self) -> str:
        """Show the fingerprint."""
        return f"<Token {self.fingerprint}>"

    def __format__(self, spec: str) -> NoReturn:
        """Refuse: a formatted token is a leak."""
        raise TypeError("a token is not text; call reveal() where the server asks for it")

    __str__ = __repr__

    def __getstate__(self) -> NoReturn:
        """Refuse: a pickled or copied token is a leak."""
        raise TypeError("a token cannot be pickled or copied; ship the credential's name instead")

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        """Refuse as well."""
        self.__getstate__()


def _forget_parent() -> None:
    global _epoch  # noqa: PLW0603 - a name that `reveal()` finds without a call
    _epoch = object()


os.register_at_fork(after_in_child=_forget_parent)
