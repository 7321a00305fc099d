"""As whom a store knows this process."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Login:
    """The principal, and the audit log's name of the token that the store saw last; empty before the first call."""

    principal: str = ""
    token: str = ""
