"""The teams that tasks belong to, and their roles: the sections `[luigi_sinks.owner.NAME]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from luigi_sinks import config, stores
from luigi_sinks.errors import BadSetting, did_you_mean

_PREFIX = f"{config.ROOT}.owner."
_AWS = "aws_role"


@dataclass(frozen=True)
class Owner:
    """What a team's tasks may be, in each place.

    `aws_role` is the ARN of the role that credentials `through` a source `assume_role`
    take; other sources sign as this process itself, which may have the role anyway.
    `roles` has the role's name by store, from the settings `STORE_role`: a session of
    MariaDB takes it, and `luigi-sinks grants` writes grants for it on every store.
    """

    aws_role: str = ""
    roles: Mapping[str, str] = field(default_factory=dict)


def find(name: str) -> Owner:
    """Return an owner; one without roles where the configuration names no owner at all.

    Raises BadSetting for an owner that is not among those that are configured, and for
    a setting that names no store.
    """
    known = [section.removeprefix(_PREFIX) for section in config.section_names() if section.startswith(_PREFIX)]
    if not name or not known:
        return Owner()
    section = f"{_PREFIX}{name}"
    if name not in known:
        raise BadSetting(f"there is no section [{section}] in {config.where()}; {did_you_mean(name, known)}")
    values = config.section(section)
    settings = {_AWS: "", **{f"{store}_role": store for store in stores.names()}}
    for key in values:
        if key not in settings:
            raise BadSetting(
                f"[{section}] in {config.where()}: {key!r} is not a setting; {did_you_mean(key, settings)}"
            )
    roles = {settings[key]: str(value) for key, value in values.items() if key != _AWS}
    return Owner(str(values.get(_AWS, "")), roles)
