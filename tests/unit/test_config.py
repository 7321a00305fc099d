import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from luigi_sinks import config
from luigi_sinks.errors import BadSetting


@dataclass(frozen=True)
class Settings:
    host: str
    port: int = 3306


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("cfg", "[luigi_sinks.mariadb]\nHost = db\nport = 3307\n[luigi_sinks.mariadb.copy]\nhost = other\n"),
        ("toml", '[luigi_sinks.mariadb]\nHost = "db"\nport = 3307\n[luigi_sinks.mariadb.copy]\nhost = "other"\n'),
        ("toml", '["luigi_sinks.mariadb"]\nhost = "db"\nport = "3307"\n["luigi_sinks.mariadb.copy"]\nhost = "other"\n'),
    ],
)
def test_a_connection_is_read_from_luigi_cfg_and_luigi_toml(luigi_cfg, kind, text):
    luigi_cfg(text, kind)
    assert config.read_connection(Settings, "mariadb") == Settings("db", 3307)
    assert config.read_connection(Settings, "mariadb", "copy") == Settings("other")


def test_a_setting_that_is_missing_is_named_with_its_section(luigi_cfg):
    luigi_cfg("[luigi_sinks.mariadb]\nport = 3307\n")
    with pytest.raises(BadSetting, match=r"\[luigi_sinks.mariadb\].*host"):
        config.read_connection(Settings, "mariadb")


def test_a_setting_of_the_wrong_type_is_named(luigi_cfg):
    luigi_cfg("[luigi_sinks.mariadb]\nhost = db\nport = many\n")
    with pytest.raises(BadSetting, match=r"port"):
        config.read_connection(Settings, "mariadb")


@dataclass(frozen=True)
class Kinds:
    count: int = 1
    seconds: float = 1.0
    required: bool = False
    product: Literal["red", "blue"] = "red"
    file: Path | None = None
    name: str = ""


@pytest.mark.parametrize(
    ("kind", "said", "wrong"),
    [
        ("cfg", "count = abc", "count must be a whole number"),
        ("cfg", "seconds = soon", "seconds must be a number"),
        ("cfg", "required = perhaps", "required must be true or false"),
        ("cfg", "product = green", "product must be red or blue"),
        ("toml", "file = 7", "file must be text, in quotes"),
        ("toml", "name = 7", "name must be text, in quotes"),
    ],
)
def test_a_setting_of_the_wrong_type_is_named_with_what_it_must_be(luigi_cfg, kind, said, wrong):
    luigi_cfg(f"[luigi_sinks.mariadb]\n{said}\n", kind)
    with pytest.raises(BadSetting) as caught:
        config.read_connection(Kinds, "mariadb")
    assert str(caught.value) == f"[luigi_sinks.mariadb] in luigi.cfg: {wrong}"


def test_a_setting_that_is_unknown_is_named(luigi_cfg):
    luigi_cfg("[luigi_sinks.mariadb]\nhost = db\nprot = 3307\n")
    with pytest.raises(BadSetting, match=r"prot.*did you mean 'port'"):
        config.read_connection(Settings, "mariadb")


def test_a_section_whose_name_is_almost_the_one_that_is_missing_is_named(luigi_cfg):
    luigi_cfg("[luigi_sinks.mariabd]\nhost = db\n[luigi_sinks.elasticsearch]\nhost = db\n")
    with pytest.raises(BadSetting, match=r"no section \[luigi_sinks.mariadb\] .*if \[luigi_sinks.mariabd\] is meant"):
        config.read_connection(Settings, "mariadb")
    with pytest.raises(BadSetting) as caught:
        config.read_connection(Settings, "neo4j")
    assert "is meant" not in str(caught.value)


@pytest.mark.parametrize("key", ["password", "PassWord", "client_secret", "token", "api_key", "aws_secret_access_key"])
@pytest.mark.parametrize("kind", ["cfg", "toml"])
def test_a_secret_in_any_section_is_refused_with_the_fix(luigi_cfg, key, kind):
    quote = '"' if kind == "toml" else ""
    values = f"[luigi_sinks.mariadb]\nhost = {quote}db{quote}\n[luigi_sinks.elasticsearch]\n{key} = {quote}x.y{quote}\n"
    luigi_cfg(values, kind)
    with pytest.raises(BadSetting, match=r"\[luigi_sinks.elasticsearch\].*secret.*credential = NAME") as caught:
        config.read_connection(Settings, "mariadb")
    assert "x.y" not in str(caught.value)


KEYS = [
    *("Password", "db_password", "password2", "PASSWORD_OLD", "passwd", "pass", "pw", "pin", "passphrase"),
    *("secret", "my_secret_value", "tokens", "bearer", "accesskey", "secretkey", "privatekey", "private_key"),
    *("api-key", "apikey", "credentials", "session_token", "\uff50assword", "Authorization", "cookie"),
]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("section", ["luigi_sinks", "luigi_sinks.nobody_reads", "luigi_sinks.mariadb.a.b"])
def test_a_key_that_is_spelled_like_a_secret_is_refused_in_every_section(key, section):
    config.use({section: {key: "hunter2"}})
    with pytest.raises(BadSetting, match="contains a secret") as caught:
        config.common()
    assert "hunter2" not in str(caught.value)


VALUES = {
    "host": ["user:hunter2@db", ":hunter2@db", "user:hun/ter2@db", "mysql://user:hunter2@db/flights"],
    "issuer": [
        "https://hunter2@idp/realm",
        "https://u:hunter2@idp/realm",
        "https://idp/?access_token=hunter2",
        "https://idp/realm?a=b&client_secret=hunter2",
        "https://idp/x;sig=hunter2",
    ],
    "headers": [
        "X-Key: hunter2",
        "X-Team: ops, X-Api-Key: hunter2",
        "authorization: hunter2",
        "Cookie: hunter2",
        "X-Session: hunter2",
        "X-Team: Bearer hunter2hunter2",
    ],
    "user": [
        "password=hunter2",
        "host=db password = hunter2",
        '{"password": "hunter2"}',
        "Bearer hunter2hunter2",
        "eyJhbGciOiJIUzI1NiJ9.hunter2.x",
        "AKIAHUNTER2HUNTER2HU",
        "hvs.hunter2hunter2hunter2",
        "-----BEGIN PRIVATE KEY-----hunter2",
    ],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in VALUES.items() for value in values])
@pytest.mark.parametrize("section", ["luigi_sinks.mariadb", "luigi_sinks.nobody_reads"])
def test_a_value_that_looks_like_a_secret_is_refused_in_every_section(key, value, section):
    for given in (value, ["plain", value]):
        config.use({section: {key: given}})
        with pytest.raises(BadSetting, match=f"{key} must hold no secret|contains a secret, '{key}'") as caught:
            config.common()
        assert "hunter2" not in str(caught.value).lower()


def test_a_name_of_a_section_that_holds_a_secret_is_refused():
    config.use({"luigi_sinks": {"mariadb": {"user:hunter2@db": {"host": "db"}}}})
    with pytest.raises(BadSetting, match="the name of a section") as caught:
        config.common()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        '[[luigi_sinks.credential]]\nwhatever = "hunter2"\n',
        '[[luigi_sinks]]\nwhatever = "hunter2"\n',
        '[["luigi_sinks.mariadb"]]\nwhatever = "hunter2"\n',
        '[luigi_sinks.mariadb]\nhost = [[{whatever = "hunter2"}]]\n',
        '[luigi_sinks.mariadb]\nhost = {a = [{whatever = "hunter2"}]}\n',
        'luigi_sinks = "hunter2"\n',
    ],
)
def test_a_list_of_tables_is_refused_and_not_quoted(luigi_cfg, tmp_path, monkeypatch, text):
    (tmp_path / "sinks.toml").write_text(text)
    luigi_cfg("")
    monkeypatch.setenv(config.ENVIRONMENT, str(tmp_path / "sinks.toml"))
    with pytest.raises(BadSetting, match=r"no section|list of tables") as caught:
        config.common()
    assert "hunter2" not in str(caught.value)


PLAIN = {
    "role": "arn:aws:iam::123456789012:role/team@corp",
    "secret_id": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf",
    "issuer": "https://idp.internal:8443/realms/data?client=flights",
    "headers": "X-Team: data, X-Stage: test",
    "user": "loader@corp.example",
    "client_secret_from": "another",
    "token_header": "x-auth",
    "private_key_file": "/run/secrets/key",
    "path": "/run/secrets/token:db",
    "scope": "openid api://flights/.default",
    "tls_key": "/etc/ssl/key.pem",
    "publish_credential": "db",
}


@pytest.mark.parametrize("key", PLAIN)
def test_a_setting_that_only_resembles_a_secret_is_accepted(key):
    config.use({"luigi_sinks.credential.db": {key: PLAIN[key]}})
    assert config.section("luigi_sinks.credential.db") == {key: PLAIN[key]}


@pytest.mark.parametrize("char", ["\n", "\r", "\0", "\x1b", "\x7f", "\x85", "\u200b", "\u202e", "\u2028", "\ufeff"])
def test_a_character_that_is_not_seen_is_refused_in_each_name_and_value(char):
    odd = f"a{char}b"
    for sections in ({"mariadb": {"host": odd}}, {"mariadb": {odd: "x"}}, {"owner": {odd: {"mariadb_role": "x"}}}):
        config.use({"luigi_sinks": sections})
        with pytest.raises(BadSetting, match="not seen") as caught:
            config.common()
        assert char not in str(caught.value)


@pytest.mark.parametrize("key", ["token_file", "secret_id", "path"])
def test_a_key_that_only_points_at_a_secret_is_accepted(luigi_cfg, key):
    luigi_cfg(f"[luigi_sinks.credential.db]\n{key} = somewhere\n")
    assert config.read_credential("db") == {key: "somewhere"}


def test_a_per_cent_sign_that_is_not_escaped_is_explained(luigi_cfg):
    luigi_cfg("[luigi_sinks.mariadb]\nhost = 50%off\n")
    with pytest.raises(BadSetting, match="write % as %%"):
        config.read_connection(Settings, "mariadb")


def test_a_key_of_a_section_counts_even_if_it_is_also_in_the_defaults(luigi_cfg):
    luigi_cfg("[DEFAULT]\nport = 1\npassword = x\n[luigi_sinks.mariadb]\nhost = db\nport = 3307\n")
    assert config.section("luigi_sinks.mariadb") == {"host": "db", "port": "3307"}
    luigi_cfg("[DEFAULT]\npassword = x\n[luigi_sinks.mariadb]\nhost = db\npassword = y\n")
    with pytest.raises(BadSetting, match="contains a secret, 'password'"):
        config.section("luigi_sinks.mariadb")


def test_keys_in_the_defaults_section_are_ignored(luigi_cfg):
    luigi_cfg("[DEFAULT]\ncolour = red\n[luigi_sinks.mariadb]\nhost = db\n")
    assert config.read_connection(Settings, "mariadb") == Settings("db")


def test_a_missing_section_is_named_with_its_required_settings(luigi_cfg):
    luigi_cfg("")
    with pytest.raises(BadSetting, match=r"no section \[luigi_sinks.mariadb\].*add it, and set host"):
        config.read_connection(Settings, "mariadb")


def test_without_a_section_the_defaults_apply(luigi_cfg):
    luigi_cfg("")
    assert config.common() == config.Common()


def test_a_namespace_is_a_prefix_of_every_name(luigi_cfg):
    luigi_cfg("[luigi_sinks]\nnamespace = dev\nlocal = /tmp/x\n")
    assert config.common().dataset("flights") == "dev_flights"
    assert config.common().local == Path("/tmp/x")


class TestWithoutLuigi:
    @pytest.fixture(autouse=True)
    def _as_before(self):
        yield
        config.use(None)

    def test_sections_may_come_from_a_mapping_nested_or_dotted(self):
        for sections in ({"luigi_sinks": {"mariadb": {"host": "db"}}}, {"luigi_sinks.mariadb": {"host": "db"}}):
            config.use(sections)
            assert config.read_connection(Settings, "mariadb") == Settings("db")

    def test_an_error_names_the_mapping_and_not_luigi_cfg(self):
        config.use({"luigi_sinks": {"mariadb": {"host": "db", "prot": 1}}})
        with pytest.raises(BadSetting, match=r"\[luigi_sinks.mariadb\] in the configuration: 'prot' is not a setting"):
            config.read_connection(Settings, "mariadb")

    def test_a_secret_in_a_mapping_is_refused(self):
        config.use({"luigi_sinks": {"mariadb": {"host": "db", "password": "x"}}})
        with pytest.raises(BadSetting, match="contains a secret"):
            config.read_connection(Settings, "mariadb")

    @pytest.fixture
    def toml(self, tmp_path, monkeypatch, luigi_cfg):
        path = tmp_path / "sinks.toml"
        path.write_text('[luigi_sinks.mariadb]\nhost = "db"\nport = 3307\n')
        monkeypatch.setenv(config.ENVIRONMENT, str(path))
        return path

    def test_sections_may_come_from_a_toml_file_that_is_read_again_when_it_changes(self, toml):
        assert config.read_connection(Settings, "mariadb") == Settings("db", 3307)
        toml.write_text('[luigi_sinks.mariadb]\nhost = "another"\n')
        assert config.read_connection(Settings, "mariadb") == Settings("another")

    @pytest.mark.parametrize("content", [None, "not = [toml"])
    def test_a_toml_file_that_cannot_be_read_is_named(self, toml, content):
        toml.unlink() if content is None else toml.write_text(content)
        with pytest.raises(BadSetting, match=f"LUIGI_SINKS_CONFIG names {toml}, which cannot be read as TOML"):
            config.common()

    def test_sections_in_both_places_are_refused(self, toml, luigi_cfg):
        luigi_cfg("[luigi_sinks.mariadb]\nhost = third\n")
        with pytest.raises(BadSetting, match=r"luigi\.cfg has sections of luigi_sinks, and LUIGI_SINKS_CONFIG names"):
            config.read_connection(Settings, "mariadb")

    def test_a_process_that_is_configured_by_a_toml_file_does_not_import_luigi(self, toml, tmp_path):
        toml.write_text(f'[luigi_sinks]\nlocal = "{tmp_path}/data"\n')
        script = (
            "import sys\n"
            "from luigi_sinks import Origin, config, load\n"
            "from luigi_sinks.contract import Contract, Field, TupleShape\n"
            "from luigi_sinks.sqlite import SQLiteSink\n"
            "sink = SQLiteSink(config.common().local, 'x', 'd', Contract('d', {'': TupleShape((Field('id', int),))}))\n"
            "load(sink, '_all', Origin('Load_1'), [(1,)])\n"
            "assert sink.head('_all').record.rows == 1\n"
            "assert 'luigi' not in sys.modules\n"
        )
        subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)


@pytest.mark.parametrize("value", ['"data"', "'data'", "data  ; a folder", "data # a folder"])
def test_quotes_and_comments_that_luigi_would_take_for_the_value_are_refused(luigi_cfg, value):
    luigi_cfg(f"[luigi_sinks]\nlocal = {value}\n")
    with pytest.raises(BadSetting, match=r"quotes around local, or a comment behind it, would be part of its value"):
        config.common()


@pytest.mark.parametrize("value", ["a;b", "it's", "a#b"])
def test_a_value_with_a_mark_in_it_is_taken_as_it_is(luigi_cfg, value):
    luigi_cfg(f"[luigi_sinks]\nlocal = {value}\n")
    assert str(config.common().local) == value
