"""The teams that tasks belong to, and their roles: the sections `[luigi_sinks.owner.NAME]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from luigi_sinks import config, stores, unseen
from luigi_sinks.errors import BadSetting, did_you_mean

_PREFIX = f"{config.ROOT}.owner."
_AWS = "aws_role"


@dataclass(frozen=True)
class Owner:
    """The roles of a team's tasks, from the section `[luigi_sinks.owner.NAME]`. All default to none.

    - `aws_role`: the ARN of the role that a credential with `source = assume_role` assumes,
      for the credentials that use it with `through`.
    - `roles`: the role by store, from the settings `STORE_role`. A session of MariaDB sets
      it; `luigi-sinks grants` prints grants for it on every store.

    Example:
        >>> config.use({"luigi_sinks": {"owner": {"flight_ops": {"mariadb_role": "flights_loader"}}}})
        >>> find("flight_ops").roles["mariadb"]
        'flights_loader'

    """

    aws_role: str = ""
    roles: Mapping[str, str] = field(default_factory=dict)


def find(name: str) -> Owner:
    """Return an owner, without roles if the configuration has no section of any owner.

    Raises BadSetting if there are sections of owners but none of this one, and for a setting
    of an unknown store.
    """
    unseen.refuse(name, "owner")
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
