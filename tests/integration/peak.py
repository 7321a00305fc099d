"""Loads rows into a dataset, or reads them, and prints the peak of this process's memory in bytes.

Takes a luigi.cfg, a store, a dataset, how many rows of how many bytes of text, and
what to do: `load`, `read`, or `keep`, which loads as it must not: all rows are
made first.
"""

import gc
import sys
from pathlib import Path

from luigi.configuration import add_config_path

from luigi_sinks import writer


def main(config, store, dataset, count, text, way):
    add_config_path(config)
    gc.disable()  # it comes by after many objects, so rows that are large and few would wait for it for ever
    writer._PART_BYTES = 500_000  # an eighth: the few rows that fill all parts under way are quickly loaded
    target = TARGETS[store](dataset)
    if way == "read":
        assert sum(1 for _ in target.rows()) == int(count)
    else:
        rows = given(store, int(count), int(text))
        with target.open("w") as sink:
            for row in list(rows) if way == "keep" else rows:
                sink.write(row)
    sys.stdout.write(str(peak()))


def given(store, count, text):
    for number in range(count):
        row = {"id": number, "text": str(number).zfill(text)}
        yield ("Row", row) if store == "neo4j" else row


def in_mariadb(dataset):
    from sqlalchemy import Column, Integer, Text  # noqa: PLC0415 - each process is to hold one store's client

    from luigi_sinks.mariadb import MariaDBTarget  # noqa: PLC0415 - as above

    columns = [Column("id", Integer, primary_key=True), Column("text", Text, nullable=False)]
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
