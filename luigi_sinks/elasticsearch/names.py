"""What things are called in Elasticsearch.

    flights                                        the alias that readers use
    flights~201301~v20261120t211605_k7f3q2         the index of a version
    flights~201301~v20261120t211605_k7f3q2~staged  on an index that was never the head
    flights~201301~v20261120t211605_k7f3q2~retired on an index that was
    flights~201301~head                            on the index that is the head
    flights~201301~head~17                         the same, and how often the head has moved
    flights~registry                               the index of the history

All but the first are hidden: a wildcard of a reader does not find them.
"""

from __future__ import annotations

import re

from luigi_sinks.errors import BadSetting
from luigi_sinks.version import Version

STAGED = "staged"
RETIRED = "retired"

_FORBIDDEN = re.compile(r'[\\/*?"<>|\s,#:~]')
_LONGEST = 255 - len("~~~") - 30 - len("v20261120t211605_k7f3q2") - len(RETIRED)


def index(version: Version) -> str:
    """Return the index of a version."""
    return f"{version.dataset}~{version.partition}~{version.id}"


def version(index: str) -> Version:
    """Return the version that an index holds."""
    return Version(*index.split("~"))


def tag(version: Version, state: str) -> str:
    """Return the alias that says an index is STAGED or RETIRED."""
    return f"{index(version)}~{state}"


def head(dataset: str, partition: str) -> str:
    """Return the alias of a partition's head; `*` stands for all partitions."""
    return f"{dataset}~{partition}~head"


def epoch(dataset: str, partition: str, number: int) -> str:
    """Return the alias that counts how often a partition's head has moved."""
    return f"{head(dataset, partition)}~{number}"


def registry(dataset: str) -> str:
    """Return the index of the history."""
    return f"{dataset}~registry"


def check_dataset(name: str) -> None:
    """Raise BadSetting for a name that no alias can have."""
    found = _FORBIDDEN.search(name)
    if found:
        raise BadSetting(f"index {name!r} holds {found[0]!r}, which no name of Elasticsearch may; take - or _ for it")
    if not name or name != name.lower() or name[0] in "-_+.":
        raise BadSetting(f"index {name!r} must be lower case and start with a letter or digit, as Elasticsearch asks")
    size = len(name.encode())
    if size > _LONGEST:
        raise BadSetting(
            f"index {name!r} is {size} bytes long; with partition and version behind it, {_LONGEST} fit into the 255 "
            "that Elasticsearch allows"
        )
