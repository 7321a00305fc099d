"""Checks the token by which a user logs in to a database of Amazon RDS: a signed address that nobody visits.

https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html
"""

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from luigi_sinks.testing.servers import signatures
from luigi_sinks.testing.servers.signatures import Denied, Key, Request, Scope, Signature

SERVICE = "rds-db"
LONGEST = 900
_ALGORITHM = "AWS4-HMAC-SHA256"
_PARAMETERS = {
    "Action",
    "DBUser",
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
}


def check(token: str, user: str, server: str, keys: Mapping[str, Key], scope: Scope, now: float) -> None:
    """Return if the token lets the user in at `server`, a host with its port. Raises Denied."""
    address, _, query = token.partition("/?")
    pairs = parse_qsl(query)
    said = dict(pairs)
    if set(said) != _PARAMETERS or len(pairs) != len(said):
        raise Denied("this is no token of RDS")
    signature = _signature(said)
    key = keys.get(signature.key_id)
    if key is None or not hmac.compare_digest(said["X-Amz-Security-Token"].encode(), key.token.encode()):
        raise Denied("the key is not known")
    if now >= key.expires:
        raise Denied("the key has expired")
    if (address, said["Action"], said["DBUser"]) != (server, "connect", user):
        raise Denied(f"the token lets {said['DBUser']!r} in at {address}, not {user!r} at {server}")
    if signature.scope[1:] != (scope.region, scope.service, "aws4_request"):
        raise Denied(f"the token is for {signature.service} in {signature.region}")
    _check_time(said, scope.skew, now)
    signed = Request("GET", "/?" + query.replace(f"&X-Amz-Signature={signature.digest}", ""), {"host": address}, b"")
    if not hmac.compare_digest(signatures.digest(signed, signature, key.secret), signature.digest):
        raise Denied("the signature is wrong")


def _signature(said: Mapping[str, str]) -> Signature:
    key_id, *scope = said["X-Amz-Credential"].split("/")
    if len(scope) != 4 or said["X-Amz-Algorithm"] != _ALGORITHM or said["X-Amz-SignedHeaders"] != "host":  # noqa: PLR2004
        raise Denied("the token is not signed as RDS wants it")
    day, region, service, _ = scope
    return Signature(key_id, day, region, service, ["host"], said["X-Amz-Signature"], said["X-Amz-Date"])


def _check_time(said: Mapping[str, str], skew: float, now: float) -> None:
    try:
        signed = datetime.strptime(said["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
        lifetime = int(said["X-Amz-Expires"])
    except ValueError:
        raise Denied("the token does not say when it was made") from None
    if not 0 < lifetime <= LONGEST:
        raise Denied(f"the token would live {lifetime} s, and {LONGEST} are allowed")
    if signed > now + skew:
        raise Denied("the token is not valid yet")
    if now >= signed + lifetime:
        raise Denied("the token has expired")
