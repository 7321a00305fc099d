"""Loads rows into a dataset, or reads them, and prints the peak of this process's memory in bytes.

Takes a luigi.cfg, a store, a dataset, how many rows of how many bytes of text, and
what to do: `load`, `read`, `keep`, which loads as it must not (all rows are made
first), or one of `MIXES`, which loads so many large rows among 60,000 of 50 bytes.
"""

import gc
import sys
from itertools import chain, repeat
from pathlib import Path

from luigi.configuration import add_config_path

from luigi_sinks import writer


def main(config, store, dataset, count, text, way):
    add_config_path(config)
    gc.disable()  # it comes by after many objects, so rows that are large and few would wait for it for ever
    if way not in MIXES:
        writer._PART_BYTES = 500_000  # an eighth: the few rows that fill all parts under way are quickly loaded
    target = TARGETS[store](dataset)
    if way == "read":
        assert sum(1 for _ in target.rows()) == int(count)
    else:
        sizes = MIXES[way](int(count), int(text)) if way in MIXES else repeat(int(text), int(count))
        rows = given(store, sizes)
        with target.open("w") as sink:
            for row in list(rows) if way == "keep" else rows:
                sink.write(row)
    sys.stdout.write(str(peak()))


def given(store, sizes):
    for number, size in enumerate(sizes):
        row = {"id": number, "text": str(number).zfill(size)}
        yield ("Row", row) if store == "neo4j" else row


def in_turn(count, size, tiny=60_000, runs=20):
    for _ in range(runs):
        yield from repeat(50, tiny // runs)
        yield from repeat(size, count // runs)


MIXES = {
    "tiny first": lambda count, size: chain(repeat(50, 60_000), repeat(size, count)),
    "large first": lambda count, size: chain(repeat(size, count), repeat(50, 60_000)),
    "in turn": in_turn,
}
"""The sizes of rows, of which so many are large."""


def in_mariadb(dataset):
    from sqlalchemy import Column, Integer  # noqa: PLC0415 - each process is to hold one store's client
    from sqlalchemy.dialects.mysql import MEDIUMTEXT  # noqa: PLC0415 - as above

    from luigi_sinks.mariadb import MariaDBTarget  # noqa: PLC0415 - as above

    columns = [Column("id", Integer, primary_key=True), Column("text", MEDIUMTEXT, nullable=False)]
    return MariaDBTarget(dataset, columns=columns, update_id="all")


def in_elasticsearch(dataset):
    from luigi_sinks.elasticsearch import ElasticsearchTarget  # noqa: PLC0415 - as above

    mapping = {"id": {"type": "integer"}, "text": {"type": "keyword", "index": False, "doc_values": False}}
    return ElasticsearchTarget(dataset, mapping=mapping, id_field="id", update_id="all")


def in_neo4j(dataset):
    from luigi_sinks.neo4j import Neo4jTarget, Node  # noqa: PLC0415 - as above

    return Neo4jTarget(dataset, nodes=[Node("Row", key="id", properties={"id": int, "text": str})], update_id="all")


TARGETS = {"mariadb": in_mariadb, "elasticsearch": in_elasticsearch, "neo4j": in_neo4j}


def peak():
    """Return the most that was resident; `getrusage` would count in the process that started this one."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return 1024 * int(status["VmHWM"].removesuffix("kB"))


if __name__ == "__main__":
    main(*sys.argv[1:])
