"""Versions that are made of the head and of changed documents, on a real cluster."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from luigi_sinks import BadSetting, Conflict, Unavailable, versions
from luigi_sinks import record as rules
from luigi_sinks.claim import held
from luigi_sinks.elasticsearch import ElasticsearchSink, cloning, names
from luigi_sinks.elasticsearch.heads import Aliases
from luigi_sinks.elasticsearch.schema import parse_schema
from luigi_sinks.elasticsearch.sink import ElasticsearchStage
from luigi_sinks.testing.changing_suite import ChangingColumnSuite, change, ids
from luigi_sinks.testing.suite import rows
from luigi_sinks.testing.transitions import ORIGIN
from luigi_sinks.version import WHOLE, new_version
from tests.integration.elasticsearch.conftest import MAPPING
from tests.items import ITEMS


@pytest.fixture(autouse=True, scope="module")
def _nothing_is_left(cluster):
    yield
    cluster.delete("suite_")


class TestElasticsearchSink(ChangingColumnSuite):
    @pytest.fixture(autouse=True)
    def _settings(self, settings, cluster):
        self.settings, self.cluster = settings, cluster

    def make_sink(self, dataset, **settings):
        return ElasticsearchSink(self.settings, dataset, parse_schema(dataset, MAPPING, settings, "id"))

    with_columns = staticmethod(ITEMS["elasticsearch"].with_columns)

    def test_readers_see_the_changed_documents_and_no_alias_is_left(self, changing):
        first, second = change(changing, rows(3)), change(changing, [], [0])
        assert sorted(self.cluster.documents(changing.dataset)) == ["1", "2"]
        for version in (first, second):
            aliases = self.cluster("GET", f"/{names.index(version)}/_alias")[names.index(version)]["aliases"]
            assert not any(alias.endswith((names.CLONED, names.STAGED)) for alias in aliases)

    def test_a_carry_whose_answer_was_lost_deletes_once(self, changing, monkeypatch):
        change(changing, rows(5))
        carry, counts = ElasticsearchStage.carry, []

        def lose_the_first_answer(stage, *args):
            counts.append(carry(stage, *args))
            if len(counts) == 1:
                raise Unavailable("the answer was lost")
            return counts[-1]

        monkeypatch.setattr(ElasticsearchStage, "carry", lose_the_first_answer)
        assert list(ids(changing, change(changing, [{"id": 3, "name": "x", "amount": 1.0}], [0]))) == [1, 2, 3, 4]
        assert counts == [3, 3]

    def test_changes_keep_the_mapping_and_the_settings_of_the_head(self, changing):
        first = change(changing, rows(3))
        other = self.make_sink(changing.dataset, number_of_shards=2)
        with pytest.raises(BadSetting, match="has another mapping or other settings than are declared"):
            change(other, [])
        assert changing.head(WHOLE).version == first

    def test_what_is_being_cloned_is_not_deleted(self, changing):
        first, second = change(changing, rows(3)), change(changing, rows(1))
        aliases = Aliases(changing.settings, changing.dataset)
        loading = new_version(changing.dataset, WHOLE)
        with held(loading.id, changing.lease) as claim:
            staged = rules.staged(loading, ORIGIN, claim, schema=changing.declared)
            changing.registry.add(replace(staged, base=first.id))
            aliases.hold(first)
            for act in (changing.delete_rows, partial(versions.prune, changing, min_age=timedelta(0))):
                with pytest.raises(Conflict, match=f"{first} is being copied by a load; it is not deleted"):
                    act(first)
        assert list(ids(changing, first)) == [0, 1, 2]
        assert changing.head(WHOLE).version == second

    def test_what_a_dead_load_held_is_deleted(self, changing):
        first, _ = change(changing, rows(3)), change(changing, rows(1))
        Aliases(changing.settings, changing.dataset).hold(first)
        versions.prune(changing, first, min_age=timedelta(0))
        assert changing.count(first) == 0

    def test_a_head_that_is_being_deleted_is_not_cloned(self, changing):
        first, second = change(changing, rows(3)), change(changing, rows(1))
        aliases = Aliases(changing.settings, changing.dataset)
        assert aliases.take(first, names.RETIRED)
        with pytest.raises(Conflict, match=f"{first} is being deleted"):
            cloning.clone(changing.settings, aliases, first, second, "never")
        assert not aliases.is_held(first)
