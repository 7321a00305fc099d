"""Races into Elasticsearch: `_bulk` with curl, this package, and the client's helpers.

Each writes the same documents over TLS to an index of one shard without refreshes, and then
refreshes it. curl sends prepared files, as many at once as this package has connections.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from elasticsearch import Elasticsearch, helpers
from luigi.configuration import get_config

from benchmarks import flights
from benchmarks.race import Case, Race, Took, timed
from luigi_sinks import Origin, config, dropping, load
from luigi_sinks.elasticsearch import ElasticsearchSettings, ElasticsearchSink
from luigi_sinks.elasticsearch.schema import parse_schema
from luigi_sinks.testing import servers

CHUNK = 13_000
SENDERS = 3
DICTS, POLARS, CURL = "dicts", "polars", "curl"
MAPPING = {
    name: {"type": "keyword" if name in flights.TEXTS else "float" if name in flights.FLOATS else "short"}
    for name in flights.NAMES
} | {"id": {"type": "integer"}, "time_hour": {"type": "date"}}
SETTINGS = {"number_of_replicas": 0, "refresh_interval": "-1"}
FLIGHTS = 336_776

CASES = (
    Case("elasticsearch-dicts", DICTS, (CURL,), 0.90),
    Case("elasticsearch-frames", POLARS, (CURL,), 0.95),
    Case("elasticsearch-dicts-cpu", DICTS, (), 3, "us of CPU a row"),
    Case("elasticsearch-frames-cpu", POLARS, (), 1.5, "us of CPU a row"),
)
PEERS = (
    Case("elasticsearch-streaming", DICTS, ("streaming_bulk",), 3),
    Case("elasticsearch-parallel", DICTS, ("parallel_bulk",), 1.8),
)


@contextmanager
def races(rows: int | None) -> Iterator[Sequence[Race]]:
    """Give the races, each of so many rows, or of its own number."""
    servers.up(["elasticsearch"])
    get_config().read_string(servers.config())
    with tempfile.TemporaryDirectory() as folder:
        loads = [
            (Loads(Path(folder), rows or FLIGHTS), CASES),
            (Loads(Path(folder), min(rows or 100_000, 100_000)), PEERS),
        ]
        yield [Race(each.count, each.methods, cases) for each, cases in loads]


class Loads:
    """The ways to load so many documents, each into an index of its own."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder, self.count = folder, count
        self.settings = config.read_connection(ElasticsearchSettings, "elasticsearch")
        secret = config.read_credential(self.settings.credential)["path"]
        self.login = (self.settings.user, Path(secret).read_text().strip())
        self.client = Elasticsearch(
            self.settings.url, ca_certs=str(self.settings.tls_ca), basic_auth=self.login, request_timeout=60
        )
        self.sink = ElasticsearchSink(self.settings, f"bench_{count}", parse_schema("bench", MAPPING, {}, "id"))
        self.methods = {
            CURL: self.by_curl,
            DICTS: partial(self.by_us, DICTS),
            POLARS: partial(self.by_us, POLARS),
            "streaming_bulk": lambda: self._taken(self._by_streaming_bulk),
            "parallel_bulk": lambda: self._taken(self._by_parallel_bulk),
        }

    @cached_property
    def documents(self) -> list[dict[str, Any]]:
        """What is loaded."""
        rows = (dict(zip(flights.NAMES, row, strict=True)) for row in flights.rows(self.count))
        return [{**row, "time_hour": row["time_hour"].isoformat()} for row in rows]

    @cached_property
    def given(self) -> dict[str, Any]:
        """What this package is given."""
        return {DICTS: self.documents, POLARS: [flights.frame(flights.rows(self.count))]}

    @cached_property
    def files(self) -> list[Path]:
        """What curl sends."""
        return [self._file(self.documents[first : first + CHUNK]) for first in range(0, self.count, CHUNK)]

    def by_us(self, kind: str) -> Took:
        """Load with this package into a dataset that exists."""
        load(self.sink, "_all", Origin("benchmark"), self.documents[:1])  # makes the dataset
        given = self.given[kind]
        seconds, cpu = timed(lambda: load(self.sink, "_all", Origin("benchmark"), given))
        took = Took(seconds, cpu, self._found(self.sink.dataset))
        dropping.drop_dataset(self.sink, really=self.sink.dataset)
        return took

    def by_curl(self) -> Took:
        """Send the files to `_bulk`, several at once."""
        files = self.files
        return self._taken(lambda index: self._by_curl(index, files))

    def _by_curl(self, index: str, files: Sequence[Path]) -> None:
        options = ["--silent", "--fail", "--cacert", str(self.settings.tls_ca), "--config", str(self._secrets())]
        options += ["--header", "Content-Type: application/x-ndjson", "--output", "/dev/null"]
        url = f"{self.settings.url}/{index}/_bulk?filter_path=errors"
        command = ["xargs", "-P", str(SENDERS), "-I", "FILE", "curl", *options, "--data-binary", "@FILE", url]
        subprocess.run(command, input="\n".join(map(str, files)), text=True, check=True)

    def _by_streaming_bulk(self, index: str) -> None:
        deque(helpers.streaming_bulk(self.client, self._actions(index)), maxlen=0)

    def _by_parallel_bulk(self, index: str) -> None:
        actions = self._actions(index)
        deque(helpers.parallel_bulk(self.client, actions, thread_count=4, chunk_size=2_000), maxlen=0)

    def _taken(self, work: Callable[[str], None]) -> Took:
        """Return what a method takes to fill an empty index, and to refresh it."""
        index = f"bench_{secrets.token_hex(4)}"
        mapping = {"dynamic": "strict", "properties": MAPPING}
        self.client.indices.create(index=index, mappings=mapping, settings=SETTINGS)

        def load_and_refresh() -> None:
            work(index)
            self.client.indices.refresh(index=index)

        try:
            seconds, cpu = timed(load_and_refresh)
            return Took(seconds, cpu, self._found(index))
        finally:
            self.client.indices.delete(index=index)

    def _found(self, index: str) -> Any:
        sums = {name: {"sum": {"field": name}} for name in ("id", "distance", "arr_delay", "time_hour")}
        tails = {"tails": {"cardinality": {"field": "tailnum", "precision_threshold": 40_000}}}
        answer = self.client.search(index=index, size=0, track_total_hits=True, aggs=sums | tails)
        totals = sorted((name, round(found["value"])) for name, found in answer["aggregations"].items())
        return answer["hits"]["total"]["value"], tuple(totals)

    def _file(self, documents: Sequence[dict[str, Any]]) -> Path:
        path = self.folder / f"{secrets.token_hex(4)}.ndjson"
        with path.open("w") as file:
            for document in documents:
                action = {"create": {"_id": str(document["id"])}}
                file.write(f"{json.dumps(action)}\n{json.dumps(document, separators=(',', ':'))}\n")
        return path

    def _secrets(self) -> Path:
        path = self.folder / "curl.cfg"
        path.touch(mode=0o600)
        path.write_text(f'user = "{":".join(self.login)}"\n')
        return path

    def _actions(self, index: str) -> Iterator[dict[str, Any]]:
        return ({"_op_type": "create", "_index": index, "_id": str(d["id"]), "_source": d} for d in self.documents)
