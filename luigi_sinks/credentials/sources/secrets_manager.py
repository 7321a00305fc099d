"""AWS Secrets Manager: the current version of a secret, read again once it is refused."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from luigi_sinks.credentials.source import Request, Use, read
from luigi_sinks.credentials.sources.aws import Signer
from luigi_sinks.credentials.token import Token, TokenInfo
from luigi_sinks.errors import CredentialError


@dataclass(frozen=True)
class SecretsManagerSettings:
    """`secret_id` is its name or ARN.

    `field` and `user_field` name what to take where the secret is a JSON object,
    as those that RDS rotates are; without `field` the whole text is the secret.
    """

    source: str
    region: str
    secret_id: str
    field: str = ""
    user_field: str = ""
    through: str = ""
    endpoint: str = ""


class SecretsManager:
    """Reads a secret that AWS keeps and may rotate."""

    def __init__(self, name: str, use: Use) -> None:
        self._name = name
        self._settings = settings = read(SecretsManagerSettings, name)
        self._signer = Signer(name, use, region=settings.region, through=settings.through, endpoint=settings.endpoint)

    def scope(self, request: Request) -> Request:
        """Depend on who asks only."""
        return Request(**self._signer.scope(request))

    def fetch(self, request: Request) -> Token:
        """Read the version that is current."""
        answer = self._signer.ask(
            "secretsmanager",
            request,
            lambda manager: manager.get_secret_value(SecretId=self._settings.secret_id, VersionStage="AWSCURRENT"),
        )
        fields = self._fields(answer.get("SecretString"))
        user = self._field(fields, self._settings.user_field) if self._settings.user_field else ""
        info = TokenInfo(user=user, principal=user, issuer="secretsmanager", token_id=answer.get("VersionId", ""))
        return Token(self._field(fields, self._settings.field), info)

    def _fields(self, text: str | None) -> dict[str, Any]:
        """Return the secret's fields; the whole text is the one without a name."""
        if not (self._settings.field or self._settings.user_field):
            return {"": text}
        try:
            found = json.loads(text or "")
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise self._unusable("is no JSON object, so it has no fields")
        return {"": text, **found}

    def _field(self, fields: dict[str, Any], name: str) -> str:
        value = fields.get(name)
        if not isinstance(value, str) or not value:
            raise self._unusable(f"has no text in its field {name!r}" if name else "has no text")
        return value

    def _unusable(self, reason: str) -> CredentialError:
        return CredentialError(f"credential {self._name!r}: the secret {self._settings.secret_id!r} {reason}")
