"""Writes the roles as Terraform, as `terraform fmt` would leave it.

Providers: hashicorp/aws, petoju/mysql and elastic/elasticstack. There is none for the
roles of Neo4j.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

Value = str | Sequence[str]


def mariadb(roles: Sequence[Any]) -> Iterator[str]:
    """Yield the blocks of MariaDB's roles."""
    for role in roles:
        label = _label(role.name)
        yield _block("resource", ("mysql_role", label), {"name": role.name})
        for grant in role.grants:
            place = {"database": grant.database if grant.table != "*" else grant.pattern, "table": grant.table}
            yield _block(
                "resource",
                ("mysql_grant", "_".join([label, _label(grant.database), _label(grant.table.replace("*", "all"))])),
                {"role": _Code(f"mysql_role.{label}.name"), **place, "privileges": grant.listed},
            )


def elasticsearch(roles: Sequence[Any]) -> Iterator[str]:
    """Yield the blocks of Elasticsearch's roles."""
    for role in roles:
        inner = [_block("indices", (), entry) for entry in role.descriptor["indices"]]
        attributes = {"name": role.name, "cluster": role.descriptor["cluster"]}
        yield _block("resource", ("elasticstack_elasticsearch_security_role", _label(role.name)), attributes, inner)


def aws(arn: str, users: Sequence[str]) -> Iterator[str]:
    """Yield the blocks of an owner's IAM role, which may log in to MariaDB as these users.

    `dbusers` is the ARN of the server's users, without what follows the last slash.
    """
    path, _, name = arn.partition(":role/")[2].rpartition("/")
    label = _label(name)
    attributes: dict[str, Value] = {"name": name, "assume_role_policy": _Code("var.assume_role_policy")}
    yield _block("resource", ("aws_iam_role", label), attributes | ({"path": f"/{path}/"} if path else {}))
    if users:
        yield "\n".join(
            [
                f'resource "aws_iam_role_policy" "{label}" {{',
                '  name = "luigi-sinks"',
                f"  role = aws_iam_role.{label}.id",
                "",
                "  policy = jsonencode({",
                '    Version = "2012-10-17"',
                "    Statement = [{",
                '      Effect = "Allow"',
                '      Action = "rds-db:connect"',
                "      Resource = [",
                *(f'        "${{var.dbusers}}/{_escaped(user)}",' for user in users),
                "      ]",
                "    }]",
                "  })",
                "}",
            ]
        )


def variables(*, dbusers: bool) -> Iterator[str]:
    """Yield what the blocks for AWS ask for."""
    about = {"type": _Code("string"), "description": "Who may assume the owners' roles, as JSON."}
    yield _block("variable", ("assume_role_policy",), about)
    if dbusers:
        about = {"type": _Code("string"), "description": "arn:aws:rds-db:REGION:ACCOUNT:dbuser:RESOURCE_ID"}
        yield _block("variable", ("dbusers",), about)


class _Code(str):
    """Text that is no string there."""

    __slots__ = ()


def _block(kind: str, labels: Sequence[str], attributes: Mapping[str, Value], inner: Sequence[str] = ()) -> str:
    header = " ".join([kind, *(f'"{label}"' for label in labels), "{"])
    width = max(map(len, attributes), default=0)
    lines = [f"  {name:{width}} = {_value(value)}" for name, value in attributes.items()]
    for block in inner:
        lines += ["", *(f"  {line}" for line in block.splitlines())]
    return "\n".join([header, *lines, "}"])


def _value(value: Value) -> str:
    if isinstance(value, _Code):
        return value
    if isinstance(value, str):
        return f'"{_escaped(value)}"'
    return f"[{', '.join(map(_value, value))}]"


def _escaped(text: str) -> str:
    quoted = msgspec.json.encode(text).decode()[1:-1]
    return quoted.replace("${", "$${").replace("%{", "%%{")


def _label(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]|^(?=[0-9-])", "_", name)
