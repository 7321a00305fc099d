"""HashiCorp Vault: leased database users, renewed and revoked, or a secret of KV version 2.

Written and tested by the documented API, https://developer.hashicorp.com/vault/api-docs,
against a stand-in: no real Vault was at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar

from luigi_sinks.credentials.source import Refused, Request, Use, read
from luigi_sinks.credentials.token import Token, TokenInfo
from luigi_sinks.credentials.web import is_clear_text, refuse_clear_text
from luigi_sinks.errors import CredentialError, NotInstalled

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
except ImportError as missing:
    raise NotInstalled("vault", missing) from missing

Result = TypeVar("Result")


@dataclass(frozen=True)
class VaultSettings:
    """`path` is what to read: the role of a database engine, or the path of a secret in KV version 2.

    Vault lets this process in by a JSON web token, which `jwt_from` names the
    credential of, or by its AWS identity. `role` is Vault's for that login, which
    must allow `path`, and sys/leases/renew and sys/leases/revoke.
    `mount` and `auth_mount` are where Vault has the engine and the login.
    `aws_header` is the server's X-Vault-AWS-IAM-Server-ID.
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
            raise ValueError("auth = jwt needs jwt_from, the name of the credential that is the JSON web token")


@dataclass(frozen=True)
class Login:
    """A client that Vault let in, and for how many seconds; leases that it takes end with it."""

    client: Any
    lifetime: float

    def __reduce__(self) -> NoReturn:
        """Refuse: the client would be pickled with its token."""
        raise TypeError("a login at Vault cannot be pickled or copied; ship the credential's name instead")


class Vault:
    """Reads a secret from Vault; what is leased is renewed and revoked."""

    def __init__(self, name: str, use: Use) -> None:
        self._name = name
        self._use = use
        self._settings = read(VaultSettings, name)
        refuse_clear_text(self._settings.address, name)
        self._logins: dict[str, tuple[Login, float]] = {}

    def scope(self, request: Request) -> Request:  # noqa: ARG002 - the role is the section's
        """Depend on nothing."""
        return Request()

    def fetch(self, request: Request) -> Token:  # noqa: ARG002
        """Log in and read. Raises CredentialError."""
        login = self._login()
        read = self._read_lease if self._settings.engine == "database" else self._read_kv
        with self._safely("reading the secret"):
            return read(login)

    def renew(self, token: Token) -> Token:
        """Extend the lease, and the login that it ends with. Raises CredentialError if it has no long life left."""
        lease = token.info.lease
        if lease not in self._logins:
            raise CredentialError(f"credential {self._name!r}: another process took the lease")
        login, first = self._logins[lease]
        with self._safely("renewing the lease"):
            lived = float(login.client.auth.token.renew_self()["auth"]["lease_duration"] or first)
            lasts = min(lived, float(login.client.sys.renew_lease(lease)["lease_duration"]))
        if lasts < first / 2:
            raise CredentialError(f"credential {self._name!r}: Vault extends the lease no further")
        return token.renewed(_info(token.user, lease, lasts))

    def revoke(self, lease: str) -> None:
        """End the lease, and the login that took it."""
        kept = self._logins.pop(lease, None)
        login = kept[0] if kept else self._login()
        # A login that took a lease and is not let in any more has ended, and the lease with it.
        over = (InvalidRequest, InvalidPath, Forbidden) if kept else (InvalidRequest, InvalidPath)
        try:
            with self._safely("revoking the lease"), suppress(*over):
                login.client.sys.revoke_lease(lease)
        finally:
            _leave(login)

    def _read_lease(self, login: Login) -> Token:
        mount = self._settings.mount or "database"
        try:
            answer = login.client.secrets.database.generate_credentials(self._settings.path, mount_point=mount)
            lasts, lease = min(login.lifetime, float(answer["lease_duration"])), answer["lease_id"]
            token = Token(answer["data"]["password"], _info(answer["data"]["username"], lease, lasts))
        except BaseException:
            _leave(login)  # and what it may have leased ends with it
            raise
        self._logins[lease] = login, lasts
        return token

    def _read_kv(self, login: Login) -> Token:
        mount = self._settings.mount or "secret"
        try:
            answer = login.client.secrets.kv.v2.read_secret_version(
                self._settings.path, mount_point=mount, raise_on_deleted_version=True
            )["data"]
        finally:
            _leave(login)
        user = self._field(answer["data"], self._settings.user_field) if self._settings.user_field else ""
        version = f"{self._settings.path}@{answer['metadata']['version']}"
        info = TokenInfo(user=user, principal=user, issuer="vault", token_id=version)
        return Token(self._field(answer["data"], self._settings.field), info)

    def _field(self, fields: dict[str, Any], name: str) -> str:
        value = fields.get(name)
        if not isinstance(value, str) or not value:
            raise CredentialError(
                f"credential {self._name!r}: {self._settings.path} in Vault has no text in field {name!r}"
            )
        return value

    def _login(self) -> Login:
        """Log in anew: a login belongs to one lease, and ends with it."""
        if self._settings.auth == "aws":
            return self._logged_in(self._aws_login)
        login: Login = self._use(self._settings.jwt_from, lambda jwt: self._logged_in(self._jwt_login, jwt))
        return login

    def _logged_in(self, way: Callable[..., Any], *proof: Token) -> Login:
        client = hvac.Client(
            url=self._settings.address,
            token="",  # else it takes one of the environment
            verify=str(self._settings.ca) if self._settings.ca else True,
            timeout=10,
            allow_redirects=False,
            namespace=self._settings.namespace or None,
            session=_past_proxies() if is_clear_text(self._settings.address) else None,
        )
        with self._safely("logging in"):
            try:
                answer = way(client, *proof)["auth"]
            except (InvalidRequest, Forbidden, Unauthorized) as error:
                if proof:
                    raise Refused(f"Vault does not take the JSON web token ({type(error).__name__})") from None
                raise
        return Login(client, float(answer["lease_duration"]) or float("inf"))

    def _jwt_login(self, client: Any, jwt: Token) -> Any:
        mount = self._settings.auth_mount or "jwt"
        return client.auth.jwt.jwt_login(self._settings.role, jwt.reveal(), path=mount)

    def _aws_login(self, client: Any) -> Any:
        from luigi_sinks.credentials.sources.aws import Signer  # noqa: PLC0415 - only this login needs the extra

        def login(session: Any) -> Any:
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

        return Signer(self._name, self._use, region=self._settings.aws_region, through="").signed(Request(), login)

    @contextmanager
    def _safely(self, doing: str) -> Iterator[None]:
        """Turn what hvac raises, which may quote an answer, into what names the kind of error only."""
        try:
            yield
        except (VaultError, requests.RequestException) as error:
            kind = type(error).__name__
        except (KeyError, TypeError, ValueError):
            kind = "its answer is not what is documented"
        else:
            return
        raise CredentialError(
            f"credential {self._name!r}: {doing} at Vault {self._settings.address} failed ({kind}); "
            f"see the role {self._settings.role!r} there and section [luigi_sinks.credential.{self._name}]"
        ) from None


def _info(user: str, lease: str, lasts: float) -> TokenInfo:
    return TokenInfo(lifetime=lasts, user=user, principal=user, issuer="vault", lease=lease)


def _past_proxies() -> requests.Session:
    """Return what asks this machine itself: HTTP_PROXY of the environment would be shown all in clear text."""
    session = requests.Session()
    session.trust_env = False
    return session


def _leave(login: Login) -> None:
    """End a login; where that fails it ends by itself."""
    with suppress(VaultError, requests.RequestException):
        login.client.auth.token.revoke_self()
