"""A secret that cannot be printed or pickled, and its metadata."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NoReturn

from luigi_sinks import redaction
from luigi_sinks.errors import CredentialError

Scheme = Literal["password", "bearer", "api_key", "signature", "none"]
"""How a token is sent: as a password, bearer token or API key, as a request signature, or not at all."""

_KEY: Final = os.urandom(32)
_ONE_LINE: Final = re.compile(r"[^\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]*")
_VISIBLE: Final = re.compile(r"[!-~]+")
_SENDABLE: Final = {"bearer": _VISIBLE, "api_key": _VISIBLE}
"""What a token of a scheme may consist of: it stands in a header as it is, or as a field of a login."""

_WRONG: Final = {_ONE_LINE: "a line break or another control character", _VISIBLE: "a space, a line break or no ASCII"}

_process = object()
"""A new object in each forked child, by which `reveal` detects a token that was inherited."""


def _never() -> bool:
    return False


@dataclass(frozen=True)
class TokenInfo:
    """The metadata of a token. It contains no secret, and all of it may be logged.

    - `lifetime`: seconds from the request until the token expires. Default: None, unknown.
    - `max_age`: seconds to keep the token at most, whatever its lifetime. Default: 300.
    - `scheme`: how to send the token to a server. Default: password.
    - `user`: the user to log in as, if the source chooses it and not the connection.
    - `principal`, `issuer`, `audience`: whom the token identifies, who issued it, for what.
    - `token_id`: its id in the logs of other systems (`jti` of a JWT, the version of a secret).
    - `lease`: the id of the lease to revoke, if there is one.
    - `issued`: seconds since 1970. Default: now.
    - `changed`: returns whether the source has a newer token; called before each use, so it must be fast.
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
    def public(self) -> tuple[str, ...]:
        """The texts of a token that are no secret, though it may contain them."""
        return self.user, self.principal, self.issuer, self.audience, self.token_id, self.lease

    @property
    def age(self) -> float:
        """Seconds to keep the token after its issue, without any safety margin."""
        return self.max_age if self.lifetime is None else min(self.lifetime, self.max_age)


class Token:
    """A secret that is only shown by `reveal()`; it cannot be copied, pickled or formatted.

    - `secret`: the secret.
    - `info`: its metadata. Default: a password whose lifetime is unknown.

    `fingerprint` identifies the token within this process. It is a hash with a random
    key, so it says nothing about the secret.

    Example:
        >>> token = Token("correct horse", TokenInfo(lifetime=600, user="loader"))
        >>> (token.user, token.scheme, token.reveal())
        ('loader', 'password', 'correct horse')
        >>> f"{token}"
        Traceback (most recent call last):
        ...
        TypeError: a token is not text; call reveal() where the server needs it

    """

    __slots__ = ("_process", "_secret", "fingerprint", "info")

    def __init__(self, secret: str, info: TokenInfo | None = None) -> None:
        self._secret = secret
        self._process = _process
        self.info = info or TokenInfo()
        content = secret.encode("utf-8", "surrogatepass")
        self.fingerprint = hashlib.blake2b(content, key=_KEY, digest_size=6).hexdigest()
        redaction.hold(secret, public=self.info.public)

    @property
    def scheme(self) -> Scheme:
        """How to send the token to a server."""
        return self.info.scheme

    @property
    def user(self) -> str:
        """The user to log in as, if the source chooses it; else empty."""
        return self.info.user

    def reveal(self) -> str:
        """Return the secret, to pass it to the server at once.

        Raises CredentialError in a child that was forked after the token was made.
        """
        if self._process is not _process:
            raise CredentialError("a token cannot be used after a fork; call use() in the process that needs it")
        if not redaction.use(self._secret):
            redaction.hold(self._secret, public=self.info.public)
        return self._secret

    def renewed(self, info: TokenInfo) -> Token:
        """Return the same secret with the metadata of the renewed lease."""
        return Token(self.reveal(), info)

    def digest(self, key: bytes) -> str:
        """Return a fingerprint with a key that several processes share."""
        return hashlib.blake2b(self.reveal().encode(), key=key, digest_size=12).hexdigest()

    def __repr__(self) -> str:
        """Return the fingerprint, never the secret."""
        return f"<Token {self.fingerprint}>"

    def __format__(self, spec: str) -> NoReturn:
        """Raise TypeError: formatting would leak the secret."""
        raise TypeError("a token is not text; call reveal() where the server needs it")

    __str__ = __repr__

    def __getstate__(self) -> NoReturn:
        """Raise TypeError: pickling or copying would leak the secret."""
        raise TypeError("a token cannot be pickled or copied; pass the name of the credential instead")

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        """Raise TypeError."""
        self.__getstate__()


def require_sendable(credential: str, token: Token) -> None:
    """Raise CredentialError for a token or a user that no server can be sent, such as one with a line break."""
    allowed = _SENDABLE.get(token.scheme, _ONE_LINE)
    if not allowed.fullmatch(token.reveal()):
        raise CredentialError(
            f"credential {credential!r}: its source returned a {token.scheme} with {_WRONG[allowed]}, "
            "which no server accepts; store the secret alone, on one line, without spaces around it"
        )
    if not _ONE_LINE.fullmatch(token.user):
        raise CredentialError(
            f"credential {credential!r}: its source returned a user with {_WRONG[_ONE_LINE]}; correct the name there"
        )


def _mark_inherited() -> None:
    global _process  # noqa: PLW0603 - `reveal()` reads it without a call
    _process = object()


os.register_at_fork(after_in_child=_mark_inherited)
