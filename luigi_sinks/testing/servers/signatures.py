"""Checks a request's signature (SigV4) as AWS does, and says in AWS's words what is wrong with it.

Written from AWS's description and not with the library that signs, so that neither
hides what the other gets wrong:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, unquote

_ALGORITHM = "AWS4-HMAC-SHA256"
_AUTHORIZATION = re.compile(
    _ALGORITHM + r" Credential=([^/,]+)/(\d{8})/([^/,]+)/([^/,]+)/aws4_request,"
    r" ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})"
)
_DATE = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class Key:
    """A session's key; `expires` is in seconds of the epoch, and `role` the ARN of whom it stands for, if known."""

    secret: str = field(repr=False)
    token: str = field(repr=False)
    expires: float
    role: str = ""


@dataclass(frozen=True)
class Request:
    """A request as it came; the headers' names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Signature:
    """What the authorization header says."""

    key_id: str
    day: str
    region: str
    service: str
    names: Sequence[str]
    digest: str
    date: str

    @property
    def scope(self) -> Sequence[str]:
        """What the key is good for."""
        return (self.day, self.region, self.service, "aws4_request")


@dataclass(frozen=True)
class Scope:
    """What requests must be signed for, and how many seconds ago, or ahead, they may be."""

    region: str
    service: str
    skew: float


class Denied(Exception):
    """The request must not pass; the text is AWS's."""


def check(request: Request, keys: Mapping[str, Key], scope: Scope, now: float) -> Key:
    """Return which of the keys the request is signed by, for this scope. Raises Denied."""
    signature = _signature(request)
    key = keys.get(signature.key_id)
    token = request.headers.get("x-amz-security-token", "")
    if key is None or not hmac.compare_digest(token.encode(), key.token.encode()):
        raise Denied("The security token included in the request is invalid.")
    if now >= key.expires:
        raise Denied("The security token included in the request is expired")
    _check_scope(signature, scope)
    _check_date(signature, scope, now)
    expected = digest(request, signature, key.secret)
    if not hmac.compare_digest(expected, signature.digest):
        raise Denied(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method. Consult the service documentation for details."
        )
    return key


def key_id(request: Request) -> str:
    """Return which key the request says it is signed with. Raises Denied."""
    return _signature(request).key_id


def digest(request: Request, signature: Signature, secret: str) -> str:
    """Calculate what the signature must be."""
    key = f"AWS4{secret}".encode()
    for part in signature.scope:
        key = hmac.digest(key, part.encode(), "sha256")
    canonical = hashlib.sha256(_canonical(request, signature.names).encode()).hexdigest()
    text = "\n".join((_ALGORITHM, signature.date, "/".join(signature.scope), canonical))
    return hmac.digest(key, text.encode(), "sha256").hex()


def _signature(request: Request) -> Signature:
    found = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    if found is None:
        raise Denied("Missing Authentication Token")
    key_id, day, region, service, names, signed = found.groups()
    signature = Signature(key_id, day, region, service, names.split(";"), signed, request.headers.get("x-amz-date", ""))
    ours = {name for name in request.headers if name == "host" or name.startswith("x-amz-")}
    if not ours <= set(signature.names) <= set(request.headers) or "host" not in ours:
        raise Denied("'Host' and all 'X-Amz-' headers must be a 'SignedHeader' in the AWS Authorization.")
    return signature


def _check_scope(signature: Signature, scope: Scope) -> None:
    if signature.service != scope.service:
        raise Denied(f"Credential should be scoped to correct service: '{scope.service}'.")
    if signature.region != scope.region:
        raise Denied(f"Credential should be scoped to a valid region, not '{signature.region}'.")


def _check_date(signature: Signature, scope: Scope, now: float) -> None:
    try:
        signed = datetime.strptime(signature.date, _DATE).replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise Denied("Date must be in ISO-8601 'basic format'.") from None
    if not signature.date.startswith(signature.day):
        raise Denied("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.")
    if signed < now - scope.skew:
        raise Denied(f"Signature expired: {signature.date} is now earlier than {_iso(now - scope.skew)}")
    if signed > now + scope.skew:
        raise Denied(f"Signature not yet current: {signature.date} is still later than {_iso(now + scope.skew)}")


def _canonical(request: Request, names: Sequence[str]) -> str:
    """Write the request as it is signed; what is encoded in the path is encoded once more."""
    path, _, query = request.target.partition("?")
    headers = (f"{name}:{' '.join(request.headers[name].split())}" for name in names)
    body = hashlib.sha256(request.body).hexdigest()
    return "\n".join((request.method, quote(path), _canonical_query(query), *headers, "", ";".join(names), body))


def _canonical_query(query: str) -> str:
    """Encode and sort the parameters; a space must have come as %20, since `+` is read as itself."""
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    return "&".join("=".join(pair) for pair in sorted((_encoded(name), _encoded(value)) for name, _, value in pairs))


def _encoded(text: str) -> str:
    return quote(unquote(text), safe="")


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime(_DATE)
