import socket
import ssl
import subprocess
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime
from ipaddress import IPv4Address

import mariadb
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from luigi_sinks.errors import BadSetting
from luigi_sinks.mariadb import MariaDBSettings, driver
from luigi_sinks.mariadb.errors import explained, refuses_login

SETTINGS = MariaDBSettings("db.internal", "flights", "loader", "rds")
PURE_PYTHON = "import mariadb; mariadb.__impl__ = 'python'; import luigi_sinks.mariadb"
SECRET = "the-secret-itself"
GREETING = (
    b"\x0a11.8.3-MariaDB\0\x07\0\0\0AAAAAAAA\0\xdf\xff\x2d\x02\0\xff\xff\x15\0\0\0\0\0\0\x1d\0\0\0BBBBBBBBBBBB\0"
    b"mysql_native_password\0"
)
"""What a server says first: its version, all capabilities but compression, and its first plugin."""
NO_PLUGIN = "Plugin mysql_clear_password could not be loaded: no such file"


@pytest.fixture
def told(monkeypatch):
    """Give what the driver is told, in the place of connecting."""
    told = {}
    monkeypatch.setattr(mariadb, "connect", lambda **options: told.update(options))
    return told


@pytest.fixture
def system(monkeypatch, tmp_path):
    """A system that has plugins and certificate authorities, and a driver that is a wheel."""
    for name in ("plugins", "authorities"):
        (tmp_path / name).mkdir()
    (tmp_path / "ca.pem").touch()
    monkeypatch.setattr(driver, "_KIND", "binary")
    monkeypatch.setattr(driver, "_PLUGINS", (str(tmp_path / "plugins"), str(tmp_path / "nothing here")))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "authorities"))
    return tmp_path


class Impostor(threading.Thread):
    """A server with a certificate of its own making, which asks for the password in clear text."""

    def __init__(self, certificate):
        super().__init__(daemon=True)
        self.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.tls.load_cert_chain(certificate)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.heard = b""

    def run(self):
        client, _ = self.listener.accept()
        client.sendall(packet(0, GREETING))
        client.recv(36)  # the wish for TLS
        with suppress(OSError), self.tls.wrap_socket(client, server_side=True) as encrypted:
            self.heard += encrypted.recv(65_536)
            encrypted.sendall(packet(3, b"\xfemysql_clear_password\0"))
            self.heard += encrypted.recv(65_536)


def packet(number, content):
    return len(content).to_bytes(3, "little") + bytes([number]) + content


@pytest.fixture
def impostor(tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    start = datetime(2020, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, start, start.replace(year=2099))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "pair.pem").write_bytes(private + certificate.public_bytes(Encoding.PEM))
    impostor = Impostor(tmp_path / "pair.pem")
    impostor.start()
    yield impostor
    impostor.listener.close()


def test_a_driver_that_would_log_in_by_clear_text_is_refused_with_the_way_out():
    done = subprocess.run([sys.executable, "-c", PURE_PYTHON], capture_output=True, text=True)
    assert done.returncode == 1
    said = done.stderr.splitlines()[-1]
    assert "connects without TLS even if tls_ca is set: that is refused" in said
    assert "extra mariadb-wheel" in said
    assert said.endswith(
        "install it with: pip install 'luigi-sinks[mariadb]', "
        "or without a compiler: pip install 'luigi-sinks[mariadb-wheel]'"
    )


@pytest.mark.parametrize(("version", "warnings"), [("2.0.0rc2-c", 1), ("2.0.0", 0), ("1.1.14", 0)])
def test_long_reads_by_a_driver_that_keeps_its_rows_end_in_one_warning(monkeypatch, caplog, version, warnings):
    monkeypatch.setattr(mariadb, "__version__", version)
    driver._warn_once.cache_clear()
    for rows in (99_999, 100_000, 200_000):
        driver.warn_of_kept_rows(rows)
    assert caplog.text.count("keeps every value that it reads in memory") == warnings


def test_a_wheel_is_told_where_the_systems_plugins_and_authorities_are(system, told):
    driver.connect(host="db.internal", ssl_verify_cert=True)
    assert told == {
        "host": "db.internal",
        "ssl_verify_cert": True,
        "plugin_dir": str(system / "plugins"),
        "ssl_ca": str(system / "ca.pem"),
        "ssl_capath": str(system / "authorities"),
    }


@pytest.mark.usefixtures("system")
def test_an_authority_that_is_named_is_the_only_one(told):
    driver.connect(ssl_verify_cert=True, ssl_ca="/etc/ours.pem")
    assert told["ssl_ca"] == "/etc/ours.pem"
    assert "ssl_capath" not in told


@pytest.mark.usefixtures("system")
def test_without_tls_no_authorities_are_named(told):
    driver.connect(host="127.0.0.1")
    assert told.keys() == {"host", "plugin_dir"}


def test_a_driver_that_was_compiled_here_knows_where_the_plugins_are(system, told, monkeypatch):
    monkeypatch.setattr(driver, "_KIND", "c")
    driver.connect(ssl_verify_cert=True)
    assert told == {
        "ssl_verify_cert": True,
        "ssl_ca": str(system / "ca.pem"),
        "ssl_capath": str(system / "authorities"),
    }


def test_a_plugin_that_another_thread_loads_at_the_same_moment_is_no_error(monkeypatch):
    answers = iter([mariadb.OperationalError("Plugin dialog could not be loaded: it is already loaded"), "connection"])

    def connect(**options):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(mariadb, "connect", connect)
    assert driver.connect(host="127.0.0.1") == "connection"


def test_a_system_without_authorities_is_told_to_name_some(told, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/nothing/here")
    monkeypatch.setenv("SSL_CERT_DIR", "/nothing/here")
    with pytest.raises(BadSetting, match="name some in tls_ca"):
        driver.connect(host="db.internal", ssl_verify_cert=True)
    assert told == {}


def test_a_password_is_not_shown_to_a_server_that_vouches_for_itself(impostor):
    with pytest.raises(mariadb.Error, match=r"self.signed certificate"):
        driver.connect(host="127.0.0.1", port=impostor.port, user="loader", password=SECRET, ssl_verify_cert=True)
    impostor.join()
    assert SECRET.encode() not in impostor.heard


def test_a_plugin_that_is_not_there_is_no_refusal_and_the_package_with_it_is_named():
    error = mariadb.OperationalError(NO_PLUGIN)
    error.errno = 1045
    assert not refuses_login(error)
    said = explained(SETTINGS, error)
    assert isinstance(said, BadSetting)
    assert "package libmariadb3" in str(said)
    assert "pip install 'mariadb<2'" in str(said)


def test_a_password_that_is_wrong_is_a_refusal():
    error = mariadb.OperationalError("Access denied for user")
    error.errno = 1045
    assert refuses_login(error)
