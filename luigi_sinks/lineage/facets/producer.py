"""Facets name their producer, which is this program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any, TypeVar

from openlineage.client import facet_v2 as spec

HOME = "https://github.com/luigi-sinks/luigi-sinks"
VERSION = version("luigi-sinks")

PRODUCER = f"{HOME}/tree/v{VERSION}"
"""The program that says so, as OpenLineage wants it named in each event and facet."""

Facet = TypeVar("Facet", bound=spec.BaseFacet)


def new(kind: Callable[..., Facet], **fields: Any) -> Facet:
    """Return a facet of a class of OpenLineage's."""
    return kind(**fields, producer=PRODUCER)


def present(facets: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facets that there are."""
    return {key: facet for key, facet in facets.items() if facet is not None}
