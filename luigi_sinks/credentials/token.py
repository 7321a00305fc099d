"""A secret that does not show itself."""

from __future__ import annotations

import hashlib
import os
from typing import Any, Final, NoReturn

_KEY: Final = os.urandom(32)


class Token:
    """Holds a secret until `reveal()`; refuses to be copied, pickled or formatted.

    The fingerprint tells two tokens apart within a run and says nothing about
    them outside it: its key is random.
    """

    __slots__ = ("_secret", "fingerprint")

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self.fingerprint = hashlib.blake2b(secret.encode(), key=_KEY, digest_size=6).hexdigest()

    def reveal(self) -> str:
        """Return the secret, for the one call that hands it to the server."""
        return self._secret

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
