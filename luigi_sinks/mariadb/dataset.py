"""A dataset by its name: where it is, and as whom this process reaches it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from luigi_sinks.credentials import logins
from luigi_sinks.location import Location
from luigi_sinks.login import Login
from luigi_sinks.mariadb.settings import MariaDBSettings


@dataclass(frozen=True)
class MariaDBDataset:
    """What the versions and the marks of a dataset have in common."""

    store: ClassVar[str] = "mariadb"

    settings: MariaDBSettings
    dataset: str

    @property
    def location(self) -> Location:
        """Where the dataset is, by its name in OpenLineage."""
        return Location(f"mysql://{self.settings.address}", f"{self.settings.database}.{self.dataset}")

    @property
    def login(self) -> Login:
        """The login that the server knows this process by; empty before the first call."""
        return logins.last(self.settings)

    @property
    def publisher(self) -> Login:
        """Return `login`: one login loads and publishes."""
        return self.login

    @property
    def patience(self) -> float:
        """For how many seconds a call is retried while the store is unavailable."""
        return self.settings.patience
