"""The UUID by which OpenLineage knows a run."""

from __future__ import annotations

from uuid import NAMESPACE_URL, UUID, uuid5

from luigi_sinks.lineage.facets.producer import HOME


def run_id(text: str) -> str:
    """Return the UUID of a run; a run that is named by another text gets one that depends on the text alone.

    Example:
        >>> run_id("019c3f5e-7a1b-7c2d-8e3f-4a5b6c7d8e9f")
        '019c3f5e-7a1b-7c2d-8e3f-4a5b6c7d8e9f'
        >>> run_id("nightly") == run_id("nightly")
        True

    """
    return str(UUID(text) if is_uuid(text) else uuid5(NAMESPACE_URL, f"{HOME}/runs/{text}"))


def is_uuid(text: str) -> bool:
    """Tell whether a text is a UUID."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True
