"""`python -m luigi_sinks.testing.servers.aws_service CONFIG`: what programs ask AWS for, on this machine.

It gives a program session keys as the container's endpoint does, answers AssumeRole
and GetWebIdentityToken as STS does, and tells a database whether a token of RDS is
good. Only keys that it gave out itself are good for anything.
"""

import hmac
import json
import logging
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from luigi_sinks.testing.servers import database_tokens, signatures
from luigi_sinks.testing.servers.aws import ACCOUNT
from luigi_sinks.testing.servers.signatures import Denied, Key, Request, Scope

log = logging.getLogger(__name__)

VERIFY = "/rds-db"
CREDENTIALS = "/credentials/"
KEYS = "/keys/"
"""Where services of ours, which stand in for AWS's, ask for a key that a request was signed with."""
SKEW = 5.0
_STS = "https://sts.amazonaws.com/"
_ALGORITHMS = ("RS256", "ES384")


class Config(msgspec.Struct, frozen=True):
    """Where it listens, for which database, and how long keys live, in seconds, by the role's name.

    `authorization` is the file of what a program must show to be given keys.
    """

    host: str
    port: int
    authorization: str
    database: str
    region: str
    lifetimes: dict[str, float]

    @property
    def issuer(self) -> str:
        """Where it is."""
        return f"http://{self.host}:{self.port}"


class Issued(NamedTuple):
    """A session's key, its id, and whom it stands for: a role's name."""

    id: str
    key: Key
    role: str

    @property
    def said(self) -> dict[str, str]:
        """The key as AWS writes it."""
        return {"AccessKeyId": self.id, "SecretAccessKey": self.key.secret, "Expiration": iso(self.key.expires)}


class Answer(NamedTuple):
    """What goes back."""

    status: int
    kind: str = "text/plain"
    text: str = ""


class StsError(Exception):
    """What STS refuses, by AWS's code for it."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


class Keys:
    """The keys that were given out; half-way through its life, the key of a role is followed by another."""

    def __init__(self, lifetimes: Mapping[str, float], clock: Callable[[], float] = time.time) -> None:
        self._lifetimes = lifetimes
        self._clock = clock
        self._latest: dict[str, Issued] = {}
        self.issued: dict[str, Issued] = {}

    @property
    def known(self) -> dict[str, Key]:
        """All keys, also expired ones, by their ids."""
        return {name: each.key for name, each in self.issued.copy().items()}  # others may be given out meanwhile

    def of(self, role: str) -> Issued:
        """Return the key of a role. Raises KeyError where there is no such role."""
        lifetime, latest = self._lifetimes[role], self._latest.get(role)
        if latest is None or latest.key.expires - self._clock() < lifetime / 2:
            latest = self._latest[role] = self.new(role, lifetime)
        return latest

    def new(self, role: str, lifetime: float) -> Issued:
        """Make a key."""
        key = Key(secrets.token_urlsafe(30), secrets.token_urlsafe(120), self._clock() + lifetime)
        made = Issued(f"ASIA{secrets.token_hex(8).upper()}", key, role)
        self.issued[made.id] = made
        return made


class Signing:
    """Signs web identity tokens, with keys that are made at the start."""

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer
        self._rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._ec = ec.generate_private_key(ec.SECP384R1())

    def token(self, role: str, form: Mapping[str, str], region: str) -> tuple[str, float]:
        """Return a token for what is asked, and when it ends. Raises StsError."""
        algorithm, now = form.get("SigningAlgorithm", ""), time.time()
        if algorithm not in _ALGORITHMS:
            raise StsError("ValidationError", f"SigningAlgorithm must be one of {', '.join(_ALGORITHMS)}")
        expires = now + _duration(form, 60, 300, 3600)
        claims = {
            "iss": self._issuer,
            "sub": f"arn:aws:iam::{ACCOUNT}:role/{role}",
            "aud": _members(form, "Audience"),
            "iat": int(now),
            "exp": int(expires),
            "jti": secrets.token_hex(16),
            _STS: {"aws_account": ACCOUNT, "source_region": region},
        }
        key = self._rsa if algorithm == "RS256" else self._ec
        return jwt.encode(claims, key, algorithm, {"kid": algorithm}), expires

    def discovery(self) -> dict[str, Any]:
        """Say what may be known of the issuer."""
        return {
            "issuer": self._issuer,
            "jwks_uri": f"{self._issuer}/.well-known/jwks.json",
            "id_token_signing_alg_values_supported": _ALGORITHMS,
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
        }

    def key_set(self) -> dict[str, Any]:
        """Give the public keys."""
        public = (
            RSAAlgorithm.to_jwk(self._rsa.public_key(), as_dict=True),
            ECAlgorithm.to_jwk(self._ec.public_key(), as_dict=True),
        )
        named = zip(_ALGORITHMS, public, strict=True)
        return {"keys": [{**key, "kid": name, "alg": name, "use": "sig"} for name, key in named]}


@dataclass(frozen=True)
class Service:
    """All of it, but for the sockets."""

    config: Config
    keys: Keys
    signing: Signing

    def get(self, path: str, authorization: str) -> Answer:
        """Answer a GET."""
        if path == "/.well-known/openid-configuration":
            return _json(self.signing.discovery())
        if path == "/.well-known/jwks.json":
            return _json(self.signing.key_set())
        role, known = path.removeprefix(CREDENTIALS), self.keys.issued.get(path.removeprefix(KEYS))
        if role not in self.config.lifetimes and known is None:
            return Answer(HTTPStatus.NOT_FOUND)
        wanted = Path(self.config.authorization).read_text(encoding="utf-8").strip()
        if not hmac.compare_digest(authorization.encode(), wanted.encode()):
            return Answer(HTTPStatus.UNAUTHORIZED)
        given = known or self.keys.of(role)
        return _json({**given.said, "Token": given.key.token, "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/{given.role}"})

    def post(self, request: Request) -> Answer:
        """Answer a POST: a database's question, or a call of STS."""
        if request.target == VERIFY:
            return self._verified(*request.body.decode("utf-8", "replace").partition("\0")[::2])
        try:
            return self._sts(request)
        except StsError as error:
            code, reason = escape(error.code), escape(str(error))
            error_xml = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{reason}</Message></Error>"
            status = HTTPStatus.BAD_REQUEST if error.code == "ValidationError" else HTTPStatus.FORBIDDEN
            return Answer(status, "text/xml", _xml("ErrorResponse", error_xml))

    def _verified(self, user: str, token: str) -> Answer:
        scope = Scope(self.config.region, database_tokens.SERVICE, SKEW)
        try:
            database_tokens.check(token, user, self.config.database, self.keys.known, scope, time.time())
        except Denied as denied:
            log.info("not let in: %r: %s", user, denied)
            return Answer(HTTPStatus.FORBIDDEN, text=str(denied))
        log.info("let in: %r", user)
        return Answer(HTTPStatus.NO_CONTENT)

    def _sts(self, request: Request) -> Answer:
        try:
            signatures.check(request, self.keys.known, Scope(self.config.region, "sts", SKEW), time.time())
        except Denied as denied:
            raise StsError(_code(str(denied)), str(denied)) from None
        key_id = request.headers["authorization"].partition("Credential=")[2].partition("/")[0]
        form = dict(parse_qsl(request.body.decode()))
        match form.get("Action"):
            case "AssumeRole":
                return _answered("AssumeRole", self._assume_role(form))
            case "GetWebIdentityToken":
                token, expires = self.signing.token(self.keys.issued[key_id].role, form, self.config.region)
                return _answered("GetWebIdentityToken", {"WebIdentityToken": token, "Expiration": iso(expires)})
            case action:
                raise StsError("InvalidAction", f"Could not find operation {action}")

    def _assume_role(self, form: Mapping[str, str]) -> dict[str, Any]:
        arn, session = form.get("RoleArn", ""), form.get("RoleSessionName", "")
        if not arn.startswith("arn:aws:iam::") or not session:
            raise StsError("ValidationError", "RoleArn and RoleSessionName must be given")
        account, _, role = arn.removeprefix("arn:aws:iam::").partition(":role/")
        given = self.keys.new(role, _duration(form, 900, 3600, 43200))
        return {
            "Credentials": {**given.said, "SessionToken": given.key.token},
            "AssumedRoleUser": {
                "AssumedRoleId": f"AROA{secrets.token_hex(8).upper()}:{session}",
                "Arn": f"arn:aws:sts::{account}:assumed-role/{role}/{session}",
            },
            **({"SourceIdentity": form["SourceIdentity"]} if "SourceIdentity" in form else {}),
        }


class Endpoint(ThreadingHTTPServer):
    """Listens, with a thread for each connection."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, config: Config) -> None:
        super().__init__((config.host, config.port), _Handler)
        self.service = Service(config, Keys(config.lifetimes), Signing(config.issuer))

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - socketserver gives it
        """Say in a line what came of a connection; a client that goes is no error."""
        log.info("%s: %s: %s", client_address, type(error := sys.exception()).__name__, error)


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint
    timeout = 10

    def do_GET(self) -> None:
        self._answer(self.server.service.get(self.path, self.headers.get("Authorization", "")))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._answer(self.server.service.post(Request("POST", self.path, headers, body)))

    def _answer(self, answer: Answer) -> None:
        content = answer.text.encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: Any) -> None:
        """Say nothing of what passes."""


def iso(seconds: float) -> str:
    """Write a time as AWS does."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _members(form: Mapping[str, str], name: str) -> list[str]:
    members = [value for key, value in form.items() if key.startswith(f"{name}.member.")]
    if not 1 <= len(members) <= 10:  # noqa: PLR2004 - AWS's own limits
        raise StsError("ValidationError", f"{name} must have 1 to 10 members")
    return members


def _duration(form: Mapping[str, str], least: int, default: int, most: int) -> int:
    seconds = int(form.get("DurationSeconds", default))
    if not least <= seconds <= most:
        raise StsError("ValidationError", f"DurationSeconds must lie between {least} and {most}")
    return seconds


def _code(denied: str) -> str:
    if "token included in the request is expired" in denied:
        return "ExpiredToken"
    return "InvalidClientTokenId" if "token included in the request is invalid" in denied else "SignatureDoesNotMatch"


def _json(value: Any) -> Answer:
    return Answer(HTTPStatus.OK, "application/json", json.dumps(value))


def _answered(action: str, result: Mapping[str, Any]) -> Answer:
    return Answer(
        HTTPStatus.OK, "text/xml", _xml(f"{action}Response", f"<{action}Result>{_elements(result)}</{action}Result>")
    )


def _xml(root: str, content: str) -> str:
    request_id = f"<ResponseMetadata><RequestId>{secrets.token_hex(16)}</RequestId></ResponseMetadata>"
    return f'<{root} xmlns="https://sts.amazonaws.com/doc/2011-06-15/">{content}{request_id}</{root}>'


def _elements(values: Mapping[str, Any]) -> str:
    return "".join(
        f"<{name}>{_elements(value) if isinstance(value, Mapping) else escape(value)}</{name}>"
        for name, value in values.items()
    )


def main(path: str) -> None:
    """Answer until the process is ended."""
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    Endpoint(msgspec.json.decode(Path(path).read_bytes(), type=Config)).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
