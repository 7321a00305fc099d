"""Recording is on where luigi.cfg has a section for it that works, and off without a word where it has none."""

import pytest

from luigi_sinks import config
from luigi_sinks.errors import BadSetting
from luigi_sinks.recording import recorder, settings


def use(**lineage):
    config.use({"luigi_sinks": {"lineage": lineage}})


def test_without_the_section_nothing_is_recorded_and_nothing_is_said(said):
    config.use({"luigi_sinks": {}})
    assert recorder.active() is None
    assert said() == []


def test_a_wrong_section_is_logged_once_and_records_nothing(said):
    use(spol="/tmp/spool")
    assert recorder.active() is None
    assert recorder.active() is None
    (warning,) = said()
    assert warning.startswith("lineage is not recorded: [luigi_sinks.lineage] in the configuration: 'spol' is not a ")
    assert warning.endswith("setting; did you mean 'spool'?")


def test_a_configuration_that_is_wrong_elsewhere_is_not_for_lineage_to_complain_of(said, luigi_cfg):
    luigi_cfg("[luigi_sinks.mariadb]\nhost = %(nothing)s\n")
    assert recorder.active() is None
    assert said() == []


@pytest.mark.parametrize(
    ("lineage", "wrong"),
    [
        ({}, "there is no section|set spool"),
        ({"spool": "s", "max_bytes": 10}, "max_bytes must be at least 65536"),
        ({"spool": "s", "exit_seconds": -1}, "exit_seconds must be a number of seconds, or 0"),
        ({"spool": "s", "max_age": "inf"}, "max_age must be a number of seconds, or 0"),
        ({"spool": "s", "namespace": ""}, "namespace must not be empty"),
        ({"spool": "s", "openlineage_credential": "ol"}, "openlineage_credential needs an openlineage_url"),
        ({"spool": "s", "openlineage_url": "https://u:p@host"}, "contains a secret"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(lineage, wrong):
    use(**lineage)
    with pytest.raises(BadSetting, match=wrong):
        settings.read()


def test_the_spool_is_where_it_was_when_the_settings_were_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    use(spool="var/spool")
    assert settings.read().spool == tmp_path / "var/spool"


@pytest.mark.parametrize(
    ("lineage", "store", "delivers"),
    [
        ({}, "neo4j", True),
        ({}, "mariadb", False),
        ({"graph": "false"}, "neo4j", False),
        ({"neo4j": "lineage"}, "neo4j", False),
        ({"neo4j": "neo4j"}, "neo4j.neo4j", True),
    ],
)
def test_it_is_delivered_to_neo4j_where_that_is_configured_and_not_declined(lineage, store, delivers):
    config.use({"luigi_sinks.lineage": {"spool": "s", **lineage}, f"luigi_sinks.{store}": {"host": "h"}})
    assert settings.read().delivers_to_graph is delivers
