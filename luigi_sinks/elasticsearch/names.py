"""What things are called in Elasticsearch.

    flights                                        the alias that readers use
    flights~201301~v20261120t211605_k7f3q2         the index of a version
    flights~201301~v20261120t211605_k7f3q2~staged  on an index that was never the head
    flights~201301~v20261120t211605_k7f3q2~retired on an index that was
    flights~201301~v00000000t000000_000018         an empty index that readers see after a withdrawal; the epoch is 18
    flights~201301~v20261120t211605_k7f3q2~cloned  on an index while another is made of it
    flights~201301~head                            on the index that is the head
    flights~201301~head~17                         the same, and how often the head has moved
    flights~~head~example                          on the head that shows how the dataset is divided
    flights~registry                               the index of the history
    flights~as~before                              on a version that is shown beside the head
    flights~marks                                  the index of the marks under this name

All but the first, and what is shown beside the head, are hidden: a reader's wildcard does not find them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from luigi_sinks.errors import BadSetting, Conflict
from luigi_sinks.record import Pointer, Record
from luigi_sinks.version import Version

STAGED = "staged"
RETIRED = "retired"
CLONED = "cloned"

_REGISTRY = "~registry"
_VOID = "v00000000t000000_"
"""Begins what stands for a version's id, so that grants on versions are grants on it; no load is so early."""
_FORBIDDEN = re.compile(r'[\\/*?"<>|\s,#:~]')
_VERSION = re.compile(r"[a-z0-9_]+~[a-z0-9_]+")
"""A partition and a version's id."""

_ADOPT = "Adopt it by `luigi-sinks adopt MODULE TASK`"

_PARTS = 3
"""Dataset, partition and id."""

_LONGEST = 255 - len("~~~") - 30 - len("v20261120t211605_k7f3q2") - len(RETIRED)


def index(version: Version) -> str:
    """Return the index of a version."""
    return f"{version.dataset}~{version.partition}~{version.id}"


def version(index: str) -> Version:
    """Return the version that an index holds. Raises BadSetting for an index that holds none."""
    parts = index.split("~")
    if len(parts) != _PARTS:
        raise BadSetting(
            f"index {index} has an alias of dataset {parts[0]}, and is not one of its versions; remove that alias, or "
            "delete the index"
        )
    return Version(*parts)


def void(version: Version, epoch: int) -> Version:
    """Name the empty index that takes the place of a partition's head at this epoch, as if it were a version."""
    return replace(version, id=f"{_VOID}{epoch:06d}")


def is_void(version: Version) -> bool:
    """Tell whether an index is one that shows nothing."""
    return version.id.startswith(_VOID)


def behind(version: Version, head: Pointer) -> Version | None:
    """Return what is behind the head of a version's partition: a version, an empty index, or nothing ever was."""
    return void(version, head.epoch) if head.version is None and head.epoch else head.version


def tag(version: Version, state: str) -> str:
    """Return the alias that says an index is STAGED or RETIRED."""
    return f"{index(version)}~{state}"


def beside(dataset: str) -> str:
    """Return the alias for readers while something else has the dataset's name: see adoption.py."""
    return f"{dataset}~next"


def state_of(record: Record) -> str:
    """Return the state of the tag that the index of a version carries, unless it is the head."""
    return RETIRED if record.publications else STAGED


def head(dataset: str, partition: str) -> str:
    """Return the alias of a partition's head; `*` stands for all partitions."""
    return f"{dataset}~{partition}~head"


def example(dataset: str) -> str:
    """Return the alias of the head that shows how the dataset is divided."""
    return f"{head(dataset, '')}~example"  # no head of a partition, and in the pattern that grants have for heads


def registry(dataset: str) -> str:
    """Return the index of the history; `*` stands for all datasets."""
    return f"{dataset}{_REGISTRY}"


def marks(dataset: str) -> str:
    """Return the index of the marks under a name."""
    return f"{dataset}~marks"


def dataset(registry: str) -> str:
    """Return the dataset whose history an index holds; empty for the index of something else."""
    name = registry.removesuffix(_REGISTRY)
    return "" if name == registry or _FORBIDDEN.search(name) else name


def check_dataset(name: str) -> None:
    """Raise BadSetting for a name that no alias can have."""
    found = _FORBIDDEN.search(name)
    if found:
        raise BadSetting(
            f"index {name!r} holds {found[0]!r}, which Elasticsearch allows in no name; use - or _ instead"
        )
    if not name or name != name.lower() or name[0] in "-_+.":
        raise BadSetting(f"index {name!r} must be lower case and start with a letter or digit, as Elasticsearch asks")
    size = len(name.encode())
    if size > _LONGEST:
        raise BadSetting(
            f"index {name!r} is {size} bytes long; use at most {_LONGEST}, since partition and version are appended "
            "and Elasticsearch allows 255"
        )


def exposure(dataset: str, name: str) -> str:
    """Return the name beside the head that needs no further permission; `*` stands for all."""
    return f"{dataset}~as~{name}"


def check_exposure(dataset: str, name: str) -> None:
    """Raise BadSetting for what cannot be a name beside the head: one as of a dataset, or as `exposure` makes it."""
    check_dataset(name.removeprefix(exposure(dataset, "")))


def not_free(name: str, why: str) -> BadSetting:
    """Return the error for a name beside the head that something else has."""
    return BadSetting(f"{name!r} is taken ({why}); choose another name, or delete that")


def check_version(dataset: str, version: Version) -> None:
    """Raise Conflict for what is no version of the dataset.

    A loader may write into a record what would name another dataset's index, or several.
    """
    if version.dataset != dataset or not _VERSION.fullmatch(f"{version.partition}~{version.id}"):
        raise Conflict(
            f"{version} is not a version of {dataset}; nothing was changed or deleted. If {registry(dataset)} holds "
            "it, somebody wrote that document by hand: delete it"
        )


def check_free(dataset: str, indices: Iterable[str]) -> None:
    """Raise BadSetting if the dataset's name stands for other indices than those of its versions."""
    others = sorted(each for each in indices if not each.startswith(f"{dataset}~"))
    if others == [dataset]:
        raise taken(dataset, f"there is an index of this name. {_ADOPT}, or delete it")
    if others:
        raise taken(
            dataset,
            f"it stands for {', '.join(others)}. {_ADOPT}, remove the alias, or rename the data stream",
        )


def taken(dataset: str, why: str) -> BadSetting:
    """Return the error for a dataset whose name stands for something else."""
    return BadSetting(f"readers are to use {dataset} as an alias, but {why}; or choose another name for the dataset")
