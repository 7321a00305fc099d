"""Requests signed by SigV4. A module of its own because only Amazon OpenSearch Service takes them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from luigi_sinks.credentials import Token
from luigi_sinks.elasticsearch.settings import ElasticsearchSettings
from luigi_sinks.errors import BadSetting


def headers(
    settings: ElasticsearchSettings,
    token: Token,
    method: str,
    target: str,
    plain: Mapping[str, str],
    body: bytes | None,
) -> dict[str, str]:
    """Return the headers that sign a request; they are valid for a few minutes.

    Only headers that no proxy may change are signed. The signed host is the name in the
    server's certificate where that is not `host`, as behind a tunnel. Raises BadSetting
    for Elasticsearch, which takes no signatures.
    """
    from luigi_sinks.credentials.sources import sigv4  # noqa: PLC0415 - only this needs the extra

    if settings.product != "opensearch":
        raise BadSetting(
            f"credential {settings.credential!r} signs requests, which only OpenSearch accepts; set "
            "product = opensearch in the section of the connection, or name another credential"
        )
    named = {"host": settings.tls_server_name} if settings.tls_server_name else {}
    url = (f"https://{settings.tls_server_name}" if named else settings.url) + target
    content = {name: value for name, value in plain.items() if name.casefold() == "content-type"}
    digest = {"x-amz-content-sha256": hashlib.sha256(body or b"").hexdigest()}
    return sigv4.signed(token, method, url, {**named, **content, **digest}, body or b"")


def refusal(answer: bytes) -> str:
    """Return AWS's message if a 403 means that it refuses the signature; else nothing."""
    if not answer:  # to a HEAD, whose response has no body
        return "403 Forbidden"
    try:
        said = msgspec.json.decode(answer, type=dict[str, object])
    except msgspec.MsgspecError:
        return ""
    message = str(said.get("message") or said.get("Message") or "")
    # A message that begins so is about the rights of the one who signed.
    return "" if message.startswith("User: ") else message
