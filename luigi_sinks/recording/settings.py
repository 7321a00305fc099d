"""The settings of lineage: the section `[luigi_sinks.lineage]`, whose presence switches recording on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from luigi_sinks import config
from luigi_sinks.errors import BadSetting

SECTION = f"{config.ROOT}.lineage"

_LEAST_BYTES = 1 << 16


@dataclass(frozen=True)
class LineageSettings:
    """The section `[luigi_sinks.lineage]`.

    - `spool`: the folder that keeps what is recorded until it is delivered, on a local disk. It is
      made if missing, and must belong to this user alone (mode 0700). Required.
    - `namespace`: the namespace of jobs and tasks, to tell pipelines of the same names apart.
      Default: luigi.
    - `messages`: true records the messages of all errors, without the secrets that this process
      knows; false those of luigi_sinks alone. Others' may quote anything. Default: false.
    - `max_bytes`: the size in bytes up to which a process's file grows; the last tenth is for the
      ends of runs. Default: 67108864 (64 MiB).
    - `max_age`: seconds after which what a task wrote is stale, for tasks and targets without a
      `max_age` of their own. Default: 0, never.
    - `exit_seconds`: for how long what was recorded is delivered when a process ends; 0 leaves it to
      `luigi-sinks lineage flush`. Default: 5.
    - `graph`: false delivers nothing to Neo4j. Default: true, which takes effect if the section of
      the connection exists.
    - `neo4j`: the NAME of the section `[luigi_sinks.neo4j.NAME]`. Default: `[luigi_sinks.neo4j]`.
    - `openlineage_url`: the URL of an OpenLineage endpoint. Default: none.
    - `openlineage_credential`: the NAME of the credential for it, `[luigi_sinks.credential.NAME]`.
      Default: none.

    Example:
        >>> config.use({"luigi_sinks": {"lineage": {"spool": "/var/spool/lineage", "max_age": 86400}}})
        >>> config.read(LineageSettings, SECTION).spool
        PosixPath('/var/spool/lineage')

    """

    spool: Path
    namespace: str = "luigi"
    messages: bool = False
    max_bytes: int = 64 << 20
    max_age: float = 0.0
    exit_seconds: float = 5.0
    graph: bool = True
    neo4j: str = ""
    openlineage_url: str = ""
    openlineage_credential: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "spool", self.spool.absolute())  # a task may change the folder it runs in
        if not self.namespace:
            raise ValueError("namespace must not be empty")
        if self.max_bytes < _LEAST_BYTES:
            raise ValueError(f"max_bytes must be at least {_LEAST_BYTES}")
        for name in ("max_age", "exit_seconds"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be a number of seconds, or 0")
        if self.openlineage_credential and not self.openlineage_url:
            raise ValueError("openlineage_credential needs an openlineage_url")

    @property
    def delivers_to_graph(self) -> bool:
        """Tell whether what is recorded goes to Neo4j."""
        return self.graph and f"{config.ROOT}.{config.connection_key('neo4j', self.neo4j)}" in config.section_names()


def are_given() -> bool:
    """Return whether the section exists. What is wrong with others is for those to say who read them."""
    try:
        return SECTION in config.section_names()
    except BadSetting:
        return False


def read() -> LineageSettings:
    """Return the settings. Raises BadSetting."""
    return config.read(LineageSettings, SECTION)
