"""A run has a UUID."""

from uuid import UUID

import pytest

from luigi_sinks.lineage.facets.run_id import run_id


@pytest.mark.parametrize("text", ["nightly", "dag/2013-01-01", "{019c3f5e7a1b7c2d8e3f4a5b6c7d8e9f}", ""])
def test_each_run_has_a_uuid_that_its_name_alone_decides(text):
    assert run_id(text) == str(UUID(run_id(text))) == run_id(text)
    assert run_id(text) != run_id(text + "1")
