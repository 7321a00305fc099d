"""The built-in sources of tokens, one module each; other packages add theirs by an entry point.

The group of the entry point is `luigi_sinks.credential_sources`, its name is NAME in
`source = NAME` of luigi.cfg, and its object is an `Opener`.
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
    "airflow": "Airflow",
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
"""The class of each built-in source. Its module has the source's name and is imported on first use."""


def open_source(name: str, use: Use) -> Source:
    """Open the source that is configured for this credential. Raises BadSetting or NotInstalled."""
    kind = config.read_credential(name).get("source", "")
    return _opener(name, kind)(name, use)


def _opener(name: str, kind: str) -> Opener:
    if kind in BUILT_IN:
        return cast(Opener, getattr(import_module(f"{__name__}.{kind}"), BUILT_IN[kind]))
    others = entry_points(group=GROUP)
    if kind in others.names:
        return cast(Opener, others[kind].load())
    known = [*BUILT_IN, *others.names]
    if not config.read_credential(name):
        reason = "the section is missing or empty"
    else:
        reason = f"{kind!r} is not a source; {did_you_mean(kind, known)}" if kind else "`source` is missing"
    end = "" if reason.endswith("?") else "."
    raise BadSetting(
        f"[{section(name)}] in luigi.cfg: {reason}{end} Set `source` to one of {', '.join(known)}, and its settings, "
        "for example: source = file, path = FILE"
    )
