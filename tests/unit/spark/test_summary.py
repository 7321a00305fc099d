"""What an executor tells the driver comes back as the error that it was."""

from types import SimpleNamespace

import pytest

from luigi_sinks.errors import (
    BadRow,
    BadSetting,
    CheckFailed,
    Conflict,
    CredentialError,
    Forbidden,
    NoRoles,
    NotInstalled,
)
from luigi_sinks.spark.summary import SCHEMA, Failure, Summary


def told(summary):
    """Return a summary as the driver gets it of Spark."""
    (row,) = summary.to_arrow().to_pylist()
    return Summary.from_row(SimpleNamespace(**row))


def raised(error, kind=""):
    """Return the error that the driver raises for one of an executor."""
    found = told(Summary(3, failure=Failure.of(error)))
    return found.failure.error(found.partition, kind)


def test_a_summary_comes_back_as_it_was():
    summary = Summary(3, rows=5, bytes=90, seconds=(0.5, 0.25))
    assert told(summary) == summary


def test_the_columns_are_those_that_spark_is_told_of():
    types = {"int32": "int", "int64": "bigint", "list<item: double>": "array<double>", "string": "string"}
    schema = Summary(0).to_arrow().schema
    assert ", ".join(f"{field.name} {types[str(field.type)]}" for field in schema) == SCHEMA


@pytest.mark.parametrize("kind", [BadSetting, CheckFailed, Conflict, CredentialError, Forbidden])
def test_an_error_is_raised_as_what_it_was_and_says_in_which_partition(kind):
    error = raised(kind("something is wrong"))
    assert (type(error), str(error)) == (kind, "something is wrong (in partition 3 of the frame)")


def test_a_bad_row_keeps_its_place():
    error = raised(BadRow("flights", 7, "carrier", "is missing"), "Airport")
    assert (type(error), error.dataset, error.row, error.field) == (BadRow, "flights", 7, "carrier")
    assert error.reason == (
        "is missing (partition 3 of the frame of Airport, whose rows are counted from 1 as they are written)"
    )


def test_a_kind_of_error_that_the_driver_need_not_know_is_raised_as_its_base():
    assert type(raised(NoRoles("none"))) is BadSetting


def test_a_package_that_an_executor_lacks_is_a_setting_to_correct():
    error = raised(NotInstalled("arrow", "No module named 'polars'"))
    assert type(error) is BadSetting
    assert "an executor lacks a package: No module named 'polars'; install it with: pip install" in str(error)
