"""A dataset by its name: where it is, and as whom this process reaches it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from luigi_sinks.credentials import logins
from luigi_sinks.elasticsearch import names
from luigi_sinks.elasticsearch.settings import ElasticsearchSettings
from luigi_sinks.location import Location
from luigi_sinks.login import Login


@dataclass(frozen=True)
class ElasticsearchDataset:
    """What the versions and the marks of a dataset have in common."""

    store: ClassVar[str] = "elasticsearch"

    settings: ElasticsearchSettings
    dataset: str

    def __post_init__(self) -> None:
        """Refuse a name that no index can have."""
        names.check_dataset(self.dataset)

    @property
    def location(self) -> Location:
        """Where the dataset is, by its name in OpenLineage."""
        return Location(f"{self.settings.product}://{self.settings.address}", self.dataset)

    @property
    def login(self) -> Login:
        """The login that the cluster knows this process by; empty before the first call."""
        return login_of(self.settings)

    @property
    def patience(self) -> float:
        """For how many seconds a call is retried while the store is unavailable."""
        return self.settings.patience


def login_of(settings: ElasticsearchSettings) -> Login:
    """Return the login of a connection; the user of the settings if the token names none."""
    last = logins.last(settings)
    return replace(last, principal=last.principal or settings.user) if last.token else last
