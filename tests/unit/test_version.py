import re

import pytest

from luigi_sinks.errors import BadSetting
from luigi_sinks.version import State, Version, new_version


def test_an_id_is_valid_in_every_store_and_shows_its_time():
    assert re.fullmatch(r"v\d{8}t\d{6}_[a-z2-7]{6}", new_version("flights", "201301").id)


def test_two_versions_of_one_second_differ():
    assert len({new_version("flights", "_all").id for _ in range(200)}) == 200


def test_a_version_as_text_is_dataset_partition_and_id():
    assert str(Version("flights", "201301", "v1")) == "flights/201301/v1"


@pytest.mark.parametrize("state", State)
def test_versions_whose_load_has_not_ended_are_open(state):
    assert state.is_open == (state in {"staged", "sealed", "validated", "abandoned"})


@pytest.mark.parametrize("char", ["\n", "\x1b", "\u200b", "\u202e"])
def test_a_dataset_whose_name_has_a_character_that_is_not_seen_has_no_version(char):
    with pytest.raises(BadSetting, match="not seen"):
        new_version(f"d{char}", "_all")


@pytest.mark.parametrize("partition", ["", "A", "2013-01", "x" * 31])
def test_what_is_no_partition_has_no_version(partition):
    with pytest.raises(BadSetting, match="must consist of 1 to 30 characters"):
        new_version("d", partition)
