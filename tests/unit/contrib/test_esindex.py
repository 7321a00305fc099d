"""Tasks that are written for luigi.contrib.esindex load by a changed import, once they declare a mapping."""

import json
from datetime import date

import luigi
import pytest
from luigi.mock import MockTarget
from luigi.parameter import ParameterException

from luigi_sinks.contrib import esindex
from luigi_sinks.contrib.proposal import proposed
from luigi_sinks.errors import BadRow, CheckFailed, Conflict

pytestmark = pytest.mark.usefixtures("memory")

MAPPING = {"properties": {"id": {"type": "keyword"}, "text": {"type": "text"}}}


class DocumentsFile(luigi.Task):
    def output(self):
        return MockTarget("documents.ldj")

    def run(self):
        with self.output().open("w") as file:
            file.writelines(json.dumps({"id": str(number), "text": f"no {number}"}) + "\n" for number in range(3))


class FromFile(esindex.CopyToIndex):
    index, mapping, id_field = "texts", MAPPING, "id"
    doc_type, chunk_size = "entry", 500

    def requires(self):
        return DocumentsFile()


def build(*tasks):
    return luigi.build(tasks, local_scheduler=True, no_lock=True, log_level="WARNING")


def rows_of(task):
    return list(task.output().rows())


def task_of(given, family="Given", **attributes):
    body = {"index": "texts", "mapping": MAPPING, "id_field": "id", "docs": lambda self: given, **attributes}
    return type(family, (esindex.CopyToIndex,), body)()


def test_the_json_lines_of_the_input_are_the_documents(caplog):
    assert build(FromFile())
    assert [row["text"] for row in rows_of(FromFile())] == ["no 0", "no 1", "no 2"]
    assert "FromFile: doc_type has no effect: Elasticsearch has had no types of documents since 8.0" in caplog.text


def test_metadata_of_a_document_is_taken_out_and_its_id_put_into_the_field_for_it():
    given = {"_id": "a", "_index": "texts", "_type": "entry", "text": "x"}
    task = task_of([given, {"_id": 7, "_source": {"text": "y"}}, {"_id": "c", "id": "c", "text": "z"}])
    task.run()
    assert [row["id"] for row in rows_of(task)] == ["a", "7", "c"]
    assert given["_id"] == "a"


@pytest.mark.parametrize(
    ("document", "attributes", "said"),
    [
        ({"_index": "others", "id": "a"}, {}, "_index = 'others'; load each index by its own task"),
        ({"_op_type": "delete", "_id": "a"}, {}, "_op_type = 'delete'; a version holds all documents"),
        ({"_id": "a", "id": "b"}, {}, "_id = 'a' and id = 'b'"),
        (
            {"_id": "a"},
            {"id_field": ""},
            'add "id": {"type": "keyword"} to mapping, and set id_field = "id"',
        ),
        ("[1]", {}, "a document is text, and not a JSON object"),
        ("{", {}, "a document is text, and not a JSON object"),
    ],
)
def test_a_document_that_the_old_class_wrote_elsewhere_or_otherwise_is_refused(document, attributes, said):
    task = task_of([document], **attributes)
    with pytest.raises(CheckFailed) as refused:
        task.run()
    assert said in str(refused.value)
    assert not task.complete()


@pytest.mark.parametrize("kind", ["keyword", "long"])
@pytest.mark.parametrize("id_", [None, True, 1.0, 1.5, [1], {}])
def test_an_id_that_is_no_text_or_whole_number_is_refused_by_its_row(id_, kind):
    mapping = {"id": {"type": kind}, "text": {"type": "text"}}
    task = task_of([{"_id": "1", "text": "x"}, {"_id": id_, "text": "y"}], mapping=mapping)
    with pytest.raises(BadRow, match="row 2, field 'id': "):
        task.run()
    assert not task.complete()


@pytest.mark.parametrize("id_", ["007", "\u0661", "1_0"])
def test_an_id_of_text_that_a_number_would_not_keep_is_refused_by_its_row(id_):
    with pytest.raises(BadRow, match="row 1, field 'id': "):
        task_of([{"_id": id_}], mapping={"id": {"type": "long"}}).run()


@pytest.mark.parametrize("name", ["_routing", "stars", "text"])
def test_what_stands_beside_a_source_is_refused_by_its_row(name):
    with pytest.raises(BadRow, match=f"row 1, field '{name} beside _source': is unknown"):
        task_of([{"_id": "a", "_type": "entry", name: "y", "_source": {"text": "x"}}]).run()


@pytest.mark.parametrize("size", [-1, 1.0, True, "2", None])
def test_a_history_that_is_no_number_of_outputs_is_refused(size):
    with pytest.raises(ParameterException, match=r"marker_index_hist_size = .* is no whole number from 0 on"):
        task_of([], marker_index_hist_size=size)


@pytest.mark.parametrize("purge", ["no", 1, None])
def test_purging_is_either_true_or_false(purge):
    with pytest.raises(ParameterException, match=r"purge_existing_index = .* is neither True nor False"):
        task_of([], purge_existing_index=purge)


@pytest.mark.parametrize("doc_type", ["", "entry"])
def test_a_mapping_within_a_name_that_is_not_its_document_type_is_refused_with_what_to_write(doc_type):
    with pytest.raises(ParameterException, match=r"mapping holds 'review' alone, .* set doc_type = 'review' or remove"):
        task_of([], mapping={"review": MAPPING}, doc_type=doc_type)
    field = {"properties": {"review": {"properties": {"stars": {"type": "long"}}}}}
    assert task_of([], mapping=field, doc_type=doc_type, id_field="").output().schema.properties == field["properties"]


def test_without_a_mapping_one_is_proposed_from_the_first_documents_and_nothing_is_loaded():
    given = [
        {"_id": "a", "name": "a", "n": 1, "tags": ["x"], "at": "2013-01-31T05:00:00Z"},
        '{"_id": "b", "name": "b"}',
    ]
    with pytest.raises(ParameterException) as refused:
        task_of(given, mapping=None, id_field="")
    said = str(refused.value)
    assert "Proposed from the first 2 documents, to check and paste:" in said
    proposal = {}
    exec(said.partition(":\n")[2], proposal)
    assert proposal["mapping"] == {
        "name": {"type": "keyword"},
        "n": {"type": "long"},
        "tags": {"type": "keyword"},
        "at": {"type": "date"},
    }
    assert proposal["id_field"] == "name"
    attributes = {name: proposal[name] for name in ("mapping", "id_field")}
    task = task_of(given, **attributes)
    task.run()
    assert len(rows_of(task)) == 2


def test_a_field_for_ids_is_proposed_where_no_field_holds_them():
    assert proposed([{"id": 1}, {"id": 2}], ids=["a", "b"]) == (
        "mapping = {'doc_id': {'type': 'keyword'}, 'id': {'type': 'long'}}\nid_field = 'doc_id'"
    )


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([True, False], {"type": "boolean"}),
        ([1, 2**40], {"type": "long"}),
        ([1, 2.5], {"type": "double"}),
        ([2**64], {"type": "keyword"}),
        (["x" * 300], {"type": "text"}),
        ([date(2013, 1, 31), "2013-02-01"], {"type": "date"}),
        (["2013-02-01", "soon"], {"type": "keyword"}),
        ([[{"a": 1}], {"b": "x"}], {"properties": {"a": {"type": "long"}, "b": {"type": "keyword"}}}),
        ([None], {"type": "keyword"}),
    ],
)
def test_the_proposed_type_takes_all_values_that_were_seen(values, kind):
    found = {}
    exec(proposed([{"field": value} for value in values]), found)
    assert found["mapping"] == {"field": kind}


def test_without_a_mapping_and_an_input_the_error_says_when_one_is_proposed():
    class Early(esindex.CopyToIndex):
        index = "early"

        def requires(self):
            return DocumentsFile()

        def input(self):
            return luigi.LocalTarget("/no/such/file")

    with pytest.raises(ParameterException, match="Make the task again when its input is there"):
        Early()


def test_purging_an_index_says_that_a_run_replaces_the_whole():
    class Dump(FromFile):
        day = luigi.DateParameter()
        purge_existing_index = True

    assert build(Dump(date(2013, 1, 31)), Dump(date(2013, 2, 1)))
    assert list(Dump(date(2013, 1, 31)).output().sink().heads()) == ["_all"]
    with pytest.raises(ParameterException, match="purge_existing_index = True replaces the whole index"):
        type("Both", (Dump,), {"partition_by": ("day",)})(date(2013, 1, 31))


def test_a_task_that_purges_nothing_says_what_its_parameters_are_for():
    with pytest.raises(ParameterException, match=r"partition_by = \('day',\)"):
        type("Appending", (FromFile,), {"day": luigi.DateParameter()})(date(2013, 1, 31))


@pytest.mark.parametrize(("size", "complete"), [(0, [True] * 3), (1, [False, False, True]), (2, [False, True, True])])
def test_only_the_last_outputs_that_the_history_holds_are_complete(size, complete):
    class Dump(FromFile):
        number = luigi.IntParameter()
        partition_by = ("number",)
        marker_index_hist_size = size

    tasks = [Dump(number) for number in (7, 8, 9)]
    for task in tasks:
        task.requires().run()
        task.run()
    assert [task.complete() for task in tasks] == complete
    assert Dump.bulk_complete([7, 8, 9]) == [
        number for number, is_done in zip((7, 8, 9), complete, strict=True) if is_done
    ]


def test_two_tasks_that_append_to_one_index_are_told_of_partitions_and_keep_both_by_them():
    first, second = task_of([{"id": "a"}], "First"), task_of([{"id": "b"}], "Second")
    first.run()
    with pytest.raises(Conflict, match="partition = 'NAME' where no parameter tells them apart"):
        second.run()
    assert [row["id"] for row in rows_of(first)] == ["a"]
    for family, id_ in (("Third", "a"), ("Fourth", "b")):
        task_of([{"id": id_}], family, index="both", partition=family.casefold()).run()
    heads = task_of([], "Third", index="both", partition="third").output().sink().heads()
    assert [head.record.rows for head in heads.values()] == [1, 1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("host", "es.internal"),
        ("port", 9200),
        ("http_auth", ("me", "hunter2")),
        ("extra_elasticsearch_args", {"use_ssl": True}),
        ("update_id", lambda self: "x"),
        ("create_index", lambda self: None),
        ("delete_index", lambda self: None),
        ("rows", lambda self: []),
    ],
)
def test_what_the_old_class_called_and_this_one_does_not_is_refused(name, value):
    with pytest.raises(ParameterException, match=f"{name}: ") as refused:
        task_of([], **{name: value})
    assert "hunter2" not in str(refused.value)


def test_documents_that_were_left_out_silently_are_to_be_set_aside():
    with pytest.raises(ParameterException, match="raise_on_error = False would leave documents out unseen"):
        task_of([], raise_on_error=False)


def test_a_mapping_within_its_document_type_and_settings_within_the_body_are_taken():
    task = task_of([{"id": "a"}], mapping={"entry": MAPPING}, doc_type="entry", settings={"settings": {"a": 1}})
    assert task.output().schema.properties == MAPPING["properties"]
    assert task.output().schema.settings == {"a": 1}


def test_what_else_stands_in_the_body_of_settings_is_refused():
    with pytest.raises(ParameterException, match="settings has mappings beside settings"):
        task_of([], settings={"settings": {}, "mappings": MAPPING})


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"mapping": {"id": {}}}, "field 'id' has no type"),
        ({"id_field": "no_such_field"}, "id_field = 'no_such_field' must be a keyword or an integer of the mapping"),
        ({"settings": {"index": {"default_pipeline": "x"}}}, "remove default_pipeline"),
        ({"index": ""}, "index ''"),
    ],
)
def test_a_declaration_that_cannot_work_is_refused_when_the_task_is_made(attributes, said):
    with pytest.raises(ParameterException) as refused:
        task_of([], **attributes)
    assert said in str(refused.value)


def test_the_id_of_a_document_becomes_a_number_where_its_field_is_one():
    task = task_of([{"_id": "7"}, {"_id": 8}], mapping={"n": {"type": "integer"}}, id_field="n")
    task.run()
    assert rows_of(task) == [{"n": 7}, {"n": 8}]
