"""What exists in a store without luigi_sinks, as Python to paste into a task."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Declaration:
    """The attributes of a task that loads what exists.

    - `code`: Python, which needs nothing but its own imports.
    - `undeclared`: what exists too, and no declaration can say.

    Example:
        >>> print(Declaration("table = 'orders'", ("a foreign key of 'customer'",)))
        table = 'orders'
        # Not declared: a foreign key of 'customer'

    """

    code: str
    undeclared: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the code, and a comment for each thing that it does not say."""
        return "\n".join([self.code, *(f"# Not declared: {' '.join(each.split())}" for each in self.undeclared)])
