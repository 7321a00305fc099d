import os

import pytest

from luigi_sinks.testing.servers import needs
from luigi_sinks.testing.servers.errors import NotReady
from luigi_sinks.testing.servers.needs import Need

JAVA = Need("Java", ("java-21", "java-17"), "unpack one")
DATABASE = Need("a database", ("db",))
APT_CACHE = """#!/bin/sh
grep -qx "$2" "{known}"
"""
APT_GET = """#!/bin/sh
echo "$@" >> "{calls}"
{then}
"""


@pytest.fixture
def apt(tmp_path, monkeypatch):
    """Return a function that makes an apt that knows these packages, and returns the file of its calls."""

    def apt(*known, then=""):
        (tmp_path / "known").write_text("".join(f"{name}\n" for name in known))
        program(tmp_path / "apt-cache", APT_CACHE.format(known=tmp_path / "known"))
        program(tmp_path / "apt-get", APT_GET.format(calls=tmp_path / "calls", then=then))
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setattr(needs.os, "geteuid", lambda: 0)
        return tmp_path / "calls"

    return apt


def program(path, text):
    path.write_text(text)
    path.chmod(0o755)


def test_what_is_needed_is_told_with_the_first_package_that_apt_knows(apt):
    apt("java-17", "db")
    assert str(JAVA) == "Java: apt-get install java-17, or unpack one"
    assert str(DATABASE) == "a database: apt-get install db"


def test_without_apt_the_other_way_is_told(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert str(JAVA) == "Java: unpack one"
    assert str(DATABASE) == "a database: Debian has it in the package db"


def test_apt_installs_what_it_knows_by_one_command(apt):
    calls = apt("java-17", "db")
    needs.install([JAVA, DATABASE, JAVA, Need("luck", ("luck",))])
    assert calls.read_text().splitlines() == ["-qq update", "-qq install --no-install-recommends db java-17"]


def test_where_nothing_is_needed_apt_is_not_asked(apt):
    calls = apt()
    needs.install([])
    assert not calls.exists()


def test_where_there_is_no_apt_nothing_is_installed(monkeypatch):
    monkeypatch.setenv("PATH", "")
    needs.install([JAVA])


def test_an_apt_that_fails_is_told_with_the_way_that_needs_none(apt):
    apt("db", then="exit 100")
    with pytest.raises(NotReady, match=r"apt-get -qq update failed: .* 100\W+or run .*make demo SINKS=memory"):
        needs.install([DATABASE])


def test_where_there_is_no_sudo_that_is_told_too(apt, monkeypatch, tmp_path):
    apt("db")
    monkeypatch.setattr(needs.os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotReady, match=r"sudo .* failed: .*sudo"):
        needs.install([DATABASE])
