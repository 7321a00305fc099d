"""Loads a frame of Spark: this process stages, seals, checks and publishes, and Spark's executors write."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from luigi_sinks import config, running
from luigi_sinks.errors import BadSetting, Unavailable
from luigi_sinks.load import Load, staging
from luigi_sinks.spark import frames, times
from luigi_sinks.spark.partition import Columns, Partition
from luigi_sinks.spark.summary import SCHEMA, Summary
from luigi_sinks.staged import Staged, Written
from luigi_sinks.target import VersionedTarget
from luigi_sinks.version import Version

_UNAVAILABLE = re.compile(rf"{re.escape(Unavailable.__module__)}\.Unavailable: (.*)")
"""How Spark quotes the last error of a task."""


def write(frame: Any, target: VersionedTarget, sort: bool = True) -> Version:
    """Load a frame of Spark as one version of a target, and publish it; return the version.

    - `frame`: a DataFrame, or for a graph one for each kind of row: `{"Airport": airports, "ROUTE": routes}`.
    - `target`: a `MariaDBTarget`, `ElasticsearchTarget` or `Neo4jTarget`.
    - `sort`: whether each partition is sorted before it is written, by the key, or by all columns if there
      is none. A partition that Spark has to make again must have its rows in the same order, or the load
      ends in Conflict. Pass False for frames whose partitions have an order that never changes.

    Every partition is written by the executor that has it, in parts, each exactly once however often
    Spark runs its task. Timestamps are instants: they are sent in UTC, also to a column of MariaDB
    that says `info={"time_zone": "UTC"}`.

    Raises BadSetting for a frame or an option that cannot work, BadRow that names the partition and the row
    within it, Conflict if a partition came in another order or with other rows, or another load
    publishes first, Unavailable if a store does not answer in any of Spark's attempts, and what
    `luigi_sinks.loading` does. After each of these errors, as after Ctrl-C, readers see what they saw before.

    Example, in a program that Spark runs:

        frame = session.read.parquet("s3://bucket/departures/month=2013-01")
        write(frame, mariadb.MariaDBTarget("departures", columns=COLUMNS, update_id="2013-01", partition="201301"))

    """
    load = target.load()
    _refuse_options(target, load)
    given = frames.by_kind(target.name, frame, load.sink.contract)
    prepared = {kind: _columns(target, kind, each) for kind, each in given.items()}
    with staging(load) as staged:
        with staged.told.step("wait"):
            written = _write_all(staged, target, {kind: (given[kind], prepared[kind]) for kind in given}, sort=sort)
        staged.seal(written)
    return staged.stage.version


def _refuse_options(target: VersionedTarget, load: Load) -> None:
    """Raise BadSetting for what one process has to do with all rows."""
    if load.changes_by_key:
        raise BadSetting(f"{target.name!r}: changes_by_key is not supported for frames of Spark; give all rows")
    if load.most_bad_rows is not None:
        raise BadSetting(
            f"{target.name!r}: on_bad_row = 'set_aside' is not supported for frames of Spark; filter the rows, or "
            "leave it out"
        )


def _columns(target: VersionedTarget, kind: str, frame: Any) -> Columns:
    names = times.instants(frame.schema)
    naive = times.without_zone(target.name, names, target.contract.shapes[kind], target.utc_columns)
    return Columns(tuple(names), tuple(naive))


def _write_all(
    staged: Staged, target: VersionedTarget, given: Mapping[str, tuple[Any, Columns]], *, sort: bool
) -> Written:
    """Have the frames written, one after the other: a relationship finds its nodes."""
    done: list[Summary] = []
    offset = 0
    for kind, (frame, columns) in given.items():
        ordered = frames.in_order(frame, target.contract.shapes[kind]) if sort else frame
        found = _run(ordered, _shipped(target, staged.stage.version, kind, offset, columns))
        offset += max((each.partition + 1 for each in found), default=0)
        done += found
    return Written(
        rows=sum(each.rows for each in done),
        bytes=sum(each.bytes for each in done),
        seconds=[seconds for each in done for seconds in each.seconds],
    )


def _shipped(target: VersionedTarget, version: Version, kind: str, offset: int, columns: Columns) -> Partition:
    task = running.current()
    sections = {name: config.section(name) for name in config.section_names()}
    named = replace(task, task_id=task.task_id or version.id)  # tokens are kept for a task
    return Partition(target.without_checks(), version, kind, offset, columns, sections, named)


def _run(frame: Any, partition: Partition) -> Sequence[Summary]:
    """Have Spark call `partition` with each of the frame's; raise the error of the first that failed."""
    with _cancelled_on_error(frame.sparkSession, partition.version.id):
        rows = frame.mapInArrow(partition, SCHEMA).collect()
    done = sorted(map(Summary.from_row, rows), key=lambda each: each.partition)
    for each in done:
        if each.failure:
            raise each.failure.error(each.partition, partition.kind)
    return done


@contextmanager
def _cancelled_on_error(session: Any, tag: str) -> Iterator[None]:
    """Cancel the jobs of the block if it ends in an error; raise Unavailable if that is why tasks failed."""
    add, remove, cancel = _tagging(session)
    add(tag)
    try:
        yield
    except BaseException as error:
        with suppress(Exception):  # the context may be gone, and this error is the one that matters
            cancel(tag)
        if found := _UNAVAILABLE.search(str(error)):
            raise Unavailable(
                f"{found[1]}; Spark ran the partition as often as spark.task.maxFailures allows"
            ) from error
        raise
    finally:
        with suppress(Exception):
            remove(tag)


def _tagging(session: Any) -> tuple[Callable[[str], Any], ...]:
    """Return what adds a tag to the jobs of this thread, removes it, and cancels the jobs that have it.

    The tags of a session are known to the thread that added them only, and Ctrl-C loses that: its
    connection is interrupted, and Spark's own handler then fails to cancel the job. With Spark
    Connect there are no others.
    """
    context = getattr(session, "sparkContext", None)
    if context is None:
        return session.addTag, session.removeTag, session.interruptTag
    return context.addJobTag, context.removeJobTag, context.cancelJobsWithTag
