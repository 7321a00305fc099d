"""The facets by which OpenLineage knows what was recorded of a run, its job and its datasets."""

from importlib import import_module

from luigi_sinks.errors import NotInstalled

try:
    import_module("openlineage.client")
except ImportError as missing:
    raise NotInstalled("openlineage", missing) from missing
