from pathlib import Path

import pytest

from luigi_sinks import BadSetting, config
from luigi_sinks.mariadb import Settings


@pytest.fixture
def section(luigi_cfg):
    """Write the section of a connection called `unit` and read it."""

    def section(**values):
        luigi_cfg("[luigi_sinks.mariadb.unit]\n" + "".join(f"{key} = {value}\n" for key, value in values.items()))
        return config.read_connection(Settings, "mariadb", "unit")

    return section


def test_a_section_names_host_database_user_and_credential(section):
    read = section(host="db.internal", database="flights", user="loader", credential="rds", tls_ca="/etc/ca.pem")
    assert read == Settings("db.internal", "flights", "loader", "rds", port=3306, tls_ca=Path("/etc/ca.pem"))


def test_localhost_is_refused_with_the_reason(section):
    with pytest.raises(BadSetting, match=r"luigi_sinks.mariadb.unit.*write 127.0.0.1"):
        section(host="localhost", database="flights", user="loader", credential="rds")


def test_what_is_missing_is_named(section):
    with pytest.raises(BadSetting, match=r"luigi_sinks.mariadb.unit.*database"):
        section(host="db.internal", user="loader", credential="rds")


@pytest.mark.parametrize(
    ("host", "ca", "expected"),
    [
        ("db.internal", None, {"ssl_verify_cert": True}),
        ("10.1.2.3", None, {"ssl_verify_cert": True}),
        ("db.internal", Path(__file__), {"ssl_verify_cert": True, "ssl_ca": __file__}),
        ("127.0.0.1", Path(__file__), {"ssl_verify_cert": True, "ssl_ca": __file__}),
        ("127.0.0.1", None, {}),
        ("::1", None, {}),
    ],
)
def test_only_a_loopback_address_without_a_ca_goes_without_tls(host, ca, expected):
    assert Settings(host, "flights", "loader", "rds", tls_ca=ca).tls == expected
