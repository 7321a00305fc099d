"""A Chromium for the tests of the page, and a way to open a page in it."""

import pytest

from luigi_sinks.lineage import page
from tests.browser import browser


@pytest.fixture(scope="module")
def chromium():
    with browser() as tab:
        yield tab


@pytest.fixture
def open_page(chromium, tmp_path):
    """Return a function that opens the page of a network, and gives the tab with it."""

    def opened(found, fragment="", **options):
        chromium.complaints.clear()
        chromium.show(**options)
        page.write(found, tmp_path / "page.html")
        chromium.open(tmp_path / "page.html", fragment)
        return chromium

    yield opened
    assert chromium.complaints == []
    assert {url for url in chromium.requests if not url.startswith(("data:", "about:"))} <= {
        (tmp_path / "page.html").as_uri()
    }
