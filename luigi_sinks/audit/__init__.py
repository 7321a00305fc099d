"""The audit log: who used which credential, and what was done to which version."""

from luigi_sinks.audit.chain import verify
from luigi_sinks.audit.log import AuditSettings, Entry, fingerprint_key, forget_settings, record, require

__all__ = ["AuditSettings", "Entry", "fingerprint_key", "forget_settings", "record", "require", "verify"]
