"""Markers of every store, each under a name that no other test uses, on the servers of luigi.cfg."""

import secrets

import pytest

from luigi_sinks import elasticsearch, mariadb, neo4j


@pytest.fixture
def name():
    return f"m{secrets.token_hex(4)}"


@pytest.fixture(params=[mariadb.Marker, elasticsearch.Marker, neo4j.Marker], ids=["mariadb", "elasticsearch", "neo4j"])
def kind(request):
    return request.param
