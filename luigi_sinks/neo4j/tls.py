"""How connections are encrypted, and who is at their other end."""

from __future__ import annotations

import ssl
from typing import Any

from luigi_sinks.errors import BadSetting
from luigi_sinks.neo4j.settings import Neo4jSettings

_SECTION = "in the section [luigi_sinks.neo4j]"


def context(settings: Neo4jSettings) -> ssl.SSLContext:
    """Trust the authority of `tls_ca`, or those of the system. Raises BadSetting for a file that is no good."""
    made = _Context(ssl.PROTOCOL_TLS_CLIENT)  # it wants a certificate, and the right name in it
    made.settings = settings
    try:
        made.load_verify_locations(settings.tls_ca) if settings.tls_ca else made.load_default_certs()
    except OSError as error:
        raise BadSetting(f"tls_ca = {settings.tls_ca} {_SECTION}: {error}") from error
    try:
        made.load_own()
    except OSError as error:
        files = f"tls_certificate = {settings.tls_certificate} and tls_key = {settings.tls_key}"
        raise BadSetting(f"{files} {_SECTION}: {error}") from error
    return made


class _Context(ssl.SSLContext):
    """What the driver opens each connection with.

    The driver has settings for certificates too, but none for a server whose name
    is not that of the host.
    """

    settings: Neo4jSettings

    def load_own(self) -> None:
        """Read our certificate, as it is now."""
        if self.settings.tls_certificate:
            self.load_cert_chain(self.settings.tls_certificate, self.settings.tls_key)

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        """Shake hands, with a certificate that may have been rotated since."""
        self.load_own()
        name = self.settings.tls_server_name or options.get("server_hostname")
        return super().wrap_socket(*args, **{**options, "server_hostname": name})
