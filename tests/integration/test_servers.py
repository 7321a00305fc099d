"""Real servers in a state folder of their own, from the first `up` to the purge.

The tests run in the order they stand in: each leaves the three servers up, but the last.
"""

import os
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import elasticsearch
import mariadb
import neo4j
import pytest

from luigi_sinks.testing.servers import ALL, EVERY, process

VARIABLE = "LUIGI_SINKS_SERVERS_STATE"
COMMAND = [sys.executable, "-m", "luigi_sinks.testing.servers"]

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def root():
    # Not below pytest's own folder: that of root is closed to the servers.
    folder = Path(tempfile.mkdtemp(prefix="luigi-sinks-"))
    yield folder
    run(folder, "down", "--purge")


@pytest.fixture(scope="module")
def up(root):
    """Start all three once; the answer is how `up` ended."""
    return run(root, "up")


@pytest.fixture
def env(root, up):
    assert up.returncode == 0, up.stderr
    return settings(root)


def run(root, *words):
    return subprocess.run(
        [*COMMAND, *words], env={**os.environ, VARIABLE: str(root)}, capture_output=True, text=True, check=False
    )


def settings(root):
    told = run(root, "env")
    assert told.returncode == 0, told.stderr
    return dict(line.split("=", 1) for line in told.stdout.splitlines())


def secret(env, store):
    return Path(env[f"LUIGI_SINKS_{store}_PASSWORD_FILE"]).read_text().strip()


def mariadb_connection(env, **others):
    tls = {"ssl": True, "ssl_ca": env["LUIGI_SINKS_MARIADB_CA"], "ssl_verify_cert": True}
    return mariadb.connect(
        host=env["LUIGI_SINKS_MARIADB_HOST"],
        port=int(env["LUIGI_SINKS_MARIADB_PORT"]),
        user=env["LUIGI_SINKS_MARIADB_USER"],
        database=env["LUIGI_SINKS_MARIADB_DATABASE"],
        **{"password": secret(env, "MARIADB"), **tls, **others},
    )


def elasticsearch_client(env):
    return elasticsearch.Elasticsearch(
        f"https://{env['LUIGI_SINKS_ELASTICSEARCH_HOST']}:{env['LUIGI_SINKS_ELASTICSEARCH_PORT']}",
        basic_auth=(env["LUIGI_SINKS_ELASTICSEARCH_USER"], secret(env, "ELASTICSEARCH")),
        ca_certs=env["LUIGI_SINKS_ELASTICSEARCH_CA"],
    )


def neo4j_driver(env, **others):
    tls = {"encrypted": True, "trusted_certificates": neo4j.TrustCustomCAs(env["LUIGI_SINKS_NEO4J_CA"])}
    return neo4j.GraphDatabase.driver(
        f"bolt://{env['LUIGI_SINKS_NEO4J_HOST']}:{env['LUIGI_SINKS_NEO4J_PORT']}",
        **{"auth": (env["LUIGI_SINKS_NEO4J_USER"], secret(env, "NEO4J")), **tls, **others},
    )


def sql(env, statement):
    with mariadb_connection(env, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def cypher(env, statement):
    with neo4j_driver(env) as driver:
        return [record.values() for record in driver.execute_query(statement, database_="neo4j").records]


def processes(root):
    return {name: process.load(root / name / "server.pid") for name in ALL}


def members(root):
    return [member for leader in processes(root).values() for member in process._group(leader.pid)]


def test_up_starts_three_servers_that_answer(env):
    assert sql(env, "SELECT 1") == [(1,)]
    assert elasticsearch_client(env).cluster.health()["status"] == "green"
    assert cypher(env, "RETURN 1") == [[1]]


def test_mariadb_has_both_databases_and_a_user_who_may_do_everything(env):
    assert {("flights",), ("flights__v",)} <= set(sql(env, "SHOW DATABASES"))
    assert sql(env, "SELECT @@local_infile, @@character_set_server") == [(1, "utf8mb4")]
    for statement in (
        "CREATE DATABASE d",
        "CREATE ROLE r",
        "GRANT SELECT ON d.* TO r",
        "DROP ROLE r",
        "DROP DATABASE d",
    ):
        sql(env, statement)


def test_elasticsearch_has_a_trial_licence_and_knows_the_superuser_by_file(env):
    client = elasticsearch_client(env)
    assert client.license.get()["license"]["type"] == "trial"
    told = client.security.authenticate()
    assert (told["roles"], told["authentication_realm"]["type"]) == (["superuser"], "file")


def test_clear_text_is_refused(env):
    with pytest.raises(mariadb.OperationalError, match=r"Access denied|insecure transport"):
        mariadb_connection(env, ssl=False, ssl_ca=None, ssl_verify_cert=False)
    with (
        neo4j_driver(env, encrypted=False, trusted_certificates=neo4j.TrustSystemCAs()) as driver,
        pytest.raises(neo4j.exceptions.ServiceUnavailable),
    ):
        driver.verify_connectivity()


def test_another_authority_is_not_trusted(env):
    system = ssl.get_default_verify_paths().openssl_cafile
    with pytest.raises(mariadb.OperationalError, match="certificate"):
        mariadb_connection(env, ssl_ca=system)
    with pytest.raises(elasticsearch.SSLError):
        elasticsearch_client({**env, "LUIGI_SINKS_ELASTICSEARCH_CA": system}).cluster.health()


def test_a_wrong_password_is_refused(env):
    with pytest.raises(mariadb.OperationalError, match="Access denied"):
        mariadb_connection(env, password="guess")
    with neo4j_driver(env, auth=("neo4j", "guess")) as driver, pytest.raises(neo4j.exceptions.AuthError):
        driver.verify_connectivity()


@pytest.mark.usefixtures("env")
def test_up_twice_starts_nothing_new(root):
    before = processes(root)
    assert run(root, "up").returncode == 0
    assert processes(root) == before


def test_no_secret_is_told_or_seen_in_a_process(root, env, up):
    words = [secret(env, store) for store in ("MARIADB", "ELASTICSEARCH", "NEO4J")]
    seen = [up.stdout, up.stderr, run(root, "config").stdout, run(root, "status").stdout, str(env)]
    for member in members(root):
        seen += [Path(f"/proc/{member.pid}/{name}").read_text() for name in ("cmdline", "environ")]
    assert not [word for word in words for text in seen if word in text]


@pytest.mark.usefixtures("env")
def test_secrets_are_files_that_only_their_owner_reads(root):
    kept = [*root.glob("*.password"), root / "server.key"]
    assert {path.stem for path in kept} == {*EVERY, "server"}
    assert {path.stat().st_mode & 0o077 for path in [root, *kept]} == {0}


@pytest.mark.usefixtures("env")
def test_no_server_runs_as_root(root):
    assert 0 not in {Path(f"/proc/{member.pid}").stat().st_uid for member in members(root)}


@pytest.mark.usefixtures("env")
def test_a_killed_server_is_noticed_told_and_started_again(root):
    killed = processes(root)["mariadb"]
    os.kill(killed.pid, signal.SIGKILL)
    while killed.alive:
        time.sleep(0.01)
    status, env = run(root, "status"), run(root, "env")
    assert status.returncode == 1
    assert "mariadb: dead" in status.stdout
    assert "ready for connections" in status.stdout
    assert env.returncode == 1
    assert env.stdout == ""
    assert "mariadb does not answer; its log ends:" in env.stderr
    again = run(root, "up")
    assert again.returncode == 0, again.stderr
    assert "mariadb had died" in again.stderr
    assert sql(settings(root), "SELECT 1") == [(1,)]


def test_data_and_addresses_outlive_down_and_two_ups_at_once_start_one_of_each(root, env):
    sql(env, "CREATE TABLE flights.kept (id INT PRIMARY KEY)")
    sql(env, "INSERT INTO flights.kept VALUES (42)")
    elasticsearch_client(env).index(index="kept", id="42", document={"id": 42})
    cypher(env, "CREATE (:Kept {id: 42})")
    before = members(root)
    assert run(root, "down").returncode == 0
    assert not [member for member in before if member.alive]
    assert [line.partition(" 127")[0] for line in run(root, "status").stdout.splitlines()] == [
        f"{name}: down" for name in ALL
    ]
    ups = [subprocess.Popen([*COMMAND, "up"], env={**os.environ, VARIABLE: str(root)}) for _ in range(2)]
    assert [each.wait() for each in ups] == [0, 0]
    assert settings(root) == env
    assert sql(env, "SELECT id FROM flights.kept") == [(42,)]
    assert elasticsearch_client(env).get(index="kept", id="42")["_source"] == {"id": 42}
    assert cypher(env, "MATCH (k:Kept) RETURN k.id") == [[42]]


@pytest.mark.usefixtures("env")
def test_a_purge_ends_everything_and_leaves_nothing(root):
    before = members(root)
    assert len(before) >= len(ALL)
    purged = run(root, "down", "--purge")
    assert purged.returncode == 0, purged.stderr
    assert not [member for member in before if member.alive]
    assert not root.exists()
