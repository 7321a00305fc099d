"""Kills a process before or after one of the requests that it sends to a store.

A store takes part by its line in `STORES`: how to open a sink, which methods of its driver
send one request each, and which versions it holds anything of, by its own look.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import secrets
import signal
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from multiprocessing.connection import Connection
from typing import Any

import neo4j
import urllib3
from luigi.configuration import get_config

from luigi_sinks import Origin, load, loading, versions, writer
from luigi_sinks.elasticsearch import names
from luigi_sinks.elasticsearch.connection import ask
from luigi_sinks.elasticsearch.pool import open_pool
from luigi_sinks.load import Load
from luigi_sinks.mariadb import carrying, connection, driver
from luigi_sinks.neo4j import Graph, Node, Relationship
from luigi_sinks.neo4j.connection import query
from luigi_sinks.neo4j.merge import Merge
from luigi_sinks.neo4j.progress import Progress
from luigi_sinks.neo4j.user_cypher import Batches, Statement
from luigi_sinks.sink import Sink
from luigi_sinks.together import loading_together
from luigi_sinks.version import WHOLE, State, Version
from tests.items import ITEMS

BEFORE, AFTER, LATE = "before", "after", "late"
LONGEST = 30
"""Seconds that a process may take that runs after a kill."""

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["tests.faults.kills", "luigi_sinks.elasticsearch.elastic"])


@dataclass(frozen=True)
class Store:
    """What is done to kill a client of a store, and to look at what it left behind.

    `senders` returns the classes and methods of the driver that send one request each.
    `held` returns the ids of the versions of which the store holds anything: not by the registry.
    `resend` sends a request again, as a network may deliver it long after its sender has died.
    """

    open: Callable[[str], Sink]
    senders: Callable[[], Iterable[tuple[Any, str]]]
    held: Callable[[Sink], set[str]]
    resend: Callable[[Any, Sequence[Any]], None] | None = None
    kind: str = ""


@dataclass(frozen=True)
class Kill:
    """When a process dies: before or after the request of this number, counted from 1; a late one arrives later."""

    number: int
    when: str


@dataclass(frozen=True)
class Ended:
    """How a process ended: what it raised, what it sent, and the arguments of a request that is still to come."""

    exitcode: int
    error: str
    requests: Sequence[str]
    late: Sequence[Any]


def rows(kind: str, count: int) -> list[Any]:
    """Return rows of the contract suite's dataset; with a kind, as a graph takes them."""
    made = [{"id": number, "name": f"name {number}", "amount": number / 4} for number in range(count)]
    return [(kind, row) for row in made] if kind else made


def _load(store: Store, sink: Sink, _: Version | None, count: int) -> None:
    load(sink, WHOLE, Origin(f"Load_{secrets.token_hex(4)}", family="Load"), rows(store.kind, count))


def _roll_back(_: Store, sink: Sink, version: Version | None, __: int) -> None:
    versions.roll_back(sink, version)


def _prune(_: Store, sink: Sink, version: Version | None, __: int) -> None:
    versions.prune(sink, version, min_age=timedelta(0))


def _withdraw(_: Store, sink: Sink, version: Version | None, __: int) -> None:
    versions.withdraw(sink, version)


def _release(_: Store, sinks: Any, __: Version | None, count: int) -> None:
    """Publish a version in each store together."""
    origin = Origin("Nightly_1", family="Nightly")
    loads = [Load(sink, WHOLE, origin, place=name) for name, sink in zip(STORES, sinks, strict=True)]
    with loading_together(loads, "nightly") as writers:
        for store, writer in zip(STORES.values(), writers, strict=True):
            for row in rows(store.kind, count):
                writer.write(row)


def _change(_: Store, sink: Sink, __: Version | None, ___: int) -> None:
    origin = Origin(f"Load_{secrets.token_hex(4)}", family="Load")
    with loading(sink, WHOLE, origin, changes_by_key=True) as changed:
        changed.write({"id": 3, "name": "changed", "amount": 1})
        changed.delete(4)


def _merge(_: Store, sink: Any, __: Version | None, count: int) -> None:
    label = sink.dataset
    graph = Graph([Node(label, key="id", properties={"id": int})], [Relationship("NEXT", label, label)])
    given = [(label, (number,)) for number in range(count)]
    given += [("NEXT", (number, number + 1)) for number in range(count - 1)]
    settings = replace(sink.settings, rows_per_transaction=10)
    Merge(settings, label, graph, "Merged/_all", secrets.token_hex(4)).rows(given)


def _run_cypher(_: Store, sink: Any, __: Version | None, count: int) -> None:
    statement = Statement(sink.dataset, f"UNWIND $rows AS row CREATE (:{sink.dataset} {{id: row.id}})", {})
    progress = Progress(sink.settings, sink.dataset, "Created", "once")
    Batches(statement, progress, 10).run({"id": number} for number in range(count))


VERBS: Mapping[str, Callable[[Store, Any, Version | None, int], None]] = {
    "release": _release,
    "load": _load,
    "roll_back": _roll_back,
    "prune": _prune,
    "withdraw": _withdraw,
    "change": _change,
    "merge": _merge,
    "run_cypher": _run_cypher,
}


def run(
    store: str,
    dataset: str,
    verb: str,
    *,
    version: Version | None = None,
    count: int = 25,
    kill: Kill | None = None,
) -> Ended:
    """Do the verb in a process of its own, which dies at `kill`. Raises TimeoutError if it takes too long."""
    ours, theirs = _PROCESSES.Pipe(duplex=False)
    with ours, theirs:
        sections = {name: dict(get_config().items(name)) for name in get_config().sections() if "luigi_sinks" in name}
        process = _PROCESSES.Process(target=_child, args=(theirs, sections, store, dataset, verb, version, count, kill))
        process.start()
        theirs.close()
        told: list[Any] = []
        try:
            while ours.poll(LONGEST):
                told.append(ours.recv())
        except EOFError:
            process.join(LONGEST)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise TimeoutError(f"{verb} of {dataset} waits for more than {LONGEST} s, after {told[-1:]}")
    error = next((str(each) for each in told if isinstance(each, BaseException)), "")
    late = next((each for each in told if isinstance(each, tuple)), ())
    return Ended(process.exitcode, error, [each for each in told if isinstance(each, str)], late)


def _child(to, sections, name, dataset, verb, version, count, kill) -> None:  # type: ignore[no-untyped-def]
    get_config().read_dict(sections)
    writer._RUN_ROWS = writer._PART_ROWS = writer._STEP = 10  # several parts
    carrying._AT_ONCE = 10
    store, lock, numbers = STORES.get(name, ALL), threading.Lock(), itertools.count(1)
    try:
        sink = store.open(dataset)
        for place, method in store.senders():
            setattr(place, method, _deadly(getattr(place, method), to, lock, numbers, kill))
        VERBS[verb](store, sink, version, count)
    except BaseException as error:
        to.send(RuntimeError(f"{type(error).__name__}: {error}"))
        raise


def _deadly(
    send: Callable[..., Any], to: Connection, lock: threading.Lock, numbers: Iterable[int], kill: Kill | None
) -> Callable[..., Any]:
    """Return the driver's method so that it dies at its turn, and tells of each request."""

    def sends(*args: Any, **kwargs: Any) -> Any:
        with lock:
            number = next(iter(numbers))
            to.send(f"{number} " + " ".join(str(each)[:200] for each in args[1:3] if isinstance(each, (str, bytes))))
        if kill == Kill(number, LATE):
            to.send(args[1:])
        if kill in {Kill(number, BEFORE), Kill(number, LATE)}:
            _die()
        try:
            return send(*args, **kwargs)
        finally:
            if kill == Kill(number, AFTER):
                _die()

    return sends


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    threading.Event().wait()  # for the signal


def _requests() -> Iterable[tuple[Any, str]]:
    return [(urllib3.HTTPConnectionPool, "urlopen")]


def _indices(sink: Any) -> set[str]:
    found = ask(sink.settings, lambda es: es.indices.get_alias(index=f"{sink.dataset}~*", expand_wildcards="all"))
    ends = [index.split("~")[1:] for index in found]
    shows_nothing = names.void(Version(sink.dataset, WHOLE, ""), sink.head(WHOLE).epoch).id
    return {end[1] for end in ends if end != ["registry"] and end[1] != shows_nothing}


def _request_again(sink: Any, request: Sequence[Any]) -> None:
    method, url, body, headers = request
    open_pool(sink.settings).urlopen(method, url, body, headers, timeout=30, retries=False)


_HELD = """
MATCH (n) WHERE n:Item__v OR n:_SinkBatch WITH DISTINCT coalesce(n._version, n.version) AS id
WHERE id IS NOT NULL // as it is while another test deletes the node
AND NOT EXISTS { MATCH (v:_SinkVersion {id: id}) WHERE v.dataset <> $dataset } RETURN id"""


def _queries() -> Iterable[tuple[Any, str]]:
    return [
        *((neo4j.Session, each) for each in ("run", "begin_transaction")),
        *((neo4j.Transaction, each) for each in ("run", "commit")),
    ]


def _nodes(sink: Any) -> set[str]:
    return {row["id"] for row in query(sink.settings, _HELD, dataset=sink.dataset)}


def _statements() -> Iterable[tuple[Any, str]]:
    return [(driver.Cursor, "execute")]


def _seqs(sink: Any) -> set[str]:
    query = (
        f"SELECT l.id FROM {sink.names.log} l WHERE l.seq IN"
        f" (SELECT _seq FROM {sink.names.base} UNION SELECT seq FROM {sink.names.parts})"
    )
    return {id_ for (id_,) in connection.run(sink.settings, connection.rows, query)}


STORES: Mapping[str, Store] = {
    "neo4j": Store(ITEMS["neo4j"].open, _queries, _nodes, kind=ITEMS["neo4j"].kind),
    "elasticsearch": Store(ITEMS["elasticsearch"].open, _requests, _indices, _request_again),
    "mariadb": Store(ITEMS["mariadb"].open, _statements, _seqs),
}


ALL = Store(
    lambda dataset: tuple(store.open(dataset) for store in STORES.values()),  # type: ignore[arg-type,return-value]
    lambda: [sender for store in STORES.values() for sender in store.senders()],
    lambda _: set(),
)
"""All stores as one: to open it opens a sink in each."""


def unlike_the_registry(store: str, sink: Sink) -> list[str]:
    """Return what is wrong with a dataset: where its records, pointer and rows do not agree."""
    records, head = list(sink.records()), sink.head(WHOLE).version
    shown = [record.version for record in records if record.state is State.PUBLISHED]
    kept = {record.version.id for record in records if record.state.has_rows}
    wrong = [f"{record.version} is {record.state}" for record in records if record.is_unfinished]
    if shown != [head] * bool(head):
        wrong.append(f"the head is {head}, and published are {shown}")
    counted = ((record, sink.count(record.version)) for record in records if record.state.has_rows)
    wrong += [
        f"{record.version} has {count} rows of {record.rows}" for record, count in counted if count != record.rows
    ]
    held = STORES[store].held(sink)
    return wrong if held == kept else [*wrong, f"the store holds {held}, and the registry {kept}"]
