"""The tasks that docs/migrating.md shows before they are moved are refused by name once the import alone is changed."""

import re
from datetime import date

import luigi
import pytest
from luigi.parameter import ParameterException


def before(page, name):
    """Return the class of a task as the page first shows it, with the import changed."""
    block = next(each for each in page("docs/migrating.md").blocks("python") if f"class {name}(" in each)
    names = {"luigi": luigi, "__name__": "before"}
    exec(block.replace("from luigi.contrib import", "from luigi_sinks.contrib import"), names)
    return names[name]


@pytest.mark.parametrize(
    ("name", "parameters", "refused"),
    [
        ("Prices", {"day": date(2013, 1, 31)}, "connection_string: remove it"),
        ("Words", {"day": date(2013, 1, 31)}, "host, database, user: remove it"),
        ("Stock", {"day": date(2013, 1, 31)}, r"copy: .* set changes_by_key = True and partition_by"),
        ("Reviews", {}, "host: remove it: .* http_auth: remove it"),
    ],
)
def test_the_task_before_it_is_moved_is_refused_by_what_is_to_be_removed(page, name, parameters, refused):
    with pytest.raises(ParameterException, match=refused):
        before(page, name)(**parameters)


def test_what_is_refused_next_is_said_once_the_connection_is_removed(page):
    class Prices(before(page, "Prices")):
        connection_string = None

    class Words(before(page, "Words")):
        host = database = user = None

    class Reviews(before(page, "Reviews")):
        host = http_auth = None

    for kind, parameters, said in (
        (Prices, {"day": date(2013, 1, 31)}, r"Set partition_by = \('day',\)"),
        (Words, {"day": date(2013, 1, 31)}, "column 'at': TIMESTAMP shifts"),
        (Reviews, {}, "Proposed from the first 2 documents"),
    ):
        with pytest.raises(ParameterException, match=said):
            kind(**parameters)


def test_each_section_shows_a_task_before_and_after(page):
    shown = re.findall(r"^class (\w+)\(", "\n".join(page("docs/migrating.md").blocks("python")), re.MULTILINE)
    assert [name for name in shown if shown.count(name) == 2][::2] == [
        *("Prices", "Words", "Stock", "Reviews", "Totals", "Levels", "Authors")
    ]
