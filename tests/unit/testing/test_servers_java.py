import pytest

from luigi_sinks.testing.servers import java
from luigi_sinks.testing.servers.errors import ServersError


def test_the_first_that_fits_is_taken(jdk):
    jdk("jdk-17", "17.0.15")
    newer = jdk("jdk-25", "25.0.3")
    assert java.find(21, 98) == newer


def test_of_several_that_fit_the_newest_is_taken(jdk):
    jdk("a", "17.0.15")
    newest = jdk("b", "25.0.3")
    jdk("c", "21.0.1")
    assert java.find(17, 25) == newest


def test_one_that_is_too_new_does_not_fit(jdk):
    jdk("jdk-97", "97")
    assert java.version(java.INSTALLED / "jdk-97") == 97
    assert java.find(97, 96) is None


def test_the_environment_goes_first(jdk, monkeypatch):
    jdk("jdk-21", "21")
    chosen = jdk("jdk-25", "25")
    monkeypatch.setenv("JAVA_HOME", str(chosen))
    assert java.find(21) == chosen


def test_an_environment_that_does_not_fit_is_passed_over(jdk, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", str(jdk("jdk-17", "17")))
    fitting = jdk("jdk-21", "21")
    assert java.find(21) == fitting


def test_java_8_calls_itself_1_8(jdk):
    assert java.version(jdk("jdk-8", "1.8.0_402")) == 8


def test_a_folder_without_a_program_is_no_jdk(jdk):
    home = jdk("jdk-21", "21")
    (home / "bin" / "java").unlink()
    assert java.version(home) == 0


def test_what_is_missing_is_a_need_with_the_packages_that_have_it(jdk):
    jdk("jdk-16", "16")
    (need,) = java.missing("a server", 17)
    assert need.what == "Java of version 17 or later, for a server"
    assert need.packages == ("openjdk-21-jre-headless", "openjdk-25-jre-headless", "openjdk-17-jre-headless")
    (need,) = java.missing("a server", 21, 24)
    assert need.what == "Java of version 21 to 24, for a server"
    assert need.packages == ("openjdk-21-jre-headless",)
    jdk("jdk-21", "21")
    assert java.missing("a server", 17) == []


def test_servers_are_made_for_a_brief_life_unless_they_are_measured(monkeypatch):
    monkeypatch.delenv(java.VARIABLE, raising=False)
    assert java.options() == java.BRIEF
    monkeypatch.setenv(java.VARIABLE, "tuned")
    assert java.options() == ()


def test_any_other_life_is_refused_with_those_there_are(monkeypatch):
    monkeypatch.setenv(java.VARIABLE, "long")
    with pytest.raises(ServersError, match="LUIGI_SINKS_SERVERS_JVM is long: it can be brief or tuned"):
        java.options()
