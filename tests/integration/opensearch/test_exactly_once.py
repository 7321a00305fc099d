"""Calls whose answers are lost on the way are made again, and change nothing twice."""

import pytest

from luigi_sinks.testing.servers.signature_relay import Relay, _Handler

CALLS = ("_create", "_bulk", "_block", "_settings", "_aliases", "_doc")


class Losing(Relay):
    """Passes on the first call of each kind, and cuts the connection where its answer should come."""

    def __init__(self, *args):
        super().__init__(*args)
        self.RequestHandlerClass = _Losing
        self.lost = set()


class _Losing(_Handler):
    def _answer(self, status, kind, content):
        call = next((each for each in CALLS if f"/{each}" in self.path), "")
        if call and call not in self.server.lost:
            self.server.lost.add(call)
            self.close_connection = True
        else:
            super()._answer(status, kind, content)


@pytest.mark.usefixtures("small_parts")
def test_a_load_whose_answers_are_lost_is_whole_and_has_each_document_once(gate, make_sink, load_ids, cluster, dataset):
    relay, settings = gate(Losing)
    sink = make_sink(settings)
    load_ids(sink, range(350))
    assert relay.lost == set(CALLS)
    assert cluster.ids(dataset) == list(range(350))
    (record,) = sink.records()
    assert (record.rows, record.state) == (350, "published")
    relay.lost.clear()
    load_ids(sink, range(10))
    assert cluster.ids(dataset) == list(range(10))
    assert [each.state for each in sink.records()] == ["retired", "published"]
