import ipaddress
import os
import socket
import ssl
import threading

import pytest
from cryptography import x509

from luigi_sinks.testing.servers import certificates
from luigi_sinks.testing.servers.account import Account


@pytest.fixture
def issued(tmp_path):
    paths = {name: tmp_path / f"{name}.pem" for name in ("ca", "certificate", "key")}
    certificates.issue(Account(os.geteuid(), os.getegid()), **paths)
    return paths


def greeted(issued, client, name):
    """Shake hands with a server that shows the certificate."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(issued["certificate"], issued["key"])
    ours, theirs = socket.socketpair()
    greeter = threading.Thread(target=lambda: server.wrap_socket(theirs, server_side=True).close())
    greeter.start()
    try:
        return client.wrap_socket(ours, server_hostname=name).version()
    finally:
        greeter.join(5)


def test_the_certificate_is_for_this_machine_only(issued):
    loaded = x509.load_pem_x509_certificate(issued["certificate"].read_bytes())
    names = loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("127.0.0.1")]


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_who_trusts_the_authority_trusts_the_server(issued, name):
    assert greeted(issued, ssl.create_default_context(cafile=issued["ca"]), name) == "TLSv1.3"


def test_the_key_is_closed_to_others_and_in_the_form_that_all_servers_read(issued):
    assert issued["key"].stat().st_mode & 0o777 == 0o600
    assert issued["key"].read_text().startswith("-----BEGIN PRIVATE KEY-----")


def test_nothing_but_the_three_files_is_left(issued):
    assert set(issued["ca"].parent.iterdir()) == set(issued.values())
