"""Tokens that are longer than a server takes: the error names the credential, each time, and does not quote it."""

import secrets
from dataclasses import replace

import pytest

from luigi_sinks import config, stores
from luigi_sinks.errors import BadSetting, CredentialError
from tests.secret_search import shown


def quotes(error, file):
    """Tell whether an error, or a frame of it, has some of the token in the file."""
    return file.read_text()[:40] in "\n".join(shown(error))


@pytest.mark.parametrize("holds", ["password", "bearer"])
@pytest.mark.parametrize("size", [20_000, 300_000])
@pytest.mark.parametrize("name", stores.names())
def test_each_attempt_with_a_token_that_is_too_long_names_its_credential(credential, tmp_path, name, size, holds):
    (tmp_path / "token").write_text(secrets.token_hex(size // 2))
    source = credential(source="file", path=tmp_path / "token", holds=holds)
    store = stores.find(name)
    settings = replace(config.read_connection(store.settings, name), credential=source, patience=0.0)
    for _ in range(3):
        with pytest.raises((BadSetting, CredentialError), match=rf"credential '{source}'") as caught:
            store.open_catalog(settings, "flights").head("_all")
        assert not quotes(caught.value, tmp_path / "token")
