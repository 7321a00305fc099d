"""What names code and data in OpenLineage is a URI, or nothing."""

import pytest

from luigi_sinks.lineage.facets import uris


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("https://host/%", "https://host/%25"),
        ("https://host/%20%zz", "https://host/%20%25zz"),
        ("https://host/a b?q=[1]#x#y", "https://host/a%20b?q=%5B1%5D#x%23y"),
        ("https://[::1]:80/x", "https://[::1]:80/x"),
        ("ssh://git@host:22/é", "ssh://git@host:22/%C3%A9"),
    ],
)
def test_what_a_uri_may_not_hold_is_written_in_percents(text, uri):
    assert uris.of_code(text, "") == uris.of_data(text, "") == uri


@pytest.mark.parametrize("text", ["://", "ä://host/x", "https://[/", "https://host:port/x", "1://x"])
def test_a_text_that_does_not_begin_as_a_uri_is_left_out(text):
    assert uris.of_code(text, "") is None
    assert uris.of_data(text, "") is None
