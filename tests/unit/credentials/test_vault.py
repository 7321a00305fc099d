"""The source `vault`, against an emulator only; not yet against a real Vault.

The emulator serves the documented paths that the source calls, with leases that expire,
https://developer.hashicorp.com/vault/api-docs: auth/jwt/login, auth/aws/login,
auth/token/renew-self and revoke-self, database/creds/:name, sys/leases/renew and revoke,
secret/data/:path. As in Vault, a lease expires with the token that took it.
"""

import json
import logging
import multiprocessing
import os
import secrets
import signal
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

import luigi
import pytest

from luigi_sinks.credentials import journal
from luigi_sinks.credentials.provider import PROVIDER, use
from luigi_sinks.errors import BadSetting, CredentialError
from luigi_sinks.running import Running
from luigi_sinks.task_events import watch


@dataclass
class Claim:
    token: str
    password: str
    until: float
    max_until: float


@dataclass
class State:
    jwt: str = "a.good.jwt"
    ttl: float = 100.0
    max_ttl: float = 10_000.0
    kv: dict = field(default_factory=lambda: {"password": "kv-canary", "login": "reader"})
    tokens: dict = field(default_factory=dict)
    leases: dict = field(default_factory=dict)
    calls: list = field(default_factory=list)

    def is_good(self, password):
        """Return whether the user of a lease still exists, as a database would."""
        return any(lease.password == password and self.lives(lease) for lease in self.leases.values())

    def lives(self, lease):
        return time.monotonic() < min(lease.until, self.tokens.get(lease.token, 0))


class Refusal(Exception):
    pass


def login(state, token, body):
    if body.get("jwt", state.jwt) != state.jwt or body.get("role") != "loader":
        raise Refusal(400, f"error validating token {body.get('jwt')}")
    made = f"hvs.{secrets.token_hex(8)}"
    state.tokens[made] = time.monotonic() + state.ttl
    return {"auth": {"client_token": made, "lease_duration": state.ttl, "renewable": True}}


def credentials(state, token, body):
    name, password = f"v-loader-{secrets.token_hex(4)}", f"canary-{secrets.token_hex(8)}"
    lease_id, now = f"database/creds/loader/{secrets.token_hex(8)}", time.monotonic()
    state.leases[lease_id] = Claim(token, password, now + state.ttl, now + state.max_ttl)
    return {
        "lease_id": lease_id,
        "lease_duration": state.ttl,
        "renewable": True,
        "data": {"username": name, "password": password},
    }


def renew_self(state, token, body):
    state.tokens[token] = time.monotonic() + state.ttl
    return {"auth": {"client_token": token, "lease_duration": state.ttl}}


def renew(state, token, body):
    lease = state.leases.get(body["lease_id"])
    if lease is None or not state.lives(lease):
        raise Refusal(400, "lease not found")
    lease.until = min(time.monotonic() + state.ttl, lease.max_until)
    return {"lease_id": body["lease_id"], "lease_duration": lease.until - time.monotonic(), "renewable": True}


def revoke(state, token, body):
    state.leases.pop(body["lease_id"], None)


def revoke_self(state, token, body):
    del state.tokens[token]


def read(state, token, body):
    return {"data": {"data": state.kv, "metadata": {"version": 7}}}


OPEN = {"auth/jwt/login": login, "auth/aws/login": login}
PATHS = {
    "database/creds/loader": credentials,
    "auth/token/renew-self": renew_self,
    "auth/token/revoke-self": revoke_self,
    "sys/leases/renew": renew,
    "sys/leases/revoke": revoke,
    "secret/data/pipelines": read,
}


class Handler(BaseHTTPRequestHandler):
    def answer(self):
        path = self.path.removeprefix("/v1/").partition("?")[0]
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or "{}")
        self.server.state.calls.append(path)
        try:
            self.send(200, self.dispatch(self.server.state, path, body))
        except Refusal as refusal:
            self.send(refusal.args[0], {"errors": [refusal.args[1]]})

    def dispatch(self, state, path, body):
        if path in OPEN:
            return OPEN[path](state, "", body)
        token = self.headers.get("x-vault-token", "")
        if time.monotonic() >= state.tokens.get(token, 0):
            raise Refusal(403, "permission denied")
        if path not in PATHS:
            raise Refusal(404, "no handler for route")
        return PATHS[path](state, token, body)

    def send(self, status, content):
        text = b"" if content is None else json.dumps(content).encode()
        self.send_response(204 if content is None else status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = answer  # noqa: N815 - the server's names

    def log_message(self, *args):
        """Do not log requests."""


@pytest.fixture
def vault(serving):
    return serving(Handler, state=State())


@pytest.fixture
def configure(vault, luigi_cfg, tmp_path):
    """Return a function that configures the credential `db`."""
    (tmp_path / "jwt").write_text(vault.state.jwt)

    def write(extra="", path="loader", login="jwt_from = jwt", address=vault.address):
        luigi_cfg(f"""
[luigi_sinks.leases]
folder = {tmp_path}/leases
[luigi_sinks.credential.jwt]
source = file
path = {tmp_path}/jwt
[luigi_sinks.credential.db]
source = vault
address = {address}
role = loader
path = {path}
{login}
{extra}
""")

    write()
    return write


def seen(token):
    return token.user, token.reveal()


def test_a_user_is_leased_for_the_task_and_revoked_with_it(vault, configure):
    PROVIDER.begin(Running("Load__1", "Load"))
    user, password = use("db", seen)
    assert user.startswith("v-loader-")
    assert vault.state.is_good(password)
    PROVIDER.end("Load__1")
    assert not vault.state.is_good(password)
    assert vault.state.tokens == {}, "the login is over too"
    assert list(journal.entries()) == []


def test_a_lease_is_renewed_and_its_secret_stays(vault, configure):
    vault.state.ttl = 1.0
    first = use("db", seen)
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        assert use("db", seen) == first
        assert vault.state.is_good(first[1])
        time.sleep(0.02)
    assert vault.state.calls.count("database/creds/loader") == 1
    assert 2 <= vault.state.calls.count("sys/leases/renew") <= 5


def test_a_lease_at_its_maximum_ttl_is_replaced_before_it_expires(vault, configure):
    vault.state.ttl, vault.state.max_ttl = 1.0, 1.5
    end = time.monotonic() + 3
    while time.monotonic() < end:
        assert use("db", lambda token: vault.state.is_good(token.reveal()))
        time.sleep(0.02)
    assert 2 <= vault.state.calls.count("database/creds/loader") <= 5
    PROVIDER.close()
    assert not [lease for lease in vault.state.leases.values() if vault.state.lives(lease)]


def test_a_lease_expires_if_it_is_not_renewed(vault, configure):
    vault.state.ttl = 2.0
    _, password = use("db", seen)
    time.sleep(2.1)
    assert not vault.state.is_good(password)
    assert use("db", seen)[1] != password


def test_another_process_revokes_a_lease_by_id_with_its_own_login(vault, configure):
    _, password = use("db", seen)
    (leased,) = journal.entries()
    PROVIDER.forget()
    PROVIDER._source("db").revoke(leased.lease)
    assert not vault.state.is_good(password)
    PROVIDER._source("db").revoke(leased.lease)  # revoking it again is no error


def test_a_kv_secret_is_read_and_the_login_revoked(vault, configure):
    configure("engine = kv\nuser_field = login", path="pipelines")
    assert use("db", seen) == ("reader", "kv-canary")
    assert use("db", lambda token: token.info.token_id) == "pipelines@7"
    assert vault.state.tokens == {}


def test_a_missing_field_is_named(vault, configure):
    configure("engine = kv\nfield = pin", path="pipelines")
    with pytest.raises(CredentialError, match="pipelines in Vault has no text in field 'pin'"):
        use("db", seen)


def test_an_aws_identity_logs_in_too(vault, configure, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "never sent")
    configure(login="auth = aws")
    assert use("db", seen)[0].startswith("v-loader-")
    assert "auth/aws/login" in vault.state.calls


def test_a_refused_login_is_retried_with_a_newer_token(vault, configure, tmp_path):
    (tmp_path / "jwt").write_text("old")
    with pytest.raises(CredentialError, match="'jwt' was refused by the server: Vault rejects the JWT"):
        use("db", seen)
    (tmp_path / "jwt").write_text(vault.state.jwt)
    assert use("db", seen)[0].startswith("v-loader-")


def test_vaults_responses_are_not_quoted(vault, configure, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    (tmp_path / "jwt").write_text("canary-jwt")
    with pytest.raises(CredentialError) as caught:
        use("db", seen)
    (tmp_path / "jwt").write_text(vault.state.jwt)
    _, password = use("db", seen)
    assert "canary" not in f"{caught.value}{caught.value.__cause__}{caplog.text}"
    assert password not in caplog.text
    assert not [token for token in vault.state.tokens if token in caplog.text]


def test_a_vault_that_is_down_is_named(vault, configure):
    vault.shutdown()
    vault.server_close()
    with pytest.raises(CredentialError, match=r"'db': logging in at Vault http://127.0.0.1:\d+ failed \(Connection"):
        use("db", seen)


def test_vault_variables_of_the_environment_are_ignored(vault, configure, monkeypatch):
    monkeypatch.setenv("VAULT_TOKEN", "mine")
    monkeypatch.setenv("VAULT_NAMESPACE", "elsewhere")
    vault.state.tokens["mine"] = float("inf")
    use("db", seen)
    assert vault.state.calls[0] == "auth/jwt/login"


def test_plaintext_requests_do_not_use_the_environments_proxy(vault, configure, proxy):
    assert use("db", seen)[0].startswith("v-loader-")
    PROVIDER.close()
    assert proxy.heard == []


def test_tls_requests_use_the_environments_proxy(configure, proxy):
    configure(address="https://vault.invalid")
    with pytest.raises(CredentialError, match=r"logging in at Vault https://vault.invalid failed \(ProxyError"):
        use("db", seen)
    assert set(proxy.heard) == {"vault.invalid:443"}


def nothing_leased(state, token, body):
    raise Refusal(403, "permission denied")


def half_leased(state, token, body):
    return credentials(state, token, body) | {"data": {}}


@pytest.mark.parametrize("answer", [nothing_leased, half_leased])
def test_a_login_without_a_usable_lease_is_revoked(vault, configure, monkeypatch, answer):
    monkeypatch.setitem(PATHS, "database/creds/loader", answer)
    with pytest.raises(CredentialError, match="'db': reading the secret at Vault"):
        use("db", seen)
    assert "auth/token/revoke-self" in vault.state.calls
    assert vault.state.tokens == {}


@pytest.mark.parametrize(
    ("login", "extra", "complaint"),
    [
        ("auth = jwt", "", "auth = jwt needs jwt_from"),
        ("auth = userpass", "", "auth must be jwt or aws"),
        ("jwt_from = jwt", "adress = x", "did you mean 'address'"),
    ],
)
def test_a_wrong_section_is_explained(configure, login, extra, complaint):
    configure(extra, login=login)
    with pytest.raises(BadSetting, match=rf"\[luigi_sinks.credential.db\].*{complaint}"):
        use("db", seen)


def test_plaintext_to_another_machine_is_refused(luigi_cfg):
    luigi_cfg(
        "[luigi_sinks.credential.db]\nsource = vault\naddress = http://vault.internal\nrole = r\npath = p\nauth = aws"
    )
    with pytest.raises(BadSetting, match=r"http://vault\.internal would send secrets unencrypted; use https"):
        use("db", seen)


class Leases(luigi.Task):
    """Leases a user, uses it several times, and then ends as `ending` says."""

    number = luigi.IntParameter()
    ending = luigi.Parameter()

    def complete(self):
        return False

    def run(self):
        assert len({use("db", seen) for _ in range(5)}) == 1
        if self.ending == "failure":
            raise ValueError("no")
        if self.ending == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.ending == "timeout":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(30)

    @property
    def worker_timeout(self):
        return 5 if self.ending == "timeout" else None  # enough for its exchange, on a busy machine too


watch(Leases)


@pytest.mark.parametrize("ending", ["success", "failure", "kill", "timeout"])
def test_the_lease_of_a_task_in_its_own_process_is_revoked_however_the_task_ends(vault, configure, ending):
    tasks = [Leases(number=number, ending=ending) for number in range(2 if ending == "timeout" else 8)]
    luigi.build(tasks, workers=4, local_scheduler=True)
    assert vault.state.calls.count("database/creds/loader") == len(tasks), "one exchange a process"
    assert vault.state.leases == {}
    assert list(journal.entries()) == []


def test_an_unwatched_worker_revokes_its_leases_at_exit(vault, configure):
    worker = multiprocessing.get_context("fork").Process(target=use, args=("db", seen))
    worker.start()
    worker.join()
    assert vault.state.calls.count("database/creds/loader") == 1
    assert vault.state.leases == {}


def test_the_leases_of_a_killed_run_are_revoked_by_the_next_run(vault, configure):
    child = os.fork()
    if child == 0:
        try:
            use("db", seen)
        finally:
            os._exit(0)  # as if it were killed: no cleanup runs
    os.waitpid(child, 0)
    assert len(vault.state.leases) == 1
    use("db", seen)
    (mine,) = journal.entries()
    assert list(vault.state.leases) == [mine.lease]
