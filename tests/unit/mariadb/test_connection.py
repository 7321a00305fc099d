from pathlib import Path

import pytest

from luigi_sinks import BadSetting, config
from luigi_sinks.mariadb import MariaDBSettings, session
from luigi_sinks.running import Running


@pytest.fixture
def section(luigi_cfg):
    """Write the section of a connection called `unit` and read it."""

    def section(**values):
        luigi_cfg("[luigi_sinks.mariadb.unit]\n" + "".join(f"{key} = {value}\n" for key, value in values.items()))
        return config.read_connection(MariaDBSettings, "mariadb", "unit")

    return section


def test_a_section_names_host_database_user_and_credential(section):
    read = section(host="db.internal", database="flights", user="loader", credential="rds", tls_ca="/etc/ca.pem")
    assert read == MariaDBSettings("db.internal", "flights", "loader", "rds", port=3306, tls_ca=Path("/etc/ca.pem"))


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
    assert MariaDBSettings(host, "flights", "loader", "rds", tls_ca=ca).tls == expected


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"tls_certificate": "/etc/us.pem"}, "tls_certificate and tls_key belong together"),
        ({"tls_key": "/etc/us.key"}, "tls_certificate and tls_key belong together"),
        ({"host": "127.0.0.1", "tls_certificate": "/us.pem", "tls_key": "/us.pem"}, "tls_certificate needs TLS"),
        ({"max_connection_age": 0}, "max_connection_age .* more than 0"),
        ({"transaction_timeout": 0}, "transaction_timeout .* more than 0"),
    ],
)
def test_settings_that_cannot_work_together_are_refused(section, given, reason):
    known = {"host": "db.internal", "database": "flights", "user": "loader", "credential": "rds"}
    with pytest.raises(BadSetting, match=rf"luigi_sinks.mariadb.unit.*{reason}"):
        section(**{**known, **given})


def test_the_files_of_a_certificate_go_to_the_driver_and_one_that_is_not_there_is_named(tmp_path):
    (tmp_path / "us.pem").touch()
    ours = {"tls_certificate": tmp_path / "us.pem", "tls_key": tmp_path / "us.pem"}
    given = MariaDBSettings("db.internal", "flights", "loader", "rds", **ours)
    file = str(tmp_path / "us.pem")
    assert given.tls == {"ssl_verify_cert": True, "ssl_cert": file, "ssl_key": file}
    (tmp_path / "us.pem").unlink()
    with pytest.raises(BadSetting, match=r"tls_certificate = .*us.pem .* there is no such file"):
        _ = given.tls


def test_who_asks_stands_in_a_comment_that_nothing_in_it_can_end():
    task = Running("Load_*/ DROP TABLE `t`; -- ?\n'\"_2013", "Load", correlation="c0ffee")
    comment = session._comment(task)
    assert comment == "/* luigi_sinks correlation=c0ffee task=Load____DROP_TABLE__t___--______2013 */"
    assert len(session._comment(Running("x" * 10_000))) < 200


def test_between_tasks_there_is_no_task_in_the_comment():
    assert session._comment(Running(correlation="c0ffee")) == "/* luigi_sinks correlation=c0ffee */"
