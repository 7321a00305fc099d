import pytest

from luigi_sinks.columns import Change, Column, changes, kind_of, names_of, refuse
from luigi_sinks.errors import BadSetting

BEFORE = {"id": Column("INTEGER", fixed="is in a key"), "name": Column("VARCHAR(20)")}


def declared(**others):
    return {**BEFORE, **others}


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("INTEGER", "BIGINT", "widened"),
        ("int(11)", "bigint(20)", "widened"),
        ("bigint(20)", "int(11)", "narrowed"),
        ("int(11) unsigned", "bigint(20)", "retyped"),
        ("integer", "long", "widened"),
        ("float", "double", "widened"),
        ("VARCHAR(20)", "VARCHAR(40)", "widened"),
        ("VARCHAR(40)", "VARCHAR(20)", "narrowed"),
        ("varchar(20) collate utf8mb4_bin", "varchar(40) collate utf8mb4_bin", "widened"),
        ("varchar(20) collate utf8mb4_bin", "varchar(20) collate utf8mb4_general_ci", "retyped"),
        ("VARCHAR(20)", "TEXT", "widened"),
        ("NUMERIC(10, 2)", "NUMERIC(12, 2)", "widened"),
        ("NUMERIC(10, 2)", "NUMERIC(12, 6)", "retyped"),
        ("NUMERIC(12, 6)", "NUMERIC(12, 2)", "retyped"),
        ("DATETIME", "DATETIME(6)", "widened"),
        ("DATE", "DATETIME", "retyped"),
        ("ENUM('a','b')", "ENUM('b','a','c')", "widened"),
        ("ENUM('a','b')", "ENUM('a')", "narrowed"),
        ("keyword", "text", "retyped"),
        ("INTEGER", "VARCHAR(20)", "retyped"),
        ("list[int]", "list[str]", "retyped"),
    ],
)
def test_a_type_that_holds_all_old_values_is_wider(before, after, kind):
    assert kind_of(before, after) == kind


def test_columns_may_come_and_grow():
    after = declared(name=Column("VARCHAR(40)"), note=Column("TEXT"))
    assert [(each.column, each.kind) for each in changes(BEFORE, after)] == [("name", "widened"), ("note", "added")]
    refuse("d", BEFORE, after, ())


def test_the_first_columns_are_not_refused():
    refuse("d", {}, BEFORE, ())


@pytest.mark.parametrize(
    ("after", "column", "said"),
    [
        ({"id": BEFORE["id"]}, "name", "column 'name', VARCHAR(20), is no longer declared"),
        (declared(name=Column("VARCHAR(9)")), "name", "column 'name' is VARCHAR(20), and is declared as VARCHAR(9)"),
        (declared(name=Column("DATE")), "name", "column 'name' is VARCHAR(20), and is declared as DATE"),
        (
            {"id": BEFORE["id"], "label": Column("VARCHAR(20)", renamed_from="name")},
            "label",
            "column 'name' is declared as 'label'",
        ),
    ],
)
def test_what_can_break_readers_must_be_allowed_by_the_columns_name(after, column, said):
    with pytest.raises(BadSetting) as refused:
        refuse("d", BEFORE, after, ("other",))
    assert str(refused.value) == (
        f"dataset 'd': {said}, which can break readers. Once they are ready, set allow_change = ({column!r},); or "
        "declare the column as it was, or load another dataset"
    )
    refuse("d", BEFORE, after, (column,))


@pytest.mark.parametrize(
    "after",
    [
        {"name": BEFORE["name"]},
        declared(id=Column("BIGINT", fixed="is in a key")),
        declared(name=Column("VARCHAR(20)", fixed="is in a key")),
        declared(new=Column("INTEGER", fixed="is in a key")),
    ],
)
def test_a_column_of_a_key_cannot_change_even_if_allowed(after):
    with pytest.raises(
        BadSetting, match=r"A column that is in a key cannot come, go or change; declare.*load another dataset"
    ):
        refuse("d", BEFORE, after, ("id", "name", "new"))


def test_a_rename_that_was_made_is_not_made_again():
    after = {"id": BEFORE["id"], "label": Column("VARCHAR(20)", renamed_from="name")}
    assert changes(after, after) == []
    assert changes({"id": BEFORE["id"]}, after) == [Change("label", "added", "", "VARCHAR(20)")]


def test_allow_change_is_one_name_or_several():
    assert names_of("name") == names_of(["name"]) == ("name",)
    for wrong in (True, [1]):
        with pytest.raises(BadSetting, match="must name columns"):
            names_of(wrong)
