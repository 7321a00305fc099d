"""Writes the owners' roles in AWS as Terraform, by the provider hashicorp/aws; stores write their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from luigi_sinks.hcl import Code, Value, block, escaped, label


def aws(arn: str, users: Sequence[str]) -> Iterator[str]:
    """Yield the blocks of an owner's IAM role, which may log in to MariaDB as these users.

    `dbusers` is the ARN of the server's users, without what follows the last slash.
    """
    path, _, name = arn.partition(":role/")[2].rpartition("/")
    role = label(name)
    attributes: dict[str, Value] = {"name": name, "assume_role_policy": Code("var.assume_role_policy")}
    yield block("resource", ("aws_iam_role", role), attributes | ({"path": f"/{path}/"} if path else {}))
    if users:
        yield "\n".join(
            [
                f'resource "aws_iam_role_policy" "{role}" {{',
                '  name = "luigi-sinks"',
                f"  role = aws_iam_role.{role}.id",
                "",
                "  policy = jsonencode({",
                '    Version = "2012-10-17"',
                "    Statement = [{",
                '      Effect = "Allow"',
                '      Action = "rds-db:connect"',
                "      Resource = [",
                *(f'        "${{var.dbusers}}/{escaped(user)}",' for user in users),
                "      ]",
                "    }]",
                "  })",
                "}",
            ]
        )


def variables(*, dbusers: bool) -> Iterator[str]:
    """Yield what the blocks for AWS ask for."""
    about = {"type": Code("string"), "description": "Who may assume the owners' roles, as JSON."}
    yield block("variable", ("assume_role_policy",), about)
    if dbusers:
        about = {"type": Code("string"), "description": "arn:aws:rds-db:REGION:ACCOUNT:dbuser:RESOURCE_ID"}
        yield block("variable", ("dbusers",), about)
