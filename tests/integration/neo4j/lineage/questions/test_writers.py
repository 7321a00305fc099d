"""Who wrote a version is who did in a plain Python model."""

from luigi_sinks.lineage.questions import writers
from tests.lineage_model import dataset_key, task_key, version_key


def test_who_wrote_a_version_is_its_run_with_code_and_parameters(ask, model, some):
    for version in some(model.writes):
        answer, write = writers.who_wrote(ask, version), model.writes[version]
        start = model.starts[write.run]
        assert (answer.run, answer.task, answer.owner) == (write.run, task_key(start.task), start.owner)
        assert (answer.params, answer.commit, answer.source) == (start.params, start.commit, start.source)
        assert (answer.rows, answer.removed) == (write.rows, model.removed.get(version, 0))
        heads = model.publications[dataset_key(write.dataset)][write.partition]
        assert answer.published == tuple(sorted(each.at for each in heads if version_key(each) == version))
