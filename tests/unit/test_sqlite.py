from pathlib import Path
from typing import Annotated, Any

import pytest
from msgspec import Meta

from luigi_sinks.contract import Contract, Field, TupleShape
from luigi_sinks.sqlite import SQLiteCatalog, SQLiteSink, datasets
from luigi_sinks.testing.suite import SinkSuite

FLOAT_MAX = 1.7976931348623157e308
SHAPE = TupleShape(
    (
        Field("id", Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]),
        Field("name", Annotated[str, Meta(max_length=20)]),
        Field("amount", Annotated[float, Meta(ge=-FLOAT_MAX, le=FLOAT_MAX)] | None),
    ),
    key=("id",),
)


class TestMemorySink(SinkSuite):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def make_sink(self, dataset: str) -> SQLiteSink:
        return SQLiteSink(self.folder, "memory", dataset, Contract(dataset, {"": SHAPE}))

    def catalog(self, sink: Any) -> SQLiteCatalog:
        return SQLiteCatalog(self.folder, "memory", sink.dataset)

    def datasets(self, sink: Any) -> list[str]:
        del sink
        return datasets(self.folder, "memory")
