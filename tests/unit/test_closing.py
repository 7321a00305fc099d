import pytest

import luigi_sinks
from luigi_sinks import closing


@pytest.fixture
def closers(monkeypatch):
    found = []
    monkeypatch.setattr(closing, "_closers", found)
    return found


def test_every_store_closes_what_it_keeps_open_though_one_cannot(closers):
    closed = []

    def failing():
        closed.append("first")
        raise OSError("the first cannot")

    closing.when_closed(failing)
    closing.when_closed(lambda: closed.append("second"))
    with pytest.raises(OSError, match="the first cannot"):
        luigi_sinks.close()
    assert closed == ["first", "second"]
