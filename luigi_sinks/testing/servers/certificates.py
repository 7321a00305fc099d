"""A certificate authority of our own, and the one certificate that all servers show.

The authority's key is thrown away: nobody can issue a second certificate with it.
"""

from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from luigi_sinks.testing.servers.account import Account

NAMES = ("localhost", "127.0.0.1")


def issue(account: Account, *, ca: Path, certificate: Path, key: Path) -> None:
    """Write the authority's certificate, and a server's certificate and key."""
    authority = trustme.CA(organization_name="luigi_sinks test servers")
    leaf = authority.issue_cert(*NAMES, common_name=NAMES[0])
    account.write(key, _pkcs8(leaf.private_key_pem.bytes()))
    account.write(certificate, leaf.cert_chain_pems[0].bytes().decode())
    account.write(ca, authority.cert_pem.bytes().decode())


def _pkcs8(pem: bytes) -> str:
    """Rewrite a key in the one form that all three servers read."""
    key = load_pem_private_key(pem, password=None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
