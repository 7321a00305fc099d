"""The commands on versions, on local files: the same code as for every store, and each change can be rehearsed."""

import json
import shlex
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from luigi_sinks import Origin, exposing, listen, load, removal, stop_listening, versions
from luigi_sinks.cli import dataset_names
from luigi_sinks.cli.app import app
from luigi_sinks.contract import Contract, Field, TupleShape
from luigi_sinks.errors import BadSetting, Conflict
from luigi_sinks.load import Load
from luigi_sinks.retention import Retention
from luigi_sinks.sqlite import SQLiteSink
from luigi_sinks.together import loading_together

SILENT = """
[luigi_sinks.mariadb]
host = 127.0.0.1
port = 1
database = flights
user = loader
credential = db
patience = 1
[luigi_sinks.credential.db]
source = file
path = {}
"""
SHAPE = TupleShape((Field("id", int), Field("carrier", str)), key=("id",))
MORE = TupleShape((Field("id", int), Field("carrier", str), Field("delay", int)), key=("id",))


def sink_of(folder, dataset="flights", shape=SHAPE, store="mariadb"):
    return SQLiteSink(folder, store, dataset, Contract(dataset, {"": shape}))


def loaded(sink, *rows, partition="_all", rerun=""):
    origin = Origin("Flights_1", rerun=rerun, family="Flights", owner="ops", params={"month": "2013-01"})
    load(sink, partition, origin, rows)
    return sink.head(partition).version


@pytest.fixture
def sink(memory):
    return sink_of(memory)


@pytest.fixture
def three(sink):
    """Load three versions of two, three and one rows; return their ids."""
    loads = ([(1, "UA"), (2, "AA")], [(1, "UA"), (2, "DL"), (3, "B6")], [(1, "UA")])
    return [loaded(sink, *rows) for rows in loads]


def run(command, *, ends=0):
    done = CliRunner().invoke(app, shlex.split(command), env={"COLUMNS": "200"})
    assert done.exit_code == ends, done.output
    return done.stdout if ends != 2 else done.stderr


def answer(command, **options):
    return json.loads(run(f"{command} --json", **options))


def contents(folder):
    """Return all that the files hold."""
    found = {}
    for path in sorted(folder.glob("*.sqlite")):
        with closing(sqlite3.connect(path)) as file:
            found[path.name] = list(file.iterdump())
    return found


# Names


def test_a_dataset_is_found_by_its_full_name_and_by_the_bare_one_if_that_is_unique(memory, three):
    loaded(sink_of(memory, "airports"), (1, "JFK"))
    loaded(sink_of(memory, "airports", store="neo4j"), (1, "JFK"))
    full = run("head mariadb:flights")
    assert run("head flights") == full
    assert "there are several datasets 'airports'; name one of mariadb:airports, neo4j:airports" in run(
        "head airports", ends=2
    )
    assert run("head neo4j:airports") != full


def test_a_connection_with_a_name_is_named(memory, three):
    loaded(sink_of(memory, "flights", store="mariadb.copy"), (1, "UA"))
    assert [each["dataset"] for each in answer("datasets")] == ["mariadb.copy:flights", "mariadb:flights"]
    assert [each["rows"] for each in answer("head mariadb.copy:flights")] == [1]


def test_a_dataset_that_is_not_there_is_named_with_the_closest_one(three):
    assert "there is no dataset 'flihgts'; did you mean 'flights'?" in run("versions flihgts", ends=2)
    assert "did you mean 'mariadb:flights'?" in run("versions mariadb:flihgts", ends=2)


def test_each_dataset_is_named_once_where_none_is_close(memory, three):
    loaded(sink_of(memory, "airports"), (1, "JFK"))
    loaded(sink_of(memory, "airports", store="neo4j"), (1, "JFK"))
    assert "no dataset 'x'; known are: airports, flights\n" in run("versions x", ends=2)
    shown = run("versions neo4j:nothing", ends=2)
    assert "no dataset 'neo4j:nothing'; known are: neo4j:airports\n" in shown


def test_a_version_is_found_by_its_id_and_by_its_whole_name(three):
    first, *_ = three
    by_id = answer(f"show {first.id}")
    assert answer(f"show {first}") == answer(f"show mariadb:{first}") == by_id
    assert by_id["version"] == str(first)


@pytest.mark.parametrize("name", ["v20261120t211605_k7f3q2", "flights/_all/v20261120t211605_k7f3q2"])
def test_a_version_that_is_not_there_is_said_to_be_so(three, name):
    assert "v20261120t211605_k7f3q2" in run(f"show {name}", ends=2)


def test_what_is_no_version_is_refused_with_an_example(three):
    assert "'first' is not a version; give its id, such as v2026" in run("show first", ends=2)


def test_without_any_dataset_the_command_says_what_to_do(memory):
    assert "holds no dataset; load one first" in run("datasets", ends=2)


@pytest.mark.parametrize("name", ["mariadb:flights", "flights"])
def test_a_server_that_does_not_answer_is_named(luigi_cfg, tmp_path, name):
    (tmp_path / "token").write_text("a password")
    (tmp_path / "token").chmod(0o600)
    luigi_cfg(SILENT.format(tmp_path / "token"))
    said = run(f"versions {name}", ends=2)
    assert "MariaDB at 127.0.0.1:1" in said
    assert ("name it as STORE:DATASET" in said) is (name == "flights")


# Looking


def test_datasets_are_listed_with_what_readers_see(three, sink):
    (found,) = answer("datasets")
    assert (found["dataset"], found["partitions"], found["rows"]) == ("mariadb:flights", 1, 1)
    assert run("datasets").splitlines()[0].split() == ["dataset", "partitions", "rows", "published"]


def test_a_dataset_that_cannot_be_read_hides_no_other_one(memory, three):
    loaded(sink_of(memory, "airports"), (1, "JFK"))
    with closing(sqlite3.connect(memory / "mariadb.sqlite")) as file:
        file.execute("UPDATE record SET body = '{}' WHERE dataset = 'airports'")
        file.commit()
    done = CliRunner().invoke(app, ["datasets"])
    assert done.exit_code == 2
    assert "mariadb:flights" in done.stdout
    assert done.stderr.startswith("mariadb:airports: record 4 of the registry cannot be read")


def test_versions_are_listed_oldest_first(three):
    first, second, third = three
    assert [(each["id"], each["state"], each["rows"]) for each in answer("versions flights")] == [
        (first.id, "retired", 2),
        (second.id, "retired", 3),
        (third.id, "published", 1),
    ]
    assert [line.split()[1] for line in run("versions flights").splitlines()[1:]] == [first.id, second.id, third.id]


def test_versions_of_one_partition_are_listed(memory):
    sink = sink_of(memory)
    loaded(sink, (1, "UA"), partition="a")
    other = loaded(sink, (2, "UA"), partition="b")
    assert [each["id"] for each in answer("versions flights --partition b")] == [other.id]


def test_a_version_is_shown_with_all_that_is_known_of_it(sink, three):
    first, *_ = three
    versions.withdraw(sink, first, why="of the wrong month")
    found = answer(f"show {first.id}")
    assert (found["task"], found["family"], found["owner"], found["params"]) == (
        *("Flights_1", "Flights", "ops"),
        {"month": "2013-01"},
    )
    assert (found["rows"], found["state"], found["withdrawn"]["why"]) == (2, "retired", "of the wrong month")
    assert [check["name"] for check in found["checks"]] == ["complete", "not_empty"]
    assert found["schema"] == {"": {"id": "int", "carrier": "str"}, "_keys": {"": ["id"]}}
    shown = run(f"show {first.id}")
    assert not [line for line in shown.splitlines() if line.endswith(("=", "= "))]
    for text in ("of the wrong month", "month=2013-01", "check        complete: passed", "schema       id = int"):
        assert text in shown, text


def test_a_schema_that_differs_from_the_heads_is_shown_where_it_does(memory, three):
    loaded(sink_of(memory, shape=MORE), (1, "UA", 5))
    found = answer(f"show {three[0].id}")["schema_difference"]
    assert found == [{"path": "delay", "here": None, "head": "int"}]
    assert "delay: None here, int in the head" in run(f"show {three[0].id}")


def test_the_head_of_a_partition_of_which_readers_see_nothing_is_said(sink):
    only = loaded(sink, (1, "UA"))
    versions.withdraw(sink, only)
    assert answer("head flights") == []
    assert answer("head flights --partition _all") == [{"partition": "_all", "version": None, "rows": 0, "epoch": 2}]
    assert run("head flights") == "readers see nothing\n"


def test_two_versions_are_compared_by_key(three):
    first, second, _ = three
    found = answer(f"diff {first.id} {second.id}")
    assert (found["added"], found["removed"], found["changed"]) == (1, 0, 1)
    assert found["examples"][1] == {
        "kind": "",
        "before": {"id": 2, "carrier": "AA"},
        "after": {"id": 2, "carrier": "DL"},
    }
    assert run(f"diff {first.id} {second.id}").splitlines() == [
        "1 added, 0 removed, 1 changed",
        '+ {"carrier":"B6","id":3}',
        '~ {"carrier":"AA","id":2} -> {"carrier":"DL","id":2}',
    ]
    assert len(answer(f"diff {first.id} {second.id} --examples 0")["examples"]) == 0


def test_versions_of_two_datasets_are_not_compared(memory, three):
    other = loaded(sink_of(memory, "airports"), (1, "JFK"))
    assert "give two of one dataset" in run(f"diff {three[0].id} {other.id}", ends=2)


# Verifying


def test_a_dataset_in_order_is_verified(three):
    assert answer("verify") == []
    assert run("verify flights") == "1 dataset: 0 wrong, 0 healed\n"


def test_a_dataset_that_cannot_be_read_is_wrong_and_keeps_no_other_from_being_verified(memory, three):
    loaded(sink_of(memory, "airports"), (1, "JFK"))
    with closing(sqlite3.connect(memory / "mariadb.sqlite")) as file:
        file.execute("UPDATE record SET body = '{}' WHERE dataset = 'airports'")
        file.commit()
    said = run("verify", ends=1)
    assert "airports/_all/?: cannot be verified: record 4 of the registry" in said
    assert "2 datasets: 1 wrong, 0 healed" in said
    assert three[0].id in run(f"show {three[0].id}")


@pytest.mark.parametrize("age", ["99999999999d", "\u0663d", "7"])
def test_a_time_that_is_none_is_refused(three, age):
    assert "is not a time; write it as 7d" in run(f"prune flights --keep 2 --min-age {age}", ends=2)


def test_an_argument_that_is_no_text_is_refused(three):
    assert "is not valid UTF-8" in run(f"withdraw {three[-1].id} --why a\udcff", ends=2)


def test_a_withdrawal_without_a_reason_is_refused(three):
    assert "--why is empty" in run(f"withdraw {three[-1].id} --why ' '", ends=2)


def test_rows_that_are_missing_end_the_command_with_1(sink, three):
    sink.delete_rows(three[0])
    (found,) = answer("verify", ends=1)
    assert (found["dataset"], found["version"], found["healed"]) == ("mariadb:flights", str(three[0]), False)
    assert "the server counts 0 rows where 2 were published" in run("verify flights", ends=1)


def test_what_a_dead_process_left_is_healed_and_in_a_rehearsal_only_told(memory, sink, three):
    sink.change(three[0], removal.begin_drop)
    before = contents(memory)
    assert [each["healed"] for each in answer("verify --dry-run", ends=1)] == [False]
    assert contents(memory) == before
    assert [each["healed"] for each in answer("verify")] == [True]
    assert answer("verify") == []


# Changing


@pytest.fixture
def rehearsed(memory):
    """Return a function that runs a command with --dry-run, sees that nothing changes, and then without it."""

    def both(command):
        before = contents(memory)
        would = answer(f"{command} --dry-run")
        assert contents(memory) == before
        did = answer(command)
        assert contents(memory) != before
        assert (would.pop("dry_run"), did.pop("dry_run")) == (True, False)
        assert would == did
        return did

    return both


def test_an_older_version_is_published(sink, three, rehearsed):
    first, *_ = three
    assert rehearsed(f"rollback {first.id} --why 'the last one is wrong'") == {
        "version": str(first),
        "head": str(first),
    }
    assert sink.head("_all").record.publications[-1].why == "the last one is wrong"


@pytest.mark.parametrize("mode", ["", "--dry-run"])
def test_what_cannot_be_published_is_refused_also_in_a_rehearsal(sink, three, mode):
    versions.withdraw(sink, three[0])
    said = run(f"rollback {three[0].id} {mode}", ends=2)
    assert f"{three[0]} is retired; it is withdrawn and cannot be published" in said
    sink.delete_rows(three[1])
    assert str(three[1]) in run(f"rollback {three[1].id} {mode}", ends=2)
    assert sink.head("_all").version == three[2]


def test_a_withdrawn_head_gives_way_to_the_newest_sound_version(sink, three, rehearsed):
    first, second, third = three
    sink.delete_rows(second)
    assert rehearsed(f"withdraw {third.id} --why wrong") == {"version": str(third), "head": str(first)}
    assert sink.record(third).withdrawn.why == "wrong"


def test_of_the_only_version_nothing_is_left_to_see(sink, rehearsed):
    only = loaded(sink, (1, "UA"))
    assert rehearsed(f"withdraw {only.id} --why wrong") == {"version": str(only), "head": None}
    assert run(f"withdraw {only.id} --why again") == f"{only} is withdrawn; readers see nothing\n"


def test_a_withdrawal_says_why(three):
    assert "--why" in run(f"withdraw {three[0].id}", ends=2)


def test_versions_are_pinned_and_unpinned(sink, three, rehearsed):
    rehearsed(f"pin {three[0].id}")
    assert sink.record(three[0]).pinned
    rehearsed(f"unpin {three[0].id}")
    assert not sink.record(three[0]).pinned


def test_a_rehearsal_of_prune_names_exactly_what_is_deleted(sink, three, rehearsed):
    loaded(sink, (9, "UA"))
    left = loaded(sink, (8, "UA"))
    versions.roll_back(sink, three[2])
    assert rehearsed("prune flights --keep 3 --min-age 0s") == {"deleted": [str(three[0]), str(three[1])]}
    assert [each["state"] for each in answer("versions flights")][:2] == ["dropped", "dropped"]
    assert sink.count(left) == 1


def test_prune_keeps_what_is_young_and_refuses_to_keep_less_than_two(three):
    assert run("prune flights --keep 2") == "nothing is to be deleted\n"
    assert "keep = 1 must be a number from 2 on" in run("prune flights --keep 1", ends=2)
    assert "'soon' is not a time; write it as 7d, 12h, 30m or 0s" in run(
        "prune flights --keep 2 --min-age soon", ends=2
    )


def test_a_dataset_is_dropped_by_its_name(memory, three, rehearsed):
    loaded(sink_of(memory, "airports"), (1, "JFK"))
    assert rehearsed("drop-dataset --yes-really flights") == {"dataset": "mariadb:flights", "versions": 3}
    assert [each["dataset"] for each in answer("datasets")] == ["mariadb:airports"]
    assert "--yes-really" in run("drop-dataset", ends=2)


@pytest.mark.parametrize("mode", ["", "--dry-run"])
def test_a_dataset_with_a_pinned_version_is_not_dropped(sink, three, mode):
    versions.pin(sink, three[0])
    assert f"{three[0]} is pinned" in run(f"drop-dataset --yes-really flights {mode}", ends=2)


def test_a_load_may_prune_by_itself(sink, three):
    load(sink, "_all", Origin("Flights_1", family="Flights"), [(1, "UA")], retention=Retention(2, timedelta(0)))
    assert [each["state"] for each in answer("versions flights")] == ["dropped", "dropped", "retired", "published"]


# Releases, and names beside the head


@pytest.fixture
def nightly(memory):
    """Publish a release of two datasets, one of which had a version before; return the sinks."""
    sinks = sink_of(memory), sink_of(memory, "delays", store="neo4j")
    loaded(sinks[0], (1, "UA"))
    release_of(*sinks)
    return sinks


def release_of(*sinks, name="nightly"):
    loads = [Load(sink, "_all", Origin(sink.dataset, family="Flights"), place=sink.store) for sink in sinks]
    with loading_together(loads, name) as writers:
        for writer in writers:
            writer.write((2, "AA"))


def test_a_release_is_taken_back_as_a_whole(nightly, rehearsed):
    flights, delays = nightly
    first, second = flights.records()
    (only,) = delays.records()
    assert rehearsed("rollback --release nightly --why 'of the wrong day'") == {
        "release": "nightly",
        "versions": [
            {"version": f"mariadb:{second.version}", "head": str(first.version)},
            {"version": f"neo4j:{only.version}", "head": None},
        ],
    }
    assert (flights.head("_all").version, delays.head("_all").version) == (first.version, None)
    assert flights.head("_all").record.publications[-1].why == "release nightly is rolled back: of the wrong day"
    assert [flights.record(second.version).is_complete, delays.record(only.version).is_complete] == [True, False]


def test_a_release_is_taken_back_once(nightly):
    flights, delays = nightly
    good = flights.head("_all").version, delays.head("_all").version
    release_of(*nightly)
    run("rollback --release nightly")
    assert answer("rollback --release nightly --dry-run")["versions"] == []
    assert run("rollback --release nightly") == "release nightly was taken back already; nothing is changed\n"
    assert (flights.head("_all").version, delays.head("_all").version) == good
    assert all(record.is_complete for sink in nightly for record in sink.records())


@pytest.mark.parametrize("mode", ["", "--dry-run"])
def test_a_release_of_which_a_version_was_replaced_since_is_not_taken_back(nightly, mode):
    flights, delays = nightly
    newer = loaded(flights, (3, "DL"))
    said = run(f"rollback --release nightly {mode}", ends=2)
    assert f"readers see {newer} instead of mariadb:flights/" in said
    assert delays.head("_all").version


@pytest.mark.parametrize("mode", ["", "--dry-run"])
def test_a_release_whose_former_versions_lost_rows_is_not_taken_back(nightly, mode):
    flights, delays = nightly
    flights.delete_rows(next(flights.records()).version)
    assert "the server counts 0 rows where 1 were published" in run(f"rollback --release nightly {mode}", ends=2)
    assert flights.head("_all").epoch == 2
    assert delays.head("_all").version


def test_a_rollback_of_a_release_that_was_interrupted_is_finished_by_the_next_one(nightly):
    flights, delays = nightly
    versions.roll_back(flights, next(flights.records()).version)
    run("rollback --release nightly")
    assert (flights.head("_all").epoch, delays.head("_all").version) == (3, None)


def test_of_two_releases_of_a_name_the_newest_is_taken_back(nightly):
    flights, _ = nightly
    release_of(*nightly)
    run("rollback --release nightly")
    assert [record.state for record in flights.records()] == ["retired", "published", "retired"]


def test_rollback_takes_a_version_or_a_release(nightly):
    assert "Give a VERSION to publish, or --release NAME" in run("rollback", ends=2)
    assert "Give a VERSION" in run("rollback v20261120t211605_k7f3q2 --release nightly", ends=2)
    assert "no release 'weekly' was published" in run("rollback --release weekly", ends=2)


def test_show_and_versions_name_the_release(nightly):
    flights, _ = nightly
    assert [each["release"] for each in answer("versions flights")] == [None, "nightly"]
    assert "nightly" in run("versions flights")
    assert "release      nightly\n" in run(f"show {flights.head('_all').version.id}")


def test_a_version_is_shown_beside_the_head_and_then_no_more(memory, sink, three, rehearsed):
    assert rehearsed(f"expose {three[0].id} --as flights_before") == {"version": str(three[0])}
    with closing(sqlite3.connect(memory / "mariadb.sqlite")) as file:
        assert list(file.execute("SELECT row FROM flights_before")) == [('[1,"UA"]',), ('[2,"AA"]',)]
    assert "exposed as flights_before" in run("versions flights")
    assert "exposed as   flights_before\n" in run(f"show {three[0].id}")
    assert rehearsed("expose --drop flights_before") == {"version": str(three[0])}
    with closing(sqlite3.connect(memory / "mariadb.sqlite")) as file, pytest.raises(sqlite3.OperationalError):
        file.execute("SELECT row FROM flights_before")
    assert "no version is exposed as 'flights_before'" in run("expose --drop flights_before", ends=2)


@pytest.mark.parametrize("mode", ["", "--dry-run"])
def test_a_name_that_is_taken_is_refused(memory, sink, three, mode):
    loaded(sink_of(memory, "airports"), (1, "JFK"))
    run(f"expose {three[1].id} --as flights_before")
    for name in ("airports", "flights", "record", "flights_before", "sqlite_x"):
        run(f"expose {three[0].id} --as {name} {mode}", ends=2)
    assert sink.record(three[0]).exposed == ()
    assert "Give a VERSION and --as NAME" in run(f"expose --as other {mode}", ends=2)


@pytest.mark.parametrize("mode", ["", "--dry-run"])
def test_an_exposed_version_and_its_dataset_are_kept(sink, three, mode):
    run(f"expose {three[0].id} --as flights_before")
    assert answer(f"prune flights --keep 2 --min-age 0s {mode}")["deleted"] == []
    with pytest.raises(Conflict, match="is exposed as flights_before; it cannot be dropped"):
        versions.prune(sink, three[0], min_age=timedelta(0))
    assert f"{three[0]} is exposed as flights_before" in run(f"drop-dataset --yes-really flights {mode}", ends=2)


def test_verify_finds_and_restores_a_name_that_is_gone(memory, sink, three):
    run(f"expose {three[0].id} --as flights_before")
    with closing(sqlite3.connect(memory / "mariadb.sqlite")) as file:
        file.execute("DROP VIEW flights_before")
    (found,) = answer("verify --dry-run", ends=1)
    assert found["problem"] == "is exposed as flights_before, and readers do not find it there"
    assert [each["healed"] for each in answer("verify")] == [True]
    assert answer("verify") == []
    assert sink.shows(three[0], "flights_before")


def test_a_name_of_several_versions_is_dropped_with_the_version_before_it(memory, three):
    other = loaded(sink_of(memory, "delays", store="neo4j"), (1, "UA"))
    run(f"expose {three[0].id} --as before")
    run(f"expose {other.id} --as before")
    assert f"put one before --drop: mariadb:{three[0]}, neo4j:{other}" in run("expose --drop before", ends=2)
    run(f"expose {other.id} --drop before")
    run("expose --drop before")


def test_listeners_are_told_of_names(sink, three):
    told = []
    listen(told.append)
    exposing.expose(sink, three[0], "flights_before")
    exposing.hide(sink, three[0], "flights_before")
    stop_listening(told.append)
    assert [(event.action, event.outcome, event.version) for event in told] == [
        ("expose", "begun", three[0]),
        ("expose", "success", three[0]),
        ("hide", "begun", three[0]),
        ("hide", "success", three[0]),
    ]


@pytest.fixture
def dropped(three, monkeypatch):
    """A dataset that is dropped as soon as it was listed."""
    listed, catalog = [["flights", "gone"], ["flights"]], dataset_names.Connection.catalog

    def opened(connection, name):
        if name == "gone":
            raise BadSetting("mariadb has no dataset 'gone'")
        return catalog(connection, name)

    monkeypatch.setattr(dataset_names.Connection, "datasets", lambda connection: listed.pop(0))
    monkeypatch.setattr(dataset_names.Connection, "catalog", opened)


@pytest.mark.usefixtures("dropped")
def test_a_dataset_that_is_dropped_while_all_are_opened_is_passed_over():
    assert [named.name for named in dataset_names.datasets()] == ["mariadb:flights"]


@pytest.mark.usefixtures("dropped")
def test_a_dataset_that_is_dropped_while_all_are_listed_is_passed_over():
    assert [each["dataset"] for each in answer("datasets")] == ["mariadb:flights"]
