"""Data frames reach the server as lines of JSON, by their columns, and come back as they were given."""

import datetime as dt

import polars as pl
import pytest

from luigi_sinks import columnar
from luigi_sinks.errors import BadRow

MAPPING = {
    "id": {"type": "keyword"},
    "size": {"type": "long"},
    "real": {"type": "double"},
    "truth": {"type": "boolean"},
    "name": {"type": "keyword"},
    "note": {"type": "text"},
    "at": {"type": "date"},
}
NOON = dt.datetime.fromisoformat("2013-01-31T12:00:00")
ROWS = [
    {"id": "a", "size": 2**62, "real": 0.1, "truth": True, "name": 'a"\\\n', "note": "🛫", "at": NOON},
    {
        "id": "b",
        "size": None,
        "real": -1e300,
        "truth": None,
        "name": "",
        "note": None,
        "at": NOON.replace(microsecond=5),
    },
    {"id": "ü", "size": -1, "real": None, "truth": False, "name": None, "note": "\x07 null", "at": None},
]


@pytest.fixture
def keyed(make_sink):
    """Return a sink with a field of each type that is looked at as a whole."""
    return make_sink(mapping=MAPPING)


def test_frames_and_rows_are_kept_alike(keyed, load_rows):
    frame = pl.DataFrame(ROWS)
    assert columnar.encoded(keyed.contract, "", frame) is not None
    kept = []
    for given in ([frame], ROWS):
        load_rows(keyed, given)
        kept.append(sorted(keyed.read(keyed.head("_all").version), key=lambda row: row["id"]))
    assert kept[0] == kept[1]
    assert [row["name"] for row in kept[0]] == ['a"\\\n', "", None]


def test_a_frame_may_lack_fields_but_not_the_id(keyed, load_rows):
    load_rows(keyed, [pl.DataFrame({"name": ["x"], "id": ["a"]})])
    assert list(keyed.read(keyed.head("_all").version)) == [{"name": "x", "id": "a"}]
    with pytest.raises(BadRow, match="row 1, field 'id'"):
        load_rows(keyed, [pl.DataFrame({"name": ["x"]})])


def test_an_id_that_repeats_within_frames_is_named_by_its_rows(keyed, load_rows):
    frames = [pl.DataFrame({"id": ["a", "b"]}), pl.DataFrame({"id": ["c", "a"]})]
    with pytest.raises(BadRow, match=r"row 4, field 'id': repeats the key 'a' of row 1"):
        load_rows(keyed, frames)
