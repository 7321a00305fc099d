import subprocess
import sys

import mariadb
import pytest

from luigi_sinks.errors import BadSetting
from luigi_sinks.mariadb import MariaDBSettings, driver
from luigi_sinks.mariadb.errors import explained, refuses_login

SETTINGS = MariaDBSettings("db.internal", "flights", "loader", "rds")
PURE_PYTHON = "import mariadb; mariadb.__impl__ = 'python'; import luigi_sinks.mariadb"
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


def test_a_driver_that_would_log_in_by_clear_text_is_refused_with_the_way_out():
    done = subprocess.run([sys.executable, "-c", PURE_PYTHON], capture_output=True, text=True)
    assert done.returncode == 1
    said = done.stderr.splitlines()[-1]
    assert "connects without TLS even if tls_ca is set: that is refused" in said
    assert "mariadb[binary]" in said
    assert said.endswith("install it with: pip install 'luigi-sinks[mariadb]'")


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


@pytest.mark.usefixtures("system")
def test_a_driver_that_was_compiled_here_is_told_nothing_more(told, monkeypatch):
    monkeypatch.setattr(driver, "_KIND", "c")
    driver.connect(host="db.internal", ssl_verify_cert=True)
    assert told == {"host": "db.internal", "ssl_verify_cert": True}


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
