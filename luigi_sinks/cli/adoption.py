"""The commands that take over what exists: tables, indices and nodes, and the marks of `luigi.contrib`."""

from __future__ import annotations

import sys
from contextlib import nullcontext, suppress
from typing import Annotated, Any

import luigi
import typer
from luigi.task import flatten
from rich.text import Text

from luigi_sinks import adoption, config, identity, stores
from luigi_sinks import marks as old_marks
from luigi_sinks.cli import module as modules
from luigi_sinks.cli import version_answers as answers
from luigi_sinks.cli.console import WRONG, err, out, reporting
from luigi_sinks.cli.looking import Json
from luigi_sinks.errors import BadSetting, did_you_mean
from luigi_sinks.mark import Marks, OldMark
from luigi_sinks.record import Origin
from luigi_sinks.stores import Store
from luigi_sinks.target import VersionedTarget
from luigi_sinks.version import WHOLE

Source = Annotated[str, typer.Argument(help="The table or index of the marks: table_updates, or update_log.")]
Connection = Annotated[
    str, typer.Option(help="Where it is: a section of luigi.cfg, such as mariadb, mariadb.NAME or elasticsearch.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be taken over.")]


@reporting
def adopt(
    module: Annotated[str, typer.Argument(help="The module that defines the task.")],
    task: Annotated[str, typer.Argument(help="The class of the task that loads it from now on.")],
    partition: Annotated[str, typer.Option(help="Adopt it as this partition, if parameters choose that.")] = "",
    marks: Annotated[str, typer.Option(help="Where luigi.contrib's marks are; where they usually are.")] = "",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Make a version of the table, the index or the nodes that exist, and show readers that, while they read."""
    kind = _task(module, task)
    found = _dataset(kind)
    store = stores.find(found.store)
    if store.existing is None:
        raise BadSetting(f"store {store.name} cannot adopt what exists; load it by a task")
    part, origin = _output(kind, found, partition)
    existing, name = store.existing(found.sink), f"{store.name}:{found.sink.dataset}"
    existing.refuse()
    lost = existing.lost()
    count = _adopt_marks_of(found.sink, store, marks, dry_run=dry_run)  # first, as a rerun would not come to them
    answer: dict[str, Any] = {"dry_run": dry_run, "dataset": name, "partition": part, "marks": count, "lost": lost}
    if dry_run:
        said = [f"{name} would be adopted as partition {part}"]
    else:
        done = adoption.adopt(existing, part, origin)
        answer |= {"version": str(done.record.version), "rows": done.record.rows, "kept": done.kept}
        said = [f"{name} is adopted: {done.record.version} has {done.record.rows} rows; {done.kept}"]
    said += [f"its versions {'would not' if dry_run else 'do not'} have: {', '.join(lost)}"] * bool(lost)
    said += [f"{count} marks {'would be' if dry_run else 'are'} adopted"] * (count > 0)
    answers.tell(answer, "\n".join(said), json=json)


def _task(module: str, task: str) -> type[luigi.Task]:
    """Return a task that a module defines, by its name."""
    if (folder := config.common().local) is not None:
        raise BadSetting(f"[{config.ROOT}] local = {folder} is set, and all that is in its files was loaded by tasks")
    sys.path[:0] = [] if "" in sys.path else [""]
    known = {kind.__name__: kind for kind in modules.tasks(module) if not issubclass(kind, luigi.ExternalTask)}
    loading = [name for name, kind in known.items() if not modules.is_marker(kind)]
    if task not in known:
        raise BadSetting(f"module {module!r} defines no task {task!r} that loads; {did_you_mean(task, loading)}")
    if task not in loading:
        raise BadSetting(
            f"{task} is complete by a Marker, which has no rows, so there is nothing to adopt; "
            "`luigi-sinks adopt-marks` takes over the marks that luigi.contrib set for such tasks"
        )
    return known[task]


def _dataset(task: type[luigi.Task]) -> modules.Dataset:
    """Return the dataset of a task, which has to be one, and the same for all parameters."""
    try:
        found = [each for each in modules.datasets(task) if hasattr(each.sink, "contract")]
    except modules.SkippedDataset as reason:
        raise BadSetting(
            f"{task.task_family}: its dataset is not known before the task is made: {reason}; adopt it by a subclass "
            "that declares it"
        ) from None
    except modules.UnresolvedOutput:
        raise BadSetting(
            f"{task.task_family}: its dataset is not known before the task is made: its output() may depend on "
            "parameters; adopt it by a task that declares it, such as a subclass of mariadb.CopyToTable"
        ) from None
    if len(found) != 1:
        raise BadSetting(f"{task.task_family} has {len(found)} outputs in stores; adopt each by a task of its own")
    return found[0]


def _output(kind: type[luigi.Task], found: modules.Dataset, partition: str) -> tuple[str, Origin]:
    """Return the partition and the output that what exists becomes: the task's, if it has no parameters."""
    if partition and found.partition == WHOLE:
        raise BadSetting(f"--partition {partition}: {found.family} has no partition_by; remove the option")
    if any(each.significant or not each.has_task_value(found.family, name) for name, each in kind.get_params()):
        by = identity.named(getattr(kind, "partition_by", None))
        origin = Origin(identity.adopted_id(found.family), partition_by=by, family=found.family, owner=found.owner)
        return found.partition or partition or "adopted", origin
    (target,) = (each for each in flatten(kind().output()) if isinstance(each, VersionedTarget))
    return target.partition, target.origin


def _adopt_marks_of(sink: Any, store: Store, source: str, *, dry_run: bool) -> int:
    """Take over the marks of a dataset from where luigi.contrib keeps them; return how many there are."""
    if store.old_marks is None or store.open_marks is None:
        return 0
    found = list[OldMark]()
    with nullcontext() if source else suppress(BadSetting):  # most have none where they usually are
        found += store.old_marks(sink.settings, source or store.old_marks_in)
    of_dataset = [old for old in found if old.update_id and config.common().dataset(old.name) == sink.dataset]
    target = store.open_marks(sink.settings, sink.dataset)
    old_marks.adopt(lambda _: target, of_dataset, source or store.old_marks_in, is_dry=dry_run)
    return len(of_dataset)


@reporting
def adopt_marks(source: Source, connection: Connection = "", dry_run: DryRun = False) -> None:
    """Take over the marks that tasks of luigi.contrib left, so that what is complete does not run again.

    Each mark goes under the name of the table or index that it was for. Markers of that name, and tasks of
    luigi_sinks.contrib for it, are complete by it. Nothing of the old marks is changed.
    """
    store, name = _chosen(connection)

    def open_marks(dataset: str) -> Marks:
        return store.marks(config.common().dataset(dataset), name)

    counts, skipped = old_marks.adopt(open_marks, store.marks_of_contrib(source, name), source, is_dry=dry_run)
    for dataset, count in counts.items():
        out.print(Text(f"{dataset}: {count} marks {'would be ' if dry_run else ''}adopted"))
    for reason in skipped:
        err.print(Text(f"left out: {reason}", style="yellow"))
    if not counts and not skipped:
        out.print(Text(f"{source} holds no marks"))
    if skipped:
        raise typer.Exit(WRONG)


def _chosen(connection: str) -> tuple[Store, str]:
    """Return the store and the name of a connection; without one, of the only one that may lead to such marks."""
    if connection:
        store, _, name = connection.partition(".")
        return stores.find(store), name
    known = [
        (store, name)
        for store in map(stores.find, stores.configured())
        if store.old_marks
        for name in store.connections()
    ]
    if len(known) != 1:
        listed = ", ".join(config.connection_key(store.name, name) for store, name in known) or "none"
        raise BadSetting(f"of which connection? Give --connection; luigi.cfg has: {listed}")
    return known[0]
