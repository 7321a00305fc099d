"""Writes blocks of Terraform, as `terraform fmt` would leave them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

Value = str | Sequence[str]


class Code(str):
    """An expression, which is not quoted."""

    __slots__ = ()


def block(kind: str, labels: Sequence[str], attributes: Mapping[str, Value], inner: Sequence[str] = ()) -> str:
    """Return a block with its attributes, and with other blocks within it."""
    header = " ".join([kind, *(f'"{label}"' for label in labels), "{"])
    width = max(map(len, attributes), default=0)
    lines = [f"  {name:{width}} = {_value(value)}" for name, value in attributes.items()]
    for block in inner:
        lines += ["", *(f"  {line}" for line in block.splitlines())]
    return "\n".join([header, *lines, "}"])


def _value(value: Value) -> str:
    if isinstance(value, Code):
        return value
    if isinstance(value, str):
        return f'"{escaped(value)}"'
    return f"[{', '.join(map(_value, value))}]"


def escaped(text: str) -> str:
    """Return text as it stands between quotes."""
    quoted = msgspec.json.encode(text).decode()[1:-1]
    return quoted.replace("${", "$${").replace("%{", "%%{")


def label(name: str) -> str:
    """Return a name as the label of a block."""
    return re.sub(r"[^A-Za-z0-9_-]|^(?=[0-9-])", "_", name)
