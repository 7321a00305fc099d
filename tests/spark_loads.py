"""Loads for `tests.spark_driver`, whose executors fail at a chosen part."""

import os
import sys
from functools import partial
from pathlib import Path

import luigi
import pyarrow as pa
import pyspark
from pyspark import StorageLevel, TaskContext
from pyspark.cloudpickle import dumps
from pyspark.sql import functions as F  # noqa: N812 - as everybody calls it
from sqlalchemy import BigInteger, Column, DateTime, String, Text

from luigi_sinks import config
from luigi_sinks.elasticsearch import ElasticsearchTarget
from luigi_sinks.mariadb import CopyToTable, MariaDBTarget
from luigi_sinks.neo4j import Neo4jTarget, Node, Relationship
from luigi_sinks.spark import SparkCopy, driver, write
from luigi_sinks.spark.partition import Columns
from luigi_sinks.version import WHOLE, new_version
from tests.spark_faults import NODES, PARTITIONS, ROWS


class FaultyStage:
    """A stage that fails as it is told."""

    def __init__(self, stage, fault):
        self._stage, self._fault = stage, fault
        self.version, self.writers = stage.version, 1

    def write(self, part):
        context, number = FaultyStage.context, part.number & 0xFFFF
        if self._fault.is_blind:
            vars(part)["digest"] = "unknown"
        self._fault.befall(context, number)
        self._stage.write(part)
        self._fault.note(context, number)


class FaultySink:
    """A sink that opens such stages."""

    def __init__(self, sink, fault):
        self._sink, self._fault = sink, fault

    def __getattr__(self, name):
        return getattr(self._sink, name)

    def attach(self, version):
        FaultyStage.context = TaskContext.get()  # parts are written by threads, which have none
        return FaultyStage(self._sink.attach(version), self._fault)


class Faulty:
    """A target whose sink fails on executors."""

    fault = None

    def open_sink(self):
        sink = super().open_sink()
        return FaultySink(sink, self.fault) if self.fault and TaskContext.get() else sink


class FaultyTable(Faulty, MariaDBTarget):
    pass


class FaultyIndex(Faulty, ElasticsearchTarget):
    pass


class FaultyGraph(Faulty, Neo4jTarget):
    pass


def target_of(store, dataset, fault=None, *, is_keyed=True, **options):
    """Return the target of a dataset of ids and texts."""
    options = {"update_id": "spark", **options}
    if store == "mariadb":
        columns = [Column("id", BigInteger, primary_key=is_keyed, autoincrement=False), Column("text", Text)]
        columns = columns if is_keyed else [Column("id", BigInteger), Column("text", Text)]
        target = FaultyTable(dataset, columns=columns, **options)
    elif store == "elasticsearch":
        mapping = {"id": {"type": "long"}, "text": {"type": "keyword", "index": False, "doc_values": False}}
        target = FaultyIndex(dataset, mapping=mapping, id_field="id" if is_keyed else "", **options)
    else:
        nodes = (Node("Item", key="id", properties={"id": int, "text": str | None}),)
        links = (Relationship("LINK", "Item", "Item", properties={"id": int, "text": str}),)
        target = FaultyGraph(dataset, nodes=nodes, relationships=links, **options)
    target.fault = fault
    return target


def frame_of(session, rows=ROWS, partitions=PARTITIONS):
    """Return a frame of ids and texts."""
    return session.range(0, rows, 1, partitions).select(
        "id", F.repeat(F.sha2(F.col("id").cast("string"), 256), 4).alias("text")
    )


def given_for(store, frame, *, is_keyed):
    """Return what is loaded: rows with keys, or for a graph relationships, which have none."""
    if store != "neo4j":
        return frame
    if is_keyed:
        return {"Item": frame}
    spark = frame.sparkSession
    ends = [(F.col("id") % NODES).alias("start"), (F.col("id") * 7 % NODES).alias("end")]
    return {"LINK": frame.select(*ends, "id", "text"), "Item": spark.range(NODES).select("id", F.lit("").alias("text"))}


def backwards_if_again(batches):
    """Yield the rows of a partition in another order when it is made again."""
    for batch in batches:
        indices = range(batch.num_rows)
        yield batch.take(pa.array(reversed(indices) if TaskContext.get().attemptNumber() else indices))


def load(session, store, dataset, *, is_keyed=True, fault=None, again="same", rows=ROWS, sort=True, **options):
    """Load a frame; return the version. `again` says in which order a partition comes when it is made again."""
    target = target_of(store, dataset, fault, is_keyed=is_keyed, **options)
    frame = frame_of(session, rows)
    if again != "same":
        frame = frame.mapInArrow(backwards_if_again, frame.schema)
    return str(write(given_for(store, frame, is_keyed=is_keyed), target, sort=sort))


def load_locally(session, store, dataset, folder):
    """Load into a SQLite file that driver and executors share; return how many rows its version has."""
    with config.using({"luigi_sinks": {"local": folder}}):
        target = target_of(store, dataset)
        write(given_for(store, frame_of(session, 1_000), is_keyed=True), target)
        return target.record().rows


def load_texts(session, dataset, texts, **options):
    """Load these texts into a table of short ones."""
    columns = [Column("id", BigInteger), Column("text", String(5))]
    frame = session.createDataFrame(list(enumerate(texts)), "id long, text string").repartitionByRange(3, "id")
    write(frame, MariaDBTarget(dataset, columns=columns, update_id="texts", **options))


def load_times(session, dataset, text, kind, info):
    """Load one time, as Spark parses it, into a table."""
    frame = session.sql(f"SELECT 1L AS id, CAST('{text}' AS {kind}) AS at")
    columns = [Column("id", BigInteger), Column("at", DateTime, info=info)]
    write(frame, MariaDBTarget(dataset, columns=columns, update_id="times"))


def load_kind(session, store, dataset, what):
    """Try to load what is not one frame for each kind."""
    frame = frame_of(session, 10, 1)
    given = {
        "frames": {"Item": frame},
        "unknown kind": {"Itm": frame},
        "pandas": frame.toPandas(),
        "stream": session.readStream.format("rate").load(),
        "twice": frame.select("id", "text", F.col("text").alias("text")),
        "frame": frame,
    }[what]
    write(given, target_of(store, dataset))


def pickled(session, store, dataset, secret):
    """Return what is shipped to executors, and the target itself, of which a check has a secret."""
    target = target_of(store, dataset, checks=(partial(_holds, secret),))
    partition = driver._shipped(target, new_version(dataset, WHOLE), "", 0, Columns())
    return dumps(partition), dumps(target)


def _holds(secret, version, counts):
    del secret, version, counts


def folder_of_logs(session):
    """Return where the executors of this machine keep their logs: Spark has no setting for it."""
    return Path(pyspark.__file__).parent / "work" / session.sparkContext.applicationId


def folders(session):
    """Return the folders that Spark writes to on this machine."""
    return [os.environ["SPARK_LOCAL_DIRS"], str(folder_of_logs(session))]


def leak(session, secret):
    """Have an executor print a secret, and keep it in a frame on disk."""
    frame = session.createDataFrame([(secret,)] * 10, "text string").repartition(2)
    frame.persist(StorageLevel.DISK_ONLY).foreach(lambda row: sys.stderr.write(row.text))


def running_jobs(session):
    """Return the ids of the jobs that Spark has not ended yet."""
    return list(session.sparkContext.statusTracker().getActiveJobsIds())


def run_task(session, dataset):
    """Run a Luigi task that loads a frame; return whether it succeeded, and what it found."""
    task = type("Items", (SparkCopy, CopyToTable), {**_ITEMS, "table": dataset})()
    done = luigi.build([task], local_scheduler=True, no_lock=True, log_level="WARNING")
    return done, task.complete(), [record.state for record in task.output().sink().records()]


_ITEMS = {
    "columns": [Column("id", BigInteger, primary_key=True, autoincrement=False), Column("text", Text)],
    "frame": lambda self, session: frame_of(session, 100, 2),
}
