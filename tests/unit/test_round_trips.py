"""What the local store accepts of any store's declarations is read as it was given."""

import pytest

from luigi_sinks.sqlite import SQLiteSink
from tests.declarations import Graphs, Indices, Tables, contract_of
from tests.round_trips import round_trips


@pytest.mark.parametrize("declarations", [Tables, Indices, Graphs])
def test_what_is_accepted_is_read_as_it_was_given_and_the_rest_is_refused_by_name(declarations, tmp_path):
    store = declarations(lambda name, schema: SQLiteSink(tmp_path, "memory", name, contract_of(name, schema)))
    assert round_trips(store, declarations=5, rows=40) >= 2_000
