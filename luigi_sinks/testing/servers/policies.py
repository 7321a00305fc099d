"""Says what IAM policies allow, as Amazon OpenSearch Service asks them: by the method of a request, and by its path.

It knows the part of the language that `luigi-sinks grants` prints, and refuses any other, so that nothing is
overlooked: statements of Effect, Action and Resource, with `*` for any text, slashes and commas too, and `?` for one
character. The one of moto is not used: it takes patterns for regular expressions, in which `?` and `.` mean
something else, and `servers` would need all of moto.

https://docs.aws.amazon.com/opensearch-service/latest/developerguide/ac.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any

_PARTS = {"Sid", "Effect", "Action", "Resource"}


class Answer(StrEnum):
    """What the policies of an identity say of a request; all but ALLOWED is a refusal, in AWS's words."""

    ALLOWED = ""
    DENIED = "with an explicit deny in an identity-based policy"
    NEITHER = "because no identity-based policy allows the {} action"


def action(method: str) -> str:
    """Return the action that a request of this method is."""
    return f"es:ESHttp{method.capitalize()}"


def answer(policies: Iterable[Mapping[str, Any]], action: str, resource: str) -> Answer:
    """Return what policies, as documents, say of an action on a resource.

    Raises ValueError for what it does not know.
    """
    effects = {
        statement["Effect"]
        for policy in policies
        for statement in _listed(policy["Statement"])
        if _is_known(statement) and fits(statement["Action"], action) and fits(statement["Resource"], resource)
    }
    if "Deny" in effects:
        return Answer.DENIED
    return Answer.ALLOWED if "Allow" in effects else Answer.NEITHER


def _is_known(statement: Mapping[str, Any]) -> bool:
    if statement.keys() - _PARTS or statement["Effect"] not in {"Allow", "Deny"}:
        raise ValueError(f"only {', '.join(sorted(_PARTS))} are known in a statement, not {dict(statement)}")
    return True


def fits(patterns: str | list[str], text: str) -> bool:
    """Tell whether one of the patterns is one for all of a text."""
    return any(re.fullmatch("".join(_as_regex(pattern)), text, re.DOTALL) for pattern in _listed(patterns))


def _as_regex(pattern: str) -> Iterator[str]:
    if "${" in pattern:
        raise ValueError(f"policy variables are not known: {pattern}")
    for character in pattern:
        yield {"*": ".*", "?": "."}.get(character) or re.escape(character)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
