"""Frames of Spark are loaded whole, whatever befalls its executors.

`LUIGI_SINKS_SPARK = every` takes each fault on each store, with and without keys, as `make spark` does.
"""

import os
import time
from pathlib import Path

import pytest

from luigi_sinks import BadRow, BadSetting, Conflict, State, Unavailable, config, stores
from tests.spark_faults import NODES, PARTITIONS, ROWS, Fault, ids_of, records_of, written

EVERY = os.environ.get("LUIGI_SINKS_SPARK") == "every"
STORES = ("mariadb", "elasticsearch", "neo4j")
FAULTS = ("raise", "kill worker", "kill executor")
CASES = [(store, is_keyed, what) for what in FAULTS for store in STORES for is_keyed in (True, False)]
SOME = [("mariadb", False, "kill worker"), ("elasticsearch", True, "kill executor"), ("neo4j", False, "raise")]


@pytest.mark.parametrize(("store", "is_keyed", "what"), CASES if EVERY else SOME)
def test_a_partition_that_fails_half_way_is_written_again_and_counts_once(
    spark, loaded, dataset, tmp_path, store, is_keyed, what
):
    spark.load(store=store, dataset=dataset, is_keyed=is_keyed, fault=Fault(tmp_path, what))
    assert ids_of(store, loaded(store), is_keyed=is_keyed) == list(range(ROWS))
    parts, _, correlations = written(tmp_path)
    assert len(parts) == 3 * PARTITIONS
    assert min(len(parts[1, 0]), len(parts[1, 1])) == 2, "no part was written again"
    assert len(correlations) == 1
    assert [record.state for record in records_of(store, dataset)] == [State.PUBLISHED]


def test_a_graph_of_nodes_and_relationships_is_one_version(spark, loaded, dataset):
    spark.load(store="neo4j", dataset=dataset, is_keyed=False, rows=1_000)
    kinds = [kind for kind, _ in loaded("neo4j")]
    assert (kinds.count("Item"), kinds.count("LINK")) == (NODES, 1_000)


@pytest.mark.parametrize(
    ("store", "is_keyed"), [(s, k) for s in STORES for k in (True, False)] if EVERY else [("mariadb", False)]
)
class TestAPartitionThatComesAgainInAnotherOrder:
    def test_it_is_refused_unsorted_and_readers_see_what_they_saw(
        self, spark, loaded, dataset, tmp_path, store, is_keyed
    ):
        first = spark.load(store=store, dataset=dataset, is_keyed=is_keyed, rows=300)
        again = {"fault": Fault(tmp_path, "raise"), "again": "backwards", "update_id": "second"}
        with pytest.raises(Conflict, match=r"was written before with .* other rows; .* \(in partition 1 of the frame"):
            spark.load(store=store, dataset=dataset, is_keyed=is_keyed, sort=False, **again)
        assert str(stores.find(store).catalog(dataset).head("_all").version) == first
        assert [record.state for record in records_of(store, dataset)] == [State.PUBLISHED, State.FAILED]
        assert len(ids_of(store, loaded(store), is_keyed=is_keyed)) == 300

    def test_it_is_published_sorted(self, spark, loaded, dataset, tmp_path, store, is_keyed):
        spark.load(store=store, dataset=dataset, is_keyed=is_keyed, fault=Fault(tmp_path, "raise"), again="backwards")
        assert ids_of(store, loaded(store), is_keyed=is_keyed) == list(range(ROWS))
        assert len(written(tmp_path)[0][1, 1]) == 2


def test_without_digests_a_partition_in_another_order_would_be_published_with_rows_twice(
    spark, loaded, dataset, tmp_path
):
    blind = Fault(tmp_path, "raise", is_blind=True)
    spark.load(store="mariadb", dataset=dataset, is_keyed=False, fault=blind, again="backwards", sort=False)
    ids = ids_of("mariadb", loaded("mariadb"), is_keyed=False)
    assert len(ids) == ROWS > len(set(ids))


def test_a_bad_row_is_raised_as_it_is_with_the_partition_and_the_row(spark, loaded, dataset):
    with pytest.raises(BadRow, match=r"'text': is 6 characters long.* \(partition 2 of the frame") as caught:
        spark.load_texts(dataset=dataset, texts=["short"] * 8 + ["longer"])
    assert (caught.value.dataset, caught.value.row, caught.value.field) == (dataset, 3, "text")
    assert loaded("mariadb") == []
    assert [record.state for record in records_of("mariadb", dataset)] == [State.FAILED]


def test_a_store_that_is_away_for_a_while_is_tried_again(spark, loaded, dataset, tmp_path):
    fault = Fault(tmp_path, "unavailable")
    spark.load(store="mariadb", dataset=dataset, fault=fault, connection="hasty")
    assert ids_of("mariadb", loaded("mariadb"), is_keyed=True) == list(range(ROWS))


def test_a_store_that_stays_away_is_unavailable(spark, loaded, dataset, tmp_path):
    fault = Fault(tmp_path, "always unavailable", part=0)
    with pytest.raises(Unavailable, match=r"the store is away; retried for .* as often as spark\.task\.maxFailures"):
        spark.load(store="mariadb", dataset=dataset, fault=fault, connection="hasty")
    assert loaded("mariadb") == []


def test_ctrl_c_abandons_the_version_and_ends_the_job(spark, loaded, dataset, tmp_path):
    spark.begin("load", store="mariadb", dataset=dataset, fault=Fault(tmp_path, "sleep", part=1))
    while not (tmp_path / "written").exists():
        time.sleep(0.1)
    spark.interrupt()
    with pytest.raises(KeyboardInterrupt):
        spark.end()
    assert loaded("mariadb") == []
    assert [record.state for record in records_of("mariadb", dataset)] == [State.FAILED]
    while spark.running_jobs():
        time.sleep(0.1)


class TestATimestampOfSpark:
    AT = "2013-01-31 22:00:00"
    """By the clock of New York, the session's time zone."""

    def test_it_is_converted_where_the_column_says_utc(self, spark, loaded, dataset):
        spark.load_times(dataset=dataset, text=self.AT, kind="TIMESTAMP", info={"time_zone": "UTC"})
        assert [str(row["at"]) for row in loaded("mariadb")] == ["2013-02-01 03:00:00"]

    def test_it_is_refused_where_the_column_does_not_say_which_clock_it_is_by(self, spark, loaded, dataset):
        with pytest.raises(BadSetting, match=r"column 'at' .* is an instant.*cast\('timestamp_ntz'\)"):
            spark.load_times(dataset=dataset, text=self.AT, kind="TIMESTAMP", info={})
        assert loaded("mariadb") == []

    def test_it_is_taken_as_it_is_without_a_zone(self, spark, loaded, dataset):
        spark.load_times(dataset=dataset, text=self.AT, kind="TIMESTAMP_NTZ", info={})
        assert [str(row["at"]) for row in loaded("mariadb")] == [self.AT]


@pytest.mark.parametrize(
    ("store", "what", "words"),
    [
        ("mariadb", "frames", "takes one frame; got a dict"),
        ("neo4j", "frame", r"takes a frame for each kind of row: {'Item': frame, ...}; got a DataFrame"),
        ("neo4j", "unknown kind", "has no rows of kind 'Itm'; did you mean 'Item'?"),
        ("mariadb", "pandas", "is not a frame of Spark; .*createDataFrame"),
        ("mariadb", "stream", "a streaming frame has no end; .*foreachBatch"),
        ("mariadb", "twice", "the frame has two columns 'text'; rename or drop one"),
    ],
)
def test_what_is_no_frame_of_each_kind_is_refused_before_a_version_is_begun(spark, dataset, store, what, words):
    with pytest.raises(BadSetting, match=words):
        spark.load_kind(store=store, dataset=dataset, what=what)
    assert dataset not in stores.find(store).datasets()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"changes_by_key": True}, "changes_by_key is not supported for frames of Spark; give all rows"),
        ({"on_bad_row": "set_aside", "most_bad_rows": 3}, "'set_aside' is not supported for frames of Spark; filter"),
    ],
)
def test_what_one_process_has_to_do_with_all_rows_is_refused(spark, dataset, options, words):
    with pytest.raises(BadSetting, match=words):
        spark.load(store="mariadb", dataset=dataset, **options)


@pytest.mark.parametrize("store", STORES)
def test_executors_have_the_configuration_of_the_driver(spark, dataset, tmp_path, store):
    assert spark.load_locally(store=store, dataset=dataset, folder=str(tmp_path)) == 1_000


def test_a_task_of_luigi_loads_its_frame_once(spark, loaded, dataset):
    assert spark.run_task(dataset=dataset) == (True, True, [State.PUBLISHED])
    assert len(loaded("mariadb")) == 100


@pytest.mark.parametrize("store", STORES)
def test_what_is_shipped_holds_no_secret(spark, dataset, store):
    connection = config.section(f"luigi_sinks.{store}")
    secret = Path(config.read_credential(connection["credential"])["path"]).read_text().strip()
    shipped, target = spark.pickled(store=store, dataset=dataset, secret=secret)
    assert secret.encode() not in shipped
    assert secret.encode() in target, "what is searched would not be found"
    assert len(shipped) < 10_000
