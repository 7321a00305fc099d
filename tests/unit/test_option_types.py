"""An option of a wrong kind is refused when the task or the target is made, with the way out."""

import luigi
import pytest
from luigi.parameter import ParameterException
from sqlalchemy import Column, Integer

from luigi_sinks import BadSetting, mariadb

COLUMNS = [Column("id", Integer, primary_key=True)]
WRONG = {
    "checks": (None, "not_empty", (1,)),
    "shared_with": (None, "Load", 5, (5,)),
    "connection": (5,),
    "owner": (5,),
    "changes_by_key": ("yes", None),
}


@pytest.mark.parametrize(("option", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_task_and_a_target_refuse_a_value_of_a_wrong_kind(option, value):
    kind = type("Load", (mariadb.CopyToTable,), {"table": "t", "partition_by": (), "columns": COLUMNS, option: value})
    with pytest.raises(ParameterException, match=f"^Load: {option} = .* must be "):
        kind()
    with pytest.raises(BadSetting, match=f"^dataset 't': {option} = .* must be "):
        mariadb.MariaDBTarget("t", columns=COLUMNS, update_id="u", **{option: value})


@pytest.mark.parametrize("name", [None, "", 5])
def test_a_dataset_whose_name_is_no_text_is_refused(name):
    with pytest.raises(BadSetting, match="has no name; set table, index or graph, to text"):
        mariadb.MariaDBTarget(name, columns=COLUMNS, update_id="u")


def test_lists_and_sets_name_as_tuples_do():
    class Load(mariadb.CopyToTable):
        table, partition_by, columns = "t", (), COLUMNS
        checks, shared_with = [lambda version, counts: None], {"Other"}
        month = luigi.MonthParameter(significant=False)

    assert Load(month=luigi.MonthParameter().parse("2013-01")).output().name == "t"


def test_a_task_may_have_a_parameter_that_is_called_as_an_option_of_targets_alone():
    class Departures(mariadb.CopyToTable):
        table, partition_by, columns = "departures", ("origin",), COLUMNS
        origin = luigi.Parameter()

    assert Departures(origin="jfk").output().partition == "jfk"


def test_a_task_does_not_take_over_what_another_host_may_still_write():
    kind = type(
        "Load", (mariadb.CopyToTable,), {"table": "t", "partition_by": (), "columns": COLUMNS, "takes_over": True}
    )
    with pytest.raises(ParameterException, match="takes_over: remove it: Luigi does not say whether an earlier try"):
        kind()
