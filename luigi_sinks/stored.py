"""The form in which every registry keeps a record: JSON with a format number.

Format 1 is what releases before 0.2 wrote. It is read as it is, and each record is
written in the present format when it changes next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from luigi_sinks.errors import BadSetting, SinkError
from luigi_sinks.record import Record

FORMAT = 2


def to_json(record: Record) -> dict[str, Any]:
    """Return the record as JSON values, with the format's number.

    Raises BadSetting for a record that could not be read back: something in it that must be text is not.
    """
    body = {"format": FORMAT, **msgspec.to_builtins(record)}
    try:
        msgspec.convert(body, Record)
    except msgspec.ValidationError as error:
        raise BadSetting(f"{record.version}: its record could not be read back ({error}); give that as text") from None
    return body


def encode(record: Record) -> str:
    """Return the record as text. Raises BadSetting as `to_json` does."""
    return msgspec.json.encode(to_json(record)).decode()


def from_json(body: Mapping[str, Any], seq: int) -> Record:
    """Return the record that was kept under this number.

    Raises SinkError for a body of a newer format, or one that no release wrote.
    """
    written = body.get("format", 1)
    if not isinstance(written, int) or written > FORMAT:
        raise SinkError(
            f"record {seq} of the registry has format {written}, and this luigi_sinks knows formats up to {FORMAT}; "
            "install a newer luigi_sinks"
        )
    try:
        return replace(msgspec.convert(_from_format_1(body) if written == 1 else body, Record), seq=seq)
    except (msgspec.ValidationError, KeyError, TypeError) as error:
        raise SinkError(
            f"record {seq} of the registry cannot be read ({error}); it was edited by hand. Restore or delete it"
        ) from None


def decode(text: str | bytes, seq: int) -> Record:
    """Return the record that was kept as this text; raises SinkError as `from_json` does."""
    try:
        body = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise SinkError(f"record {seq} of the registry is not JSON ({error}); restore or delete it") from None
    return from_json(body if isinstance(body, dict) else {}, seq)


def _from_format_1(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body of format 1 as one of format 2: it had one time of publication, and no state `sealed`."""
    published_at, is_counted = body.get("published_at"), body.get("rows") is not None
    return {
        **body,
        "claim": body["lease"],
        "state": "sealed" if body["state"] == "staged" and is_counted else body["state"],
        "publications": [{"epoch": 0, "at": published_at}] if published_at else [],
    }
