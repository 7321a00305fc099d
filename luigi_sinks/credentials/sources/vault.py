"""HashiCorp Vault: leased database users, renewed and revoked, or a secret of KV version 2.

Written for the documented API, https://developer.hashicorp.com/vault/api-docs. Tested
against an emulator only; not yet against a real Vault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar

from luigi_sinks import limit, redaction
from luigi_sinks.credentials.exchanges import exchanges
from luigi_sinks.credentials.source import Refused, Request, Use, read
from luigi_sinks.credentials.token import Token, TokenInfo
from luigi_sinks.credentials.web import is_plaintext, require_tls, seconds
from luigi_sinks.errors import CredentialError, NotInstalled, SinkError

try:
    import hvac  # type: ignore[import-untyped]  # it has no types
    import requests
    from hvac.exceptions import (  # type: ignore[import-untyped]
        Forbidden,
        InvalidPath,
        InvalidRequest,
        Unauthorized,
        VaultError,
    )
    from requests.adapters import HTTPAdapter

    from luigi_sinks.limited_http import POOLS
except ImportError as missing:
    raise NotInstalled("vault", missing) from missing

Result = TypeVar("Result")


@dataclass(frozen=True)
class VaultSettings:
    """The settings of `source = vault`.

    - `address`: the URL of Vault. Required.
    - `role`: the Vault role to log in with. Required. Its policy must allow `path`,
      sys/leases/renew and sys/leases/revoke.
    - `path`: what to read: the role of a database engine, or the path of a KV secret. Required.
    - `engine`: database or kv (version 2). Default: database.
    - `mount`: where the engine is mounted. Default: database or secret, by `engine`.
    - `auth`: how to log in: jwt, or aws with this process's AWS identity. Default: jwt.
    - `auth_mount`: where the login is mounted. Default: jwt or aws, by `auth`.
    - `jwt_from`: the NAME of the credential that is the JWT. Required if auth = jwt.
    - `aws_region`: the region of the AWS login. Default: us-east-1.
    - `aws_header`: the server's X-Vault-AWS-IAM-Server-ID. Default: not sent.
    - `field`: the field of a KV secret with the password. Default: password.
    - `user_field`: the field of a KV secret with the user. Default: the connection's user.
    - `namespace`: the Vault namespace. Default: none.
    - `ca`: a PEM file of CA certificates for Vault. Default: the system's.

    Example:
        >>> from luigi_sinks import config
        >>> section = {"source": "vault", "address": "https://vault.internal", "role": "loader", "path": "flights"}
        >>> config.use({"luigi_sinks.credential.db": {**section, "jwt_from": "jwt"}})
        >>> read(VaultSettings, "db").engine
        'database'

    """

    source: str
    address: str
    role: str
    path: str
    engine: Literal["database", "kv"] = "database"
    mount: str = ""
    auth: Literal["jwt", "aws"] = "jwt"
    auth_mount: str = ""
    jwt_from: str = ""
    aws_region: str = "us-east-1"
    aws_header: str = ""
    field: str = "password"
    user_field: str = ""
    namespace: str = ""
    ca: Path | None = None

    def __post_init__(self) -> None:
        if self.auth == "jwt" and not self.jwt_from:
            raise ValueError("auth = jwt needs jwt_from; set it to the name of the credential that is the JWT")


@dataclass(frozen=True)
class VaultSession:
    """A logged-in client, and its lifetime in seconds. Leases that it takes expire with it."""

    client: Any
    lifetime: float

    def __reduce__(self) -> NoReturn:
        """Raise TypeError: pickling would leak the client's token."""
        raise TypeError("a Vault session cannot be pickled or copied; pass the name of the credential instead")


class Vault:
    """Reads secrets from Vault; renews and revokes leases."""

    def __init__(self, name: str, use: Use) -> None:
        self._name = name
        self._use = use
        self._settings = read(VaultSettings, name)
        require_tls(self._settings.address, name)
        self._sessions: dict[str, tuple[VaultSession, float]] = {}

    def scope(self, request: Request) -> Request:  # noqa: ARG002 - all settings are in the section
        """Return an empty scope: all requests share one token."""
        return Request()

    def fetch(self, request: Request) -> Token:  # noqa: ARG002
        """Log in and read the secret. Raises CredentialError."""
        session = self._login()
        read_secret = self._read_lease if self._settings.engine == "database" else self._read_kv
        with self._safely("reading the secret"):
            return read_secret(session)

    def renew(self, token: Token) -> Token:
        """Renew the lease and its session. Raises CredentialError if less than half of the first duration is left."""
        lease = token.info.lease
        if lease not in self._sessions:
            raise CredentialError(f"credential {self._name!r}: another process holds the lease")
        session, first = self._sessions[lease]
        with self._safely("renewing the lease"):
            login_seconds = _seconds(session.client.auth.token.renew_self()["auth"]["lease_duration"], first)
            left = min(login_seconds, _seconds(session.client.sys.renew_lease(lease)["lease_duration"], 0.0))
        if left < first / 2:
            raise CredentialError(f"credential {self._name!r}: Vault does not renew the lease any further")
        return token.renewed(_info(token.user, lease, left))

    def revoke(self, lease: str) -> None:
        """Revoke the lease, and the session that took it. Raises CredentialError."""
        kept = self._sessions.pop(lease, None)
        session = kept[0] if kept else self._login()
        # If the session that took the lease is forbidden, it has expired, and the lease with it.
        ignored = (InvalidRequest, InvalidPath, Forbidden) if kept else (InvalidRequest, InvalidPath)
        try:
            with self._safely("revoking the lease"), suppress(*ignored):
                session.client.sys.revoke_lease(lease)
        finally:
            _log_out(session)

    def _read_lease(self, session: VaultSession) -> Token:
        mount = self._settings.mount or "database"
        try:
            response = session.client.secrets.database.generate_credentials(self._settings.path, mount_point=mount)
            left, lease = min(session.lifetime, _seconds(response["lease_duration"], 0.0)), _text(response["lease_id"])
            user, password = _text(response["data"]["username"]), _text(response["data"]["password"])
            token = Token(password, _info(user, lease, left))
        except BaseException:
            _log_out(session)  # this also revokes any lease that it took
            raise
        self._sessions[lease] = session, left
        return token

    def _read_kv(self, session: VaultSession) -> Token:
        mount = self._settings.mount or "secret"
        try:
            response = session.client.secrets.kv.v2.read_secret_version(
                self._settings.path, mount_point=mount, raise_on_deleted_version=True
            )["data"]
        finally:
            _log_out(session)
        user = self._field(response["data"], self._settings.user_field) if self._settings.user_field else ""
        version = f"{self._settings.path}@{response['metadata']['version']}"
        info = TokenInfo(user=user, principal=user, issuer="vault", token_id=version)
        return Token(self._field(response["data"], self._settings.field), info)

    def _field(self, fields: dict[str, Any], name: str) -> str:
        value = fields.get(name)
        if not isinstance(value, str) or not value:
            raise CredentialError(
                f"credential {self._name!r}: {self._settings.path} in Vault has no text in field {name!r}; correct it"
            )
        return value

    def _login(self) -> VaultSession:
        """Log in. Each lease has its own session, which is revoked with it."""
        if self._settings.auth == "aws":
            return self._open_session(self._aws_login)
        session: VaultSession = self._use(self._settings.jwt_from, lambda jwt: self._open_session(self._jwt_login, jwt))
        return session

    def _open_session(self, log_in: Callable[..., Any], *jwt: Token) -> VaultSession:
        client = hvac.Client(
            url=self._settings.address,
            token="",  # else hvac takes VAULT_TOKEN of the environment
            timeout=(exchanges().connect_timeout, exchanges().request_timeout),
            allow_redirects=False,
            namespace=self._settings.namespace or None,
            session=_session(self._settings),
        )
        with self._safely("logging in"):
            try:
                response = log_in(client, *jwt)["auth"]
            except (InvalidRequest, Forbidden, Unauthorized) as error:
                if jwt:
                    raise Refused(f"Vault rejects the JWT ({type(error).__name__})") from None
                raise
            redaction.hold(client.token)
            lifetime = _seconds(response["lease_duration"], float("inf"))
        return VaultSession(client, lifetime)

    def _jwt_login(self, client: Any, jwt: Token) -> Any:
        mount = self._settings.auth_mount or "jwt"
        return client.auth.jwt.jwt_login(self._settings.role, jwt.reveal(), path=mount)

    def _aws_login(self, client: Any) -> Any:
        from luigi_sinks.credentials.sources.aws import Signer  # noqa: PLC0415 - only this login needs the extra

        def log_in(session: Any) -> Any:
            identity = session.get_credentials().get_frozen_credentials()
            return client.auth.aws.iam_login(
                identity.access_key,
                identity.secret_key,
                identity.token,
                header_value=self._settings.aws_header or None,
                role=self._settings.role,
                region=self._settings.aws_region,
                mount_point=self._settings.auth_mount or "aws",
            )

        return Signer(self._name, self._use, region=self._settings.aws_region, through="").signed(Request(), log_in)

    @contextmanager
    def _safely(self, doing: str) -> Iterator[None]:
        """Raise CredentialError with the type of hvac's error only: its message may quote a secret."""
        try:
            yield
        except SinkError:
            raise
        except (VaultError, requests.RequestException) as error:
            ran_out = limit.current()
            kind = (ran_out and ran_out.exceeded) or type(error).__name__
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
            kind = "undocumented response"
        else:
            return
        raise CredentialError(
            f"credential {self._name!r}: {doing} at Vault {self._settings.address} failed ({kind}); "
            f"check the role {self._settings.role!r} there and section [luigi_sinks.credential.{self._name}]"
        ) from None


def _info(user: str, lease: str, seconds: float) -> TokenInfo:
    return TokenInfo(lifetime=seconds, user=user, principal=user, issuer="vault", lease=lease)


def _seconds(value: object, if_zero: float) -> float:
    """Return a duration of Vault, whose 0 means that there is none. Raises ValueError for anything else."""
    return if_zero if value == 0 and value is not False else (seconds(value) or if_zero)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


class _Adapter(HTTPAdapter):
    """Sends requests by limited connections."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(*args, **options)
        manager.pool_classes_by_scheme = POOLS
        return manager


def _session(settings: VaultSettings) -> requests.Session:
    """Return a session without proxies for plaintext: HTTP_PROXY of the environment would receive the secrets."""
    session = requests.Session()
    session.verify = str(settings.ca) if settings.ca else True
    session.trust_env = not is_plaintext(settings.address)
    session.headers["accept-encoding"] = "identity"
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Adapter())
    return session


def _log_out(session: VaultSession) -> None:
    """Revoke a session; if that fails, it expires by itself."""
    with suppress(VaultError, requests.RequestException):
        session.client.auth.token.revoke_self()
