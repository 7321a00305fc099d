"""The commands, and what they print."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from luigi_sinks import audit, config, stores
from luigi_sinks.cli import changing, looking, outcomes
from luigi_sinks.cli.adoption import adopt, adopt_marks
from luigi_sinks.cli.console import WRONG, err, out, reporting
from luigi_sinks.cli.declaration import declare
from luigi_sinks.cli.lineage import app as lineage_app
from luigi_sinks.cli.lineage import print_grants
from luigi_sinks.cli.module import Dataset, LoadsNothing, SkippedDataset, UnresolvedOutput, datasets, languages, tasks
from luigi_sinks.cli.places import Place, as_terraform, need_roles, places
from luigi_sinks.errors import BadSetting, CredentialError, Forbidden, NoRoles, NotInstalled, SinkError, did_you_mean
from luigi_sinks.role_kind import RoleKind

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # they may be secrets
    help="Looks after the datasets of luigi_sinks. Ends with 0 if all is well, 1 if something wrong was found, "
    "2 if it could not do its work.",
)
audit_app = typer.Typer(no_args_is_help=True, help="The log of what was done with credentials.")
app.add_typer(audit_app, name="audit")
app.add_typer(lineage_app, name="lineage")
app.add_typer(looking.app)
app.add_typer(changing.app)
app.command("adopt")(adopt)
app.command("adopt-marks")(adopt_marks)
app.command("declare")(declare)

_TERRAFORM, _ALL = "terraform", "all"
_FORMATS = "What to print: sql, elasticsearch, iam, cypher or what else a store calls its language; terraform; or all."

Module = Annotated[str, typer.Argument(help="The module that defines the tasks, as in --module of luigi.")]
User = Annotated[str, typer.Option(help="Log in as this user instead of the one in luigi.cfg.")]
Credential = Annotated[str, typer.Option(help="Log in with this credential instead of the one in luigi.cfg.")]


Log = Annotated[Path | None, typer.Option("--path", help="The log; that of luigi.cfg if not given.")]
Anchor = Annotated[Path | None, typer.Option(help="The file that keeps its head.")]
First = Annotated[int, typer.Option(help="The first record to expect, if earlier files were put away.")]


@audit_app.command("verify")
@reporting
def verify(path: Log = None, anchor: Anchor = None, first: First = 1) -> None:
    """Show the lines of the audit log that were edited, deleted, added or cut off, and what has no outcome."""
    is_ours, (path, anchor) = path is None, _audit_files(path, anchor)
    unknown = outcomes.unknown(path, ask=is_ours)
    verdict = audit.verify(path, anchor, first=first)
    for fault in verdict.faults:
        out.print(Text(str(fault), style="red"))
    for note in unknown:
        out.print(Text(f"{note}, has no outcome in the log", style="yellow"))
    if not verdict.records and verdict.is_good:
        raise BadSetting(f"there is no record in {path}")
    _summarize(path, verdict, is_anchored=anchor is not None)
    if not verdict.is_good or (is_ours and unknown):
        raise typer.Exit(WRONG)


@audit_app.command("begin")
@reporting
def begin(path: Log = None, anchor: Anchor = None, first: First = 1) -> None:
    """Make the anchor of the audit log as the log is now; the log is verified first, and need not exist yet."""
    path, anchor = _audit_files(path, anchor)
    if anchor is None:
        raise BadSetting("which anchor? Give --anchor, or anchor in [luigi_sinks.audit] of luigi.cfg")
    verdict = audit.begin(path, anchor, first=first)
    for fault in verdict.faults:
        out.print(Text(str(fault), style="red"))
    if not verdict.is_good:
        out.print("no anchor was made; find out why, then move the log away and run this again")
        raise typer.Exit(WRONG)
    _summarize(path, verdict, is_anchored=True)


def _audit_files(path: Path | None, anchor: Path | None) -> tuple[Path, Path | None]:
    """Return the log and its anchor: those that are given, else those of luigi.cfg."""
    settings = config.read(audit.AuditSettings, "luigi_sinks.audit")
    if path is None:
        path, anchor = settings.path, anchor or settings.anchor
    if path is None:
        raise BadSetting("which log? Give --path, or path in [luigi_sinks.audit] of luigi.cfg")
    return path, anchor


def _summarize(path: Path, verdict: audit.Verdict, *, is_anchored: bool) -> None:
    said = f"{verdict.records} records, the last one is {verdict.head.number}"
    anchored = "" if is_anchored else "; without an anchor, lines that are cut off its end are not missed"
    out.print(Text(f"{path}: {said}, {len(verdict.faults)} faults{anchored}"))


@app.command("check")
@reporting
def check() -> None:
    """Log in to every server of the configuration, and show what is wrong."""
    if (folder := config.common().local) is not None:
        unused = "".join(f"; [{config.ROOT}.{store}] is not used" for store in stores.configured())
        out.print(Text(f"{_local(folder)}, and there is no server to check{unused}"))
        return
    wrong = 0
    for reason in stores.unread_sections():
        wrong += 1
        out.print(Text(reason, style="red"))
    connections = [(store, name) for store in map(stores.find, stores.configured()) for name in store.connections()]
    if not connections:
        raise BadSetting(
            f"{config.where()} has no section of a store, such as [{config.ROOT}.{stores.names()[0]}]; Luigi reads "
            "luigi.cfg in the current folder"
        )
    for store, name in connections:
        key = config.connection_key(store.name, name)
        try:
            store.check(name)
        except (SinkError, CredentialError) as error:
            wrong += 1
            out.print(Text(f"{key}: {error}", style="red"))
        else:
            out.print(Text(f"{key}: answers, and lets this login in"))
    if wrong:
        raise typer.Exit(WRONG)


def _local(folder: Path) -> str:
    return f"[{config.ROOT}] local = {folder} is set: datasets are files there"


@app.command("create")
@reporting
def create(module: Module, user: User = "", credential: Credential = "") -> None:
    """Make the tables, registries and constraints of a module's datasets, so that loaders need not."""
    found, _ = _datasets(module)
    found.sort(key=lambda each: each.role)  # a session that took a role keeps one
    for each in (dataset.seen_by(user, credential) for dataset in found if not dataset.is_input):
        role = each.role and RoleKind.OWNER.role(each.role)
        each.grants.create(each.sink, each.partition, role)
        out.print(Text(f"{each.store}: {each.sink.dataset} is ready"))


@app.command("grants")
@reporting
def grants(
    module: Module = "",
    format: Annotated[str, typer.Option(help=_FORMATS)] = _ALL,  # noqa: A002 - the option's name
    check: Annotated[bool, typer.Option("--check", help="Compare with what the servers grant.")] = False,
    lineage: Annotated[bool, typer.Option("--lineage", help="Print what lineage needs in Neo4j.")] = False,
    user: User = "",
    credential: Credential = "",
) -> None:
    """Print what the owner, the loader, the publisher and the pruner of a module's datasets must be granted."""
    if lineage:
        print_grants()
    if module:
        _grants(module, format, check=check, user=user, credential=credential)
    elif not lineage:
        raise BadSetting("of which module? Give the one that defines the tasks, or --lineage")


def _grants(module: str, format: str, *, check: bool, user: str, credential: str) -> None:  # noqa: A002 - as above
    found, is_whole = _datasets(module)
    _refuse_unknown(format)
    known = _with_roles(each for each in found if format in {each.grants.FORMAT, _TERRAFORM, _ALL})
    _warn_of_shared_users(known)
    asked = [each for each in known if format in {each.grants.FORMAT, _ALL}]
    if check:
        _check([place.seen_by(user, credential) for place in places(asked)], is_whole=is_whole)
    else:
        _print(format, found, known, asked)


def _warn_of_shared_users(datasets: Iterable[Dataset]) -> None:
    """Warn of each user that the tasks of several owners log in as: a token for one team is good for all."""
    owners: dict[tuple[str, str, str], set[str]] = {}
    for each in datasets:
        if user := getattr(each.sink.settings, "user", ""):
            owners.setdefault((each.store, each.server, user), set()).add(each.owner or "none")
    for (store, server, user), found in owners.items():
        if len(found) > 1:
            why = "so a token of one of these teams is good for all; give each a connection with a user of its own"
            named = ", ".join(sorted(found))
            err.print(Text(f"{store} {server}: {user!r} is the user of the owners {named}, {why}", style="yellow"))


def _print(format: str, found: list[Dataset], known: list[Dataset], asked: list[Dataset]) -> None:  # noqa: A002 - as above
    """Print the roles of what is asked for, and as Terraform those of all that is known."""
    blocks = [(place.heading, place.text()) for place in places(asked)]
    if format in {_TERRAFORM, _ALL}:
        blocks.append(("# Terraform", as_terraform(found, places(known))))
    for number, (heading, block) in enumerate(blocks):
        if len(blocks) > 1:
            out.print(Text("\n" * bool(number) + heading + "\n"))
        out.print(Text(block), end="")


def _refuse_unknown(format: str) -> None:  # noqa: A002 - as above
    """Raise BadSetting for a format that no store knows."""
    known = [_ALL, _TERRAFORM]
    for store in stores.names():
        with suppress(NotInstalled):
            known += languages(store)
    if format not in known:
        raise BadSetting(f"--format {format}: {did_you_mean(format, known)}")


def _check(asked: Iterable[Place], *, is_whole: bool) -> None:
    """Show each difference; end with 1 if there is one or not all is known, with 2 if no server could be compared."""
    is_known = differ = False
    for place in asked:
        try:
            for sign, right in place.differences():
                line = f"{sign} {place.store} {place.server}: {right}"
                out.print(Text(line, style="red" if sign == "-" else "yellow"))
                differ = True
            is_known = True
        except NoRoles as reason:
            err.print(Text(f"{place.store} {place.server} is left out: {reason}", style="yellow"))
        except Forbidden as refusal:
            raise Forbidden(
                f"{place.store} {place.server} does not show its grants to this login; --check reads what servers "
                "grant: name an administrator by --user and --credential"
            ) from refusal
    if not (is_known or differ):
        raise BadSetting("no server was compared")
    if differ or not is_whole:
        raise typer.Exit(WRONG)
    out.print("the servers grant what is needed, and nothing else")


def _with_roles(datasets: Iterable[Dataset]) -> list[Dataset]:
    """Return the datasets whose roles can be written, and say which cannot. Raises BadSetting if none can."""
    found, left_out = [], False
    for each in datasets:
        try:
            need_roles(each)
        except NoRoles as reason:
            err.print(Text(f"{each.family} is left out: {reason}", style="yellow"))
            left_out = True
        else:
            found.append(each)
    if left_out and not found:
        raise BadSetting("no roles are left to write")
    return found


def _datasets(module: str) -> tuple[list[Dataset], bool]:
    """Return the datasets of a module, and whether these are all; say which are not known."""
    if (folder := config.common().local) is not None:
        raise BadSetting(f"{_local(folder)}, and no server to ask or to write for")
    found, is_whole = [], True
    sys.path[:0] = [] if "" in sys.path else [""]
    for task in tasks(module):
        try:
            found += datasets(task)
        except SkippedDataset as reason:
            err.print(Text(f"{task.task_family} is left out: {reason}", style="yellow"))
            is_whole = is_whole and isinstance(reason, LoadsNothing)
        except UnresolvedOutput:
            why = "whose output() could not be looked at: write its grants by hand"
            err.print(Text(f"left out: {task.task_family}, {why}", style="yellow"))
            is_whole = False
    return found, is_whole
