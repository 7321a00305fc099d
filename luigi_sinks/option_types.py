"""What kind of value each option of a task or a target takes, so that a wrong one is refused by name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from luigi_sinks.errors import BadSetting
from luigi_sinks.record import Origin

_Rule = tuple[Callable[[Any], bool], str]


def _is_name(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _are_functions(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(map(callable, value))


def _are_names(value: Any) -> bool:
    is_listed = isinstance(value, Collection) and not isinstance(value, (str, bytes, Mapping))
    return is_listed and all(isinstance(each, str) for each in value)


_RULES: Mapping[str, _Rule] = {
    "checks": (_are_functions, "a tuple of functions, such as (not_empty,); () for none"),
    "shared_with": (_are_names, "a tuple of task families, such as ('LoadFlights',); () for none"),
    "connection": (_is_name, "a NAME of [luigi_sinks.STORE.NAME]"),
    "owner": (_is_name, "a NAME of [luigi_sinks.owner.NAME]"),
    "partition": (_is_name, "text, such as 'north'"),
    "changes_by_key": (lambda value: isinstance(value, bool), "True or False"),
    "takes_over": (lambda value: isinstance(value, bool), "True or False"),
    "origin": (lambda value: isinstance(value, Origin), "an Origin"),
}


def refuse(name: str, options: Mapping[str, Any]) -> None:
    """Raise BadSetting for the first option whose value is of a wrong kind.

    Example:
        >>> refuse("Flights", {"checks": None})
        Traceback (most recent call last):
            ...
        luigi_sinks.errors.BadSetting: Flights: checks = None must be a tuple of functions, such as (not_empty,); () for none

    """  # noqa: E501 - an error is one line
    for option, (fits, words) in _RULES.items():
        if option in options and not fits(options[option]):
            raise BadSetting(f"{name}: {option} = {options[option]!r} must be {words}")


_NOT_OF_TASKS = {"partition", "origin", "takes_over"}
"""What a task may have as a parameter of its own, such as the airport that flights start from."""


def of_task(task: Any) -> dict[str, Any]:
    """Return the options that a task sets as attributes, but for those that may be parameters of its own."""
    return {name: getattr(task, name) for name in _RULES if name not in _NOT_OF_TASKS and hasattr(task, name)}
