import base64
import hashlib
import json
import os

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from luigi_sinks.testing.servers import (
    EVERY,
    authentication_plugin,
    compose,
    elasticsearch,
    java,
    keycloak,
    mariadb,
    neo4j,
    opensearch,
)
from luigi_sinks.testing.servers.account import Account, ourselves
from luigi_sinks.testing.servers.server import Place
from luigi_sinks.testing.servers.versions import IMAGES

SECRET = "the-secret-itself"


@pytest.fixture
def place(tmp_path):
    for name in ("password", "ca", "certificate", "key"):
        (tmp_path / name).write_text(SECRET if name == "password" else name)
    (tmp_path / "home" / "config").mkdir(parents=True)
    (tmp_path / "home" / "config" / "log4j2.properties").write_text("as delivered")
    (tmp_path / "folder").mkdir()
    return Place(
        folder=tmp_path / "folder",
        port=4711,
        password_file=tmp_path / "password",
        ca=tmp_path / "ca",
        certificate=tmp_path / "certificate",
        key=tmp_path / "key",
        account=Account(os.geteuid(), os.getegid()),
        home=tmp_path / "home",
        ports=dict.fromkeys(EVERY, 4712),
    )


@pytest.fixture
def bare_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(java, "INSTALLED", tmp_path)
    monkeypatch.setattr(mariadb, "SEARCH", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("ES_JAVA_HOME", "JAVA_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("bare_machine")
@pytest.mark.parametrize("name", IMAGES)
def test_a_bare_machine_is_told_in_a_sentence_what_to_install(name):
    (need,) = EVERY[name].missing()
    assert any(way in str(need) for way in ("Debian has it in the package", "name one in JAVA_HOME"))


@pytest.mark.parametrize(
    ("installed", "named", "version", "java_home"),
    [
        ([17], None, "8.19.5", "17"),
        ([17, 21], None, "9.2.0", "21"),
        ([17, 21], "17", "8.19.5", "17"),
        ([17, 21], "8", "9.2.0", "21"),
        ([], None, "9.2.0", None),
    ],
)
def test_elasticsearch_is_the_newest_that_java_runs(jdk, monkeypatch, place, installed, named, version, java_home):
    homes = {str(each): str(jdk(str(each), str(each))) for each in (8, *installed)}
    if named:
        monkeypatch.setenv("ES_JAVA_HOME", homes[named])
    assert elasticsearch._download().version == version
    assert elasticsearch.command(place).environment["ES_JAVA_HOME"] == str(homes.get(java_home))


def test_what_has_no_image_is_a_program_of_ours_and_runs_as_ourselves(place):
    for name in EVERY.keys() - IMAGES.keys():
        assert EVERY[name].command(place).account == ourselves()


@pytest.mark.parametrize("name", EVERY)
def test_no_command_and_no_environment_holds_the_secret(name, place):
    command = EVERY[name].command(place)
    assert SECRET not in f"{command}"


@pytest.mark.parametrize("module", [keycloak, neo4j])
def test_classes_are_kept_beside_the_downloads_for_all_state_folders(module, place):
    folder = place.home.parent / "classes"
    assert f"-XX:SharedArchiveFile={folder}/home.jsa" in f"{module.command(place)}"


@pytest.mark.parametrize("module", [elasticsearch, neo4j, opensearch])
def test_what_is_written_for_a_server_holds_no_secret_but_its_hash(module, place):
    module.prepare(place)
    written = [path.read_text() for path in place.folder.rglob("*") if path.is_file()]
    assert len(written) > 1
    assert not [text for text in written if SECRET in text]


@pytest.mark.parametrize("module", [elasticsearch, neo4j, opensearch])
def test_files_for_a_server_are_closed_to_others(module, place):
    module.prepare(place)
    assert {path.stat().st_mode & 0o077 for path in place.folder.rglob("*")} == {0}


def test_elasticsearch_listens_on_loopback_with_tls_and_security(place):
    elasticsearch.prepare(place)
    settings = yaml.safe_load((place.folder / "config" / "elasticsearch.yml").read_text())
    assert settings["network.host"] == "127.0.0.1"
    assert settings["http.port"] == 4711
    assert settings["xpack.security.enabled"]
    assert settings["xpack.security.http.ssl.enabled"]
    assert (place.folder / "config" / "log4j2.properties").read_text() == "as delivered"


def test_the_virtual_machine_of_opensearch_logs_into_the_servers_own_folder(place):
    (place.home / "config" / "jvm.options").write_text("-XX:ErrorFile=logs/error.log")
    opensearch.prepare(place)
    written = (place.folder / "config" / "jvm.options").read_text()
    assert written == f"-XX:ErrorFile={place.folder}/logs/error.log"
    assert (place.folder / "logs").is_dir()


def test_opensearch_listens_on_loopback_only(place):
    opensearch.prepare(place)
    settings = yaml.safe_load((place.folder / "config" / "opensearch.yml").read_text())
    assert (settings["network.host"], settings["http.port"]) == ("127.0.0.1", 4711)


def test_the_superuser_of_elasticsearch_is_kept_as_a_salted_hash(place):
    elasticsearch.prepare_container(place)
    user, kept = (place.folder / "config" / "users").read_text().splitlines()[0].split(":")
    scheme, salt, digest = kept.split("$")
    again = hashlib.pbkdf2_hmac("sha512", SECRET.encode(), base64.b64decode(salt), 10_000, dklen=32)
    assert (user, scheme, base64.b64decode(digest)) == ("luigi_sinks", "{PBKDF2}10000", again)
    assert (place.folder / "config" / "users_roles").read_text().splitlines()[0] == "superuser:luigi_sinks"


def test_elasticsearch_trusts_the_key_that_keycloak_signs_by_whichever_is_prepared_first(place):
    elasticsearch.prepare(place)
    (trusted,) = json.loads((place.folder / "config" / "jwks.json").read_text())["keys"]
    keycloak.prepare_container(place)
    realm = json.loads((place.folder / "import" / "realm.json").read_text())
    (provider,) = realm["components"]["org.keycloak.keys.KeyProvider"]
    private = load_pem_private_key(provider["config"]["privateKey"][0].encode(), password=None)
    assert int.from_bytes(base64.urlsafe_b64decode(trusted["n"] + "==")) == private.public_key().public_numbers().n


def test_a_role_of_elasticsearch_for_datasets_rules_over_nothing_else(place):
    elasticsearch.prepare(place)
    roles = yaml.safe_load((place.folder / "config" / "roles.yml").read_text())
    assert roles["dataset_owner"]["cluster"] == ["monitor"]
    assert "all" not in roles["dataset_owner"]["indices"][0]["privileges"]


def test_elasticsearch_in_a_container_takes_the_same_tokens(place):
    service = yaml.safe_load(compose.FILE.read_text())["services"]["elasticsearch"]
    prefix, named = "xpack.security.authc.realms.jwt.keycloak.", service["environment"]
    told = {key.removeprefix(prefix): value for key, value in named.items() if key.startswith(prefix)}
    realm = {key: _as_variable(value) for key, value in elasticsearch.realm(place).items()}
    assert told.pop("allowed_issuer").startswith("https://127.0.0.1:${LUIGI_SINKS_KEYCLOAK_PORT")
    assert realm.pop("allowed_issuer") == "https://127.0.0.1:4712/realms/sinks"
    assert {key: value.replace("$$", "$") for key, value in told.items()} == realm


def _as_variable(value):
    return ",".join(value) if isinstance(value, list) else str(value)


def test_the_first_password_of_neo4j_is_written_once(place):
    neo4j.prepare(place)
    first = (place.folder / "data" / "dbms" / "auth.ini").read_text()
    neo4j.prepare(place)
    assert (place.folder / "data" / "dbms" / "auth.ini").read_text() == first


def test_neo4j_listens_on_loopback_with_tls_and_nothing_else(place):
    neo4j.prepare(place)
    lines = (place.folder / "conf" / "neo4j.conf").read_text().splitlines()
    assert {
        "server.bolt.listen_address=127.0.0.1:4711",
        "server.bolt.tls_level=REQUIRED",
        "server.http.enabled=false",
        "server.https.enabled=false",
        "dbms.usage_report.enabled=false",
    } <= set(lines)


def test_a_data_folder_of_mariadb_that_was_half_made_is_made_again(place, monkeypatch):
    half = place.folder / "data.new"
    half.mkdir()
    (half / "half").touch()
    monkeypatch.setattr(Account, "run", lambda *_, **__: half.mkdir(exist_ok=True))
    mariadb.prepare(place)
    assert not half.exists()
    assert list((place.folder / "data").iterdir()) == []


def test_mariadb_lets_users_in_by_tokens_only_with_the_plugin_for_it(place, monkeypatch):
    monkeypatch.setattr(Account, "run", lambda *_, **__: (place.folder / "data.new").mkdir(exist_ok=True))
    monkeypatch.setattr(authentication_plugin, "HEADERS", ())
    mariadb.prepare(place)
    assert "plugin" not in (place.folder / "mariadbd.cnf").read_text()
    assert mariadb.login(place).credential == {"source": "file", "path": str(place.password_file)}
    library = authentication_plugin.shared_object(place)
    library.parent.mkdir()
    library.touch()
    mariadb.prepare(place)
    assert f"plugin-load-add = {library.name}" in (place.folder / "mariadbd.cnf").read_text().splitlines()
    assert mariadb.login(place).credential == {"source": "rds_iam", "region": "eu-west-1"}


@pytest.mark.parametrize(("status", "answers"), [(0, True), (1, False)])
def test_mariadb_answers_if_its_client_says_so_who_is_told_the_password_through_a_pipe(
    place, monkeypatch, tmp_path, status, answers
):
    client = tmp_path / "mariadb"
    client.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/words\ncat > {tmp_path}/told\nexit {status}\n')
    client.chmod(0o755)
    monkeypatch.setattr(mariadb, "SEARCH", str(tmp_path))
    assert mariadb.answers(place) is answers
    assert SECRET not in (tmp_path / "words").read_text()
    assert f"password = {SECRET}" in (tmp_path / "told").read_text()


def test_the_realm_of_keycloak_knows_the_password_and_a_key_and_is_closed_to_others(place):
    keycloak.prepare_container(place)
    keycloak.prepare_container(place)
    realm = json.loads((place.folder / "import" / "realm.json").read_text())
    loader, signer, brief, _ = realm["clients"]
    assert brief["attributes"] == {**signer["attributes"], "access.token.lifespan": "4"}
    assert (loader["clientId"], loader["secret"]) == ("loader", SECRET)
    (published,) = json.loads(signer["attributes"]["jwks.string"])["keys"]
    private = load_pem_private_key((place.folder / keycloak.CLIENT_KEY).read_bytes(), password=None)
    modulus = int.from_bytes(base64.urlsafe_b64decode(published["n"] + "=="))
    assert modulus == private.public_key().public_numbers().n, "the key is made once"
    assert {path.stat().st_mode & 0o077 for path in place.folder.rglob("*")} == {0}
