"""Where tokens come from, one module a source; others add theirs by an entry point.

The entry point's group is `luigi_sinks.credential_sources`, its name what stands in
luigi.cfg as `source = NAME`, and its object an `Opener`.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from typing import cast

from luigi_sinks import config
from luigi_sinks.credentials.source import Opener, Source, Use, section
from luigi_sinks.errors import BadSetting, did_you_mean

GROUP = "luigi_sinks.credential_sources"

BUILT_IN = {
    "assume_role": "AssumeRole",
    "file": "FileSource",
    "neptune": "Neptune",
    "oidc": "Oidc",
    "proxied": "Proxied",
    "rds_iam": "RdsIam",
    "secrets_manager": "SecretsManager",
    "sigv4": "SigV4",
    "sts_web_identity": "StsWebIdentity",
    "vault": "Vault",
}
"""The class of each source of ours, in the module of its name, which is imported when it is asked for."""


def open_source(name: str, use: Use) -> Source:
    """Make the source that the section of this credential describes. Raises BadSetting or NotInstalled."""
    kind = config.read_credential(name).get("source", "")
    return _opener(name, kind)(name, use)


def _opener(name: str, kind: str) -> Opener:
    if kind in BUILT_IN:
        return cast(Opener, getattr(import_module(f"{__name__}.{kind}"), BUILT_IN[kind]))
    others = entry_points(group=GROUP)
    if kind in others.names:
        return cast(Opener, others[kind].load())
    known = [*BUILT_IN, *others.names]
    wrong = f"{kind!r} is no source; {did_you_mean(kind, known)}" if kind else f"sources are: {', '.join(known)}"
    absent = "" if config.read_credential(name) else "; there is no such section, or nothing in it"
    raise BadSetting(
        f"[{section(name)}] in luigi.cfg must say where the credential comes from, for example: "
        f"source = file, path = the file that holds it{absent}; {wrong}"
    )
