import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pandas as pd
import polars as pl
import pytest

from luigi_sinks.contract import Contract, Field, TupleShape, WrongRow
from luigi_sinks.errors import BadRow, CheckFailed, NotInstalled, Unavailable
from luigi_sinks.retry import patient
from luigi_sinks.writer import Writer


@dataclass
class Stage:
    """Keeps the parts; the first `unavailable` writes fail."""

    writers: int = 2
    unavailable: int = 0
    slow: float = 0.0
    parts: list = field(default_factory=list)
    most_at_once: int = 0
    _at_once: int = 0
    _lock: object = field(default_factory=threading.Lock)

    def write(self, part):
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            failing, self.unavailable = self.unavailable > 0, self.unavailable - 1
        time.sleep(self.slow)
        with self._lock:
            self._at_once -= 1
            if failing:
                raise Unavailable("no answer")
            self.parts.append(part)


class TwoKinds(Contract):
    def split(self, row):
        if row[0] not in self.shapes:
            raise WrongRow(0, "kind", "is unknown")
        return row[0], row[1]


SHAPE = TupleShape((Field("id", int), Field("name", str | None)))
PLAIN = Contract("d", {"": SHAPE})


def writing(stage, contract=PLAIN, patience=60):
    return Writer(patient(stage, patience), contract)


def rows_of(stage):
    return [row for part in sorted(stage.parts, key=lambda part: part.number) for row in part.rows]


def test_parts_are_numbered_and_know_their_first_row():
    stage = Stage()
    with writing(stage) as writer:
        for i in range(100_000):
            writer.write((i, None))
    parts = sorted(stage.parts, key=lambda part: part.number)
    assert [part.number for part in parts] == list(range(len(parts)))
    assert [part.first_row for part in parts] == [1 + part.rows[0][0] for part in parts]
    assert rows_of(stage) == [(i, None) for i in range(100_000)]
    assert writer.rows == 100_000
    assert len(writer.part_seconds) == len(parts)


def test_large_rows_make_parts_of_few_rows():
    stage = Stage()
    with writing(stage) as writer:
        for i in range(1_300):
            writer.write((i, "x" * 400_000 if i >= 1_000 else "x" * 10_000))
    assert max(len(part.rows) for part in stage.parts if part.number) <= 400
    assert len(stage.parts[-1].rows) <= 400


SIZES = {
    "large at last": lambda number: 50 if number < 20_000 else 200_000,
    "large at first": lambda number: 200_000 if number < 100 else 50,
    "in turn": lambda number: 200_000 if number % 1_000 < 20 else 50,
    "every second": lambda number: 200_000 if number % 200 == 1 else 50,
    "one of all": lambda number: 9_000_000 if number == 11_111 else 50,
}


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("nested", [lambda text: text, lambda text: {"a": [{"b": text}]}], ids=["text", "nested"])
def test_a_part_is_bounded_by_its_own_bytes_however_rows_change_their_size(size, nested):
    stage = Stage()
    with writing(stage, Contract("d", {"": TupleShape((Field("id", int), Field("value", object)))})) as writer:
        for number in range(20_200):
            writer.write((number, nested("x" * size(number))))
    sizes = [sum(size(number) for number, _ in part.rows) for part in stage.parts]
    assert max(sizes) < 2 * 4_000_000 + 6_400_000, "a part, and a run of which the first large row was not measured"
    assert sum(len(part.rows) for part in stage.parts) == 20_200


def test_a_frame_with_large_cells_is_read_in_small_slices():
    stage = Stage()
    with writing(stage) as writer:
        writer.write(pl.DataFrame({"id": range(300), "name": ["x" if i < 200 else "x" * 200_000 for i in range(300)]}))
    assert max(sum(len(name) for _, name in part.rows) for part in stage.parts) < 6_000_000
    assert rows_of(stage)[-1][0] == 299


FINE = 1_731_437_100_123_456_789


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([1_000, FINE], dtype=pl.Datetime("ns")),
        pl.Series([1_000, FINE], dtype=pl.Datetime("ns", "Europe/Zurich")),
        pl.Series([1_000, 1_001], dtype=pl.Duration("ns")),
        pl.Series([1_000, 1_001]).cast(pl.Time),
        pl.Series([[1_000], [None, FINE]]).cast(pl.List(pl.Datetime("ns"))),
        pl.Series([[1_000], [FINE]]).cast(pl.Array(pl.Datetime("ns"), 1)),
        pl.Series([{"a": 1_000}, {"a": FINE}]).cast(pl.Struct({"a": pl.Datetime("ns")})),
    ],
    ids=lambda column: str(column.dtype),
)
def test_nanoseconds_of_a_frame_are_refused_and_microseconds_are_taken(column):
    contract = Contract("d", {"": TupleShape((Field("id", int), Field("at", object)))})
    frame = pl.DataFrame({"id": [1, 2], "at": column})
    for given in (frame, frame.to_arrow()):
        with pytest.raises(BadRow, match="row 3, field 'at': has nanoseconds"), writing(Stage(), contract) as writer:
            writer.write((0, None))
            writer.write(given)
    stage = Stage()
    with writing(stage, contract) as writer:
        writer.write(frame[:1])
    assert len(rows_of(stage)) == 1


@pytest.mark.parametrize("kind", ["datetime64[ns]", "datetime64[ns, UTC]", object, "timedelta64[ns]"])
def test_nanoseconds_of_pandas_are_refused(kind):
    contract = Contract(
        "d",
        {
            "": TupleShape(
                (Field("id", int), Field("at", timedelta | None if "delta" in str(kind) else datetime | None))
            )
        },
    )
    column = pd.Series(pd.array([1_000, FINE, None], dtype="Int64")).astype("datetime64[ns]")
    column = pd.Series([1_000, FINE, None], dtype=kind) if kind == "timedelta64[ns]" else column
    column = column.dt.tz_localize("UTC") if "UTC" in str(kind) else column.astype(kind)
    with pytest.raises(BadRow, match=r"row 2, field 'at': .*(nanoseconds|finer than)"), writing(Stage(), contract) as w:
        w.write(pd.DataFrame({"id": [1, 2, 3], "at": column}))


def test_a_time_beyond_the_years_of_python_is_named():
    frame = pl.DataFrame({"id": [1, 2], "name": pl.Series([0, 10**18], dtype=pl.Datetime("us"))})
    with pytest.raises(BadRow, match="row 2, field 'name': holds a value that Python cannot keep"):
        Writer(Stage(), Contract("d", {"": TupleShape((Field("id", int), Field("name", datetime)))})).write(frame)


def test_an_earlier_row_that_is_wrong_is_named_before_one_that_cannot_be_taken():
    with pytest.raises(BadRow, match="row 1, field 'id'"), writing(Stage()) as writer:
        writer.write(("x", None))
        writer.write(None)


def test_no_more_parts_are_written_in_parallel_than_the_stage_has_writers():
    stage = Stage(writers=3, slow=0.2)
    with writing(stage) as writer:
        for i in range(150_000):
            writer.write((i, None))
    assert 1 < stage.most_at_once <= 3


def test_a_part_is_retried_while_the_store_is_unavailable():
    stage = Stage(unavailable=2)
    with writing(stage) as writer:
        writer.write((1, None))
    assert rows_of(stage) == [(1, None)]


def test_a_store_that_stays_unavailable_ends_the_load():
    with pytest.raises(Unavailable), writing(Stage(unavailable=99), patience=0.5) as writer:
        writer.write((1, None))


def test_a_new_kind_waits_until_all_rows_of_the_previous_kind_are_written():
    stage = Stage(slow=0.05)
    contract = TwoKinds("d", {"node": SHAPE, "edge": SHAPE})
    with writing(stage, contract) as writer:
        for i in range(10):
            writer.write(("node", (i, None)))
        writer.write(("edge", (99, None)))
        assert [part.kind for part in stage.parts] == ["node"]
    assert [part.kind for part in stage.parts] == ["node", "edge"]


def test_a_row_of_an_unknown_kind_is_named():
    contract = TwoKinds("d", {"node": SHAPE})
    with pytest.raises(BadRow, match="row 2, field 'kind'"), writing(Stage(), contract) as writer:
        writer.write(("node", (1, None)))
        writer.write(("nod", (2, None)))


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame({"id": [1, 2], "name": ["a", None]}),
        pl.DataFrame({"id": [1, 2], "name": ["a", None]}).to_arrow(),
    ],
    ids=["data frame", "Arrow table"],
)
def test_frames_are_accepted_as_rows(frame):
    stage = Stage()
    with writing(stage) as writer:
        writer.write(frame)
        writer.write((3, "c"))
    assert rows_of(stage) == [(1, "a"), (2, None), (3, "c")]


def test_frames_of_pandas_are_accepted_with_text_and_optional_integers():
    stage = Stage()
    with writing(stage) as writer:
        writer.write(pd.DataFrame({"id": pd.array([1, 2], dtype="Int64"), "name": ["a", None]}))
    assert rows_of(stage) == [(1, "a"), (2, None)]


def test_a_value_of_another_type_in_a_frame_is_named_by_row_and_field():
    with (
        pytest.raises(BadRow, match=r"row 2, field 'name': expected text \(str\) or None, got int 3"),
        writing(Stage()) as writer,
    ):
        writer.write(pd.DataFrame({"id": [1, 2], "name": pd.Series(["a", 3], dtype=object)}))


def test_a_frame_that_cannot_be_read_names_the_column():
    with (
        pytest.raises(CheckFailed, match="column 'name' holds values without a common type; give each"),
        writing(Stage()) as writer,
    ):
        writer.write(pd.DataFrame({"id": [1, 2], "name": [1j, 2j]}))


def test_a_frame_that_needs_pyarrow_names_the_extra(monkeypatch):
    class WithoutPyarrow:
        def __init__(self, frame):
            raise ModuleNotFoundError("pa.array requires 'pyarrow' module to be installed")

    monkeypatch.setattr("luigi_sinks.frames.pl.DataFrame", WithoutPyarrow)
    with pytest.raises(NotInstalled, match=r"pip install 'luigi-sinks\[arrow\]'"), writing(Stage()) as writer:
        writer.write(pd.DataFrame({"id": [1], "name": ["a"]}))


def test_lists_are_accepted_as_rows():
    stage = Stage()
    with writing(stage) as writer:
        writer.write([1, "a"])
    assert rows_of(stage) == [(1, "a")]


@pytest.mark.parametrize("row", [None, 3, "text", b"bytes", object()])
def test_values_that_are_not_rows_are_refused(row):
    with (
        pytest.raises(BadRow, match="pass a dict, a tuple, an Arrow table or a data frame"),
        writing(Stage()) as writer,
    ):
        writer.write(row)


def test_an_error_that_the_caller_caught_still_ends_the_load():
    stage = Stage()
    with pytest.raises(CheckFailed), writing(stage) as writer:
        writer.write((1, None))
        with pytest.raises(BadRow):
            writer.write(None)
    assert stage.parts == []


def test_a_dict_that_the_caller_reuses_keeps_its_values():
    stage, row = Stage(), {"name": None}
    with writing(stage) as writer:
        for i in range(5):
            row["id"] = i
            writer.write(row)
    assert rows_of(stage) == [(i, None) for i in range(5)]
