"""The numbers of parts: a partition has its own."""

import pickle

import pytest
from sqlalchemy import Column, Integer

from luigi_sinks import BadSetting, Part, config, running
from luigi_sinks.mariadb import MariaDBTarget
from luigi_sinks.spark.partition import MOST, Columns, OwnParts, Partition
from luigi_sinks.version import WHOLE, new_version


class Stage:
    version = new_version("items", WHOLE)
    writers = 2

    def __init__(self):
        self.numbers = []

    def write(self, part):
        self.numbers.append(part.number)


@pytest.fixture
def target(memory):
    return MariaDBTarget("items", columns=[Column("id", Integer)], update_id="first", checks=(lambda *_: None,))


def partition(target, offset):
    sections = {name: config.section(name) for name in config.section_names()}
    return Partition(target.without_checks(), Stage.version, "", offset, Columns(), sections, running.Running("task"))


def test_a_part_of_the_next_partition_is_refused_by_name():
    stage = Stage()
    own = OwnParts(stage, 3)
    for number in (3 * MOST, 4 * MOST - 1):
        own.write(Part(number, "", 1, [(1,)], b"[1]"))
    with pytest.raises(BadSetting, match="a partition has more than 65,536 parts; repartition the frame"):
        own.write(Part(4 * MOST, "", 1, [(1,)], b"[1]"))
    assert stage.numbers == [3 * MOST, 4 * MOST - 1]


def test_a_partition_beyond_the_last_number_is_refused_by_name(target):
    with pytest.raises(BadSetting, match="'items': the load has more than 65,536 partitions; coalesce the frame"):
        partition(target, offset=MOST - 3)._write(3, [])


def test_what_is_shipped_can_be_pickled_though_the_checks_cannot(target):
    shipped = partition(target, 0)
    assert pickle.loads(pickle.dumps(shipped)).target.name == "items"
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(target)
