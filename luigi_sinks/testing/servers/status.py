"""What a server is doing."""

from dataclasses import dataclass
from enum import StrEnum


class Condition(StrEnum):
    """`DEAD` was started and has ended by itself; `SILENT` runs but does not answer (yet)."""

    UP = "up"
    DOWN = "down"
    DEAD = "dead"
    SILENT = "not answering"


@dataclass(frozen=True)
class Status:
    """One server's condition, and its address once it has one."""

    name: str
    condition: Condition
    address: str | None

    def __str__(self) -> str:
        return " ".join(filter(None, [f"{self.name}: {self.condition}", self.address]))
