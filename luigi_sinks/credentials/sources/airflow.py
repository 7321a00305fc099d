"""A connection of Airflow, from whichever secrets backend Airflow reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from luigi_sinks.credentials.source import Request, Use, read
from luigi_sinks.credentials.token import Token, TokenInfo
from luigi_sinks.errors import CredentialError, NotInstalled


@dataclass(frozen=True)
class AirflowSettings:
    """The settings of `source = airflow`.

    - `conn_id`: the connection of Airflow whose password is the secret, and whose login is the user, if it has one.
      Required.
    - `holds`: what the secret is: password, bearer or api_key. Default: password.

    Example:
        >>> from luigi_sinks import config
        >>> config.use({"luigi_sinks.credential.db": {"source": "airflow", "conn_id": "warehouse_login"}})
        >>> read(AirflowSettings, "db").holds
        'password'

    """

    source: str
    conn_id: str
    holds: Literal["password", "bearer", "api_key"] = "password"


class Airflow:
    """Reads the password of a connection, within a task of Airflow. Airflow masks it in the task's log."""

    def __init__(self, name: str, use: Use) -> None:  # noqa: ARG002 - it needs no other credential
        self._name = name
        self._settings = read(AirflowSettings, name)

    def scope(self, request: Request) -> Request:  # noqa: ARG002 - one connection for all requests
        """Return an empty scope: all requests share one token."""
        return Request()

    def fetch(self, request: Request) -> Token:  # noqa: ARG002
        """Read the connection. Raises CredentialError if there is none, or it has no password."""
        found = self._connection()
        if not found.password:
            raise self._unusable("has no password; store the secret there")
        user = found.login or ""
        info = TokenInfo(scheme=self._settings.holds, user=user, principal=user, issuer="airflow")
        return Token(found.password, info)

    def _connection(self) -> Any:
        try:
            from airflow.sdk import BaseHook  # noqa: PLC0415 - optional, and slow to import
        except ImportError as missing:
            raise NotInstalled("airflow", missing) from missing
        try:
            return BaseHook.get_connection(self._settings.conn_id)
        except Exception as error:  # noqa: BLE001 - whatever a secrets backend raises, which may hold anything
            kind = type(error).__name__
            raise self._unusable(f"cannot be read ({kind}); define it, and use it within a task of Airflow") from None

    def _unusable(self, reason: str) -> CredentialError:
        return CredentialError(
            f"credential {self._name!r}: the connection {self._settings.conn_id!r} of Airflow {reason}"
        )
