"""The built-in sources, and those that other packages add."""

import inspect
import sys
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from luigi_sinks.credentials import Request, Token, sources, use
from luigi_sinks.credentials.sources import BUILT_IN, open_source
from luigi_sinks.errors import BadSetting, NotInstalled


class Ours:
    def __init__(self, name, use):
        self.name = name

    def scope(self, request):
        return Request()

    def fetch(self, request):
        return Token(f"of {self.name}")


def test_a_third_party_adds_a_source_by_an_entry_point(luigi_cfg, monkeypatch):
    monkeypatch.setitem(sys.modules, "third_party", sys.modules[__name__])
    added = EntryPoints([EntryPoint("ours", "third_party:Ours", sources.GROUP)])
    monkeypatch.setattr(sources, "entry_points", lambda group: added.select(group=group))
    luigi_cfg("[luigi_sinks.credential.db]\nsource = ours\n")
    assert use("db", lambda token: token.reveal()) == "of db"


def test_a_misspelt_source_is_explained(luigi_cfg):
    luigi_cfg("[luigi_sinks.credential.db]\nsource = rdsiam\n")
    with pytest.raises(BadSetting, match=r"'rdsiam' is not a source; did you mean 'rds_iam'\? Set `source`"):
        use("db", print)


@pytest.mark.parametrize(
    ("source", "module", "extra"),
    [("rds_iam", "boto3", "aws"), ("vault", "hvac", "vault"), ("oidc", "jwt", "oidc")],
)
def test_a_missing_extra_is_named(luigi_cfg, monkeypatch, source, module, extra):
    luigi_cfg(f"[luigi_sinks.credential.db]\nsource = {source}\n")
    for name in [name for name in sys.modules if name.startswith("luigi_sinks.credentials.sources.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(NotInstalled, match=rf"luigi-sinks\[{extra}\]"):
        use("db", print)


@pytest.mark.parametrize("source", sorted(BUILT_IN))
def test_every_source_refuses_an_unknown_key_and_lists_the_known_ones(luigi_cfg, source):
    luigi_cfg(f"[luigi_sinks.credential.db]\nsource = {source}\ncolour = blue\n")
    with pytest.raises(
        BadSetting, match=rf"\[luigi_sinks.credential.db\].*'colour'.*the settings of source = {source} are: \w"
    ) as caught:
        open_source("db", use)
    assert "known are" not in str(caught.value)


@pytest.mark.parametrize("source", sorted(BUILT_IN))
def test_every_source_has_docstrings(source):
    opener = sources._opener("db", source)
    assert inspect.getdoc(opener)
    assert inspect.getdoc(opener.fetch)
