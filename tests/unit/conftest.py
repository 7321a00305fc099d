from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from luigi.configuration import LuigiConfigParser, LuigiTomlParser

from luigi_sinks import config, redaction

Configure = Callable[..., None]


@pytest.fixture(autouse=True)
def _own_configuration() -> Iterator[None]:
    """Leave no mapping of a test in force for the next one."""
    yield
    config.use(None)


@pytest.fixture(autouse=True)
def _own_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave no secret of a test to be removed from what the next one says; many are ordinary words."""
    monkeypatch.setattr(redaction, "_held", {kind: dict(known) for kind, known in redaction._held.items()})
    monkeypatch.setattr(redaction, "_index", {start: set(found) for start, found in redaction._index.items()})


@pytest.fixture
def luigi_cfg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configure:
    """Return a function that sets the text of luigi.cfg (or luigi.toml)."""

    def configure(text: str, kind: str = "cfg") -> None:
        path = tmp_path / f"luigi.{kind}"
        path.write_text(text)
        parser = LuigiTomlParser if kind == "toml" else LuigiConfigParser
        monkeypatch.setattr(parser, "_config_paths", [str(path)])
        monkeypatch.setattr(parser, "_instance", None)
        monkeypatch.setenv("LUIGI_CONFIG_PARSER", kind)

    configure("")
    return configure


@pytest.fixture
def memory(luigi_cfg: Configure, tmp_path: Path) -> Path:
    """Keep every dataset in a SQLite file in a new folder."""
    luigi_cfg(f"[luigi_sinks]\nlocal = {tmp_path}/sinks\n[core]\nautoload_range = false\n")
    return tmp_path / "sinks"
