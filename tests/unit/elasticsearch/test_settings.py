from dataclasses import replace
from pathlib import Path

import pytest
from luigi.configuration import get_config

from luigi_sinks import config
from luigi_sinks.elasticsearch import ElasticsearchSettings
from luigi_sinks.elasticsearch.connection import ask
from luigi_sinks.errors import BadSetting

PLAIN = ElasticsearchSettings("db.internal", credential="c")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:9200"),
        ("::1", "http://[::1]:9200"),
        ("localhost", "http://localhost:9200"),
        ("10.0.0.1", "https://10.0.0.1:9200"),
        ("es.example.org", "https://es.example.org:9200"),
    ],
)
def test_clear_text_stays_on_this_machine(host, url):
    assert replace(PLAIN, host=host).url == url
    assert replace(PLAIN, host=host, tls_ca=Path("ca.pem")).url.startswith("https:")


def test_who_loads_also_publishes_where_nobody_else_is_named():
    assert PLAIN.publisher is PLAIN


def test_a_publisher_has_a_login_of_its_own_to_the_same_cluster():
    named = replace(PLAIN, user="loader", owner="ops", publish_credential="p", publish_user="publisher")
    assert named.publisher == replace(PLAIN, credential="p", user="publisher", owner="ops")


def test_a_publish_credential_that_is_not_there_is_named(luigi_cfg):
    luigi_cfg("[luigi_sinks.credential.c]\nsource = file\npath = c\n")
    with pytest.raises(BadSetting, match=r"\[luigi_sinks.credential.nobody\] in luigi.cfg"):
        ask(replace(PLAIN, publish_credential="nobody").publisher, lambda es: es.indices.exists(index="x"))


def test_more_headers_are_pairs_with_commas_between():
    assert replace(PLAIN, headers="X-Team: data, X-Stage:test,").more_headers == {"X-Team": "data", "X-Stage": "test"}
    assert PLAIN.more_headers == {}


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"headers": "Authorization: Bearer x"}, "headers must hold no secret"),
        ({"headers": "X-Api-Key: x"}, "headers must hold no secret"),
        ({"headers": "X-Team"}, "NAME: VALUE"),
        ({"headers": "X-Team: a\nX-Other: b"}, "NAME: VALUE"),
        ({"headers": "X Team: a"}, "NAME: VALUE"),
        ({"token_header": "no header"}, "token_header"),
        ({"tls_key": "client.key"}, "tls_certificate"),
        ({"publish_user": "publisher"}, "without publish_credential; set both"),
        ({"host": "127.0.0.1", "tls_server_name": "db"}, "without tls_ca; set it"),
        ({"host": "127.0.0.1", "tls_certificate": "client.pem"}, "without tls_ca; set it"),
    ],
)
def test_what_cannot_work_is_refused_where_it_is_read(settings, reason):
    section = "luigi_sinks.elasticsearch.wrong"
    get_config().read_dict({section: {"host": "db.internal", "credential": "c", **settings}})
    try:
        with pytest.raises(BadSetting, match=rf"\[{section}\] in luigi.cfg: .*{reason}"):
            config.read_connection(ElasticsearchSettings, "elasticsearch", "wrong")
    finally:
        get_config().remove_section(section)
