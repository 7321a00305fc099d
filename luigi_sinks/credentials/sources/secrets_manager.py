"""AWS Secrets Manager: the current version of a secret, read again when a server refuses it."""

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
    """The settings of `source = secrets_manager`.

    - `region`: the AWS region. Required.
    - `secret_id`: the name or ARN of the secret. Required.
    - `field`: the field with the password, if the secret is a JSON object, as those that RDS rotates.
      Default: the whole text is the password.
    - `user_field`: the field with the user, if the secret is a JSON object. Default: the connection's user.
    - `through`: the NAME of an `assume_role` credential to sign with. Default: this process's own AWS identity.
    - `endpoint`: the URL of the service. Default: the public endpoint of the region.

    Example:
        >>> from luigi_sinks import config
        >>> section = {"source": "secrets_manager", "region": "eu-west-1", "secret_id": "prod/db"}
        >>> config.use({"luigi_sinks.credential.db": {**section, "field": "password", "user_field": "username"}})
        >>> read(SecretsManagerSettings, "db").secret_id
        'prod/db'

    """

    source: str
    region: str
    secret_id: str
    field: str = ""
    user_field: str = ""
    through: str = ""
    endpoint: str = ""


class SecretsManager:
    """Reads a secret, which AWS may rotate."""

    def __init__(self, name: str, use: Use) -> None:
        self._name = name
        self._settings = settings = read(SecretsManagerSettings, name)
        self._signer = Signer(name, use, region=settings.region, through=settings.through, endpoint=settings.endpoint)

    def scope(self, request: Request) -> Request:
        """Return the signing identity."""
        return Request(**self._signer.scope(request))

    def fetch(self, request: Request) -> Token:
        """Read the current version of the secret. Raises CredentialError."""
        response = self._signer.call(
            "secretsmanager",
            request,
            lambda manager: manager.get_secret_value(SecretId=self._settings.secret_id, VersionStage="AWSCURRENT"),
        )
        fields = self._fields(response.get("SecretString"))
        user = self._field(fields, self._settings.user_field) if self._settings.user_field else ""
        info = TokenInfo(user=user, principal=user, issuer="secretsmanager", token_id=response.get("VersionId", ""))
        return Token(self._field(fields, self._settings.field), info)

    def _fields(self, text: str | None) -> dict[str, Any]:
        """Return the fields of the secret; the key of the whole text is the empty string."""
        if not (self._settings.field or self._settings.user_field):
            return {"": text}
        try:
            found = json.loads(text or "")
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise self._unusable("is not a JSON object; remove field and user_field")
        return {"": text, **found}

    def _field(self, fields: dict[str, Any], name: str) -> str:
        value = fields.get(name)
        if not isinstance(value, str) or not value:
            raise self._unusable(
                f"has no text in field {name!r}; correct the name" if name else "has no text; store it as a string"
            )
        return value

    def _unusable(self, reason: str) -> CredentialError:
        return CredentialError(f"credential {self._name!r}: the secret {self._settings.secret_id!r} {reason}")
