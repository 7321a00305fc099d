"""A dataset by its name: where it is, and as whom this process reaches it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from luigi_sinks.credentials import logins
from luigi_sinks.location import Location
from luigi_sinks.login import Login
from luigi_sinks.neo4j.settings import Neo4jSettings


@dataclass(frozen=True)
class Neo4jDataset:
    """What the versions and the marks of a dataset have in common."""

    store: ClassVar[str] = "neo4j"

    settings: Neo4jSettings
    dataset: str

    @property
    def location(self) -> Location:
        """Where the dataset is, by its name in OpenLineage."""
        return Location(
            f"neo4j://{self.settings.address.partition('://')[2]}", f"{self.settings.database}.{self.dataset}"
        )

    @property
    def login(self) -> Login:
        """The login that the server knows this process by; the user of the settings if the token names none."""
        last = logins.last(self.settings)
        return replace(last, principal=last.principal or self.settings.user) if last.token else last

    @property
    def publisher(self) -> Login:
        """Return `login`: one login loads and publishes."""
        return self.login

    @property
    def patience(self) -> float:
        """For how many seconds a call is retried while the store is unavailable."""
        return self.settings.patience
