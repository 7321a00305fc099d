import pytest

from luigi_sinks import config
from luigi_sinks.recording import recorder, spool


@pytest.fixture
def said(caplog):
    """Return a function that gives what was logged about lineage: Luigi logs too."""
    return lambda: [record.getMessage() for record in caplog.records if record.name == "luigi_sinks.lineage"]


@pytest.fixture
def lineage_settings():
    """What a test sets in the section `[luigi_sinks.lineage]` besides the spool."""
    return {}


@pytest.fixture
def lineage(tmp_path, lineage_settings):
    """Record into a new spool, and return a function that gives what is recorded, of one kind or of all."""
    folder = tmp_path / "spool"
    section = {"spool": str(folder), "exit_seconds": 0, **lineage_settings}
    config.use({"luigi_sinks": {"local": str(tmp_path / "sinks"), "lineage": section}})

    def events(kind=object):
        found = [event for path in spool.files(folder) for _, event in spool.read(path)]
        return [event for event in found if isinstance(event, kind)]

    yield events
    if recorder.active() is not None:
        recorder.active().spool.leave()
