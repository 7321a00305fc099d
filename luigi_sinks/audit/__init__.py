"""The audit log: which credential was used by whom, and which version was changed how."""

from luigi_sinks.audit.chain import Verdict, begin, verify
from luigi_sinks.audit.log import AuditSettings, Entry, fingerprint_key, forget_settings, record, require

__all__ = [
    "AuditSettings",
    "Entry",
    "Verdict",
    "begin",
    "fingerprint_key",
    "forget_settings",
    "record",
    "require",
    "verify",
]
