"""Logging in by tokens: a real Keycloak's, others signed by its key, API keys; and what becomes of a load without."""

import base64
import json
import logging
import secrets
import ssl
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from luigi_sinks import CredentialError, config, versions
from luigi_sinks.credentials.sources import claims
from luigi_sinks.elasticsearch import ElasticsearchSettings
from luigi_sinks.elasticsearch.connection import ask
from luigi_sinks.elasticsearch.store import STORE
from luigi_sinks.errors import BadSetting, Forbidden
from luigi_sinks.testing import servers
from luigi_sinks.testing.servers import keycloak as realm
from luigi_sinks.testing.servers import state as states
from luigi_sinks.testing.servers.elasticsearch import KEYS, OWNER
from luigi_sinks.testing.servers.server import Place

pytestmark = pytest.mark.timeout(400)

SKEW = 1


@dataclass(frozen=True)
class Keycloak:
    """The identity provider, asked by urllib."""

    place: Place
    tls: ssl.SSLContext

    @property
    def issuer(self):
        return realm.issuer(self.place.port)

    @property
    def key(self):
        return realm.signing_key(self.place)

    def keys(self):
        return self.get(f"{self.issuer}/protocol/openid-connect/certs")

    def get(self, address, token=""):
        return json.loads(self._ask("GET", address, None, {"Authorization": f"Bearer {token}"} if token else {}).read())

    def revoke(self, token):
        form = {"client_id": realm.USER, "client_secret": self.place.password, "token": token}
        address = f"{self.issuer}/protocol/openid-connect/revoke"
        assert self._ask("POST", address, urllib.parse.urlencode(form).encode()).status == 200

    def administer(self, method, path, body):
        """Ask as the keeper of the realm."""
        headers = {
            "Authorization": f"Bearer {realm.token(self.place, realm.KEEPER)}",
            "Content-Type": "application/json",
        }
        address = self.issuer.replace("/realms/", "/admin/realms/") + path
        self._ask(method, address, json.dumps(body).encode(), headers)

    def _ask(self, method, address, body=None, headers=None):
        request = urllib.request.Request(address, body, headers or {}, method=method)
        return urllib.request.urlopen(request, context=self.tls, timeout=20)


@pytest.fixture(scope="module")
def keycloak(servers_config):
    """Start Keycloak unless it runs."""
    servers.up(["keycloak"])
    place = states.find().place(servers.KEYCLOAK)
    return Keycloak(place, ssl.create_default_context(cafile=place.ca))


@pytest.fixture
def passwordless(keycloak, by_tokens):
    """Return a function that gives the settings of a login by tokens, as the servers' luigi.cfg has them."""
    return partial(by_tokens, "elasticsearch", ElasticsearchSettings)


@pytest.fixture
def shown(settings, credential, tmp_path):
    """Return a function that gives the settings of a login by a token that lies in a file."""

    def login(token, holds="bearer"):
        path = tmp_path / secrets.token_hex(4)
        path.write_text(token)
        return replace(settings, user="", credential=credential(source="file", path=path, holds=holds))

    return login


@pytest.fixture
def sign(keycloak):
    """Return a function that signs a token as the realm would, but for what is said otherwise."""

    def make(*, key=None, **others):
        now = int(time.time())
        who = {"iss": keycloak.issuer, "sub": "x", "preferred_username": f"service-account-{realm.USER}"}
        when = {"iat": now, "exp": now + 60, "jti": secrets.token_hex(8)}
        return jwt.encode({**who, **when, "aud": "elasticsearch", **others}, key or keycloak.key, algorithm="RS256")

    return make


@pytest.fixture
def events(caplog):
    """Return a function that gives the lines of the audit log for a credential, without those of others."""
    caplog.set_level(logging.INFO, "luigi_sinks.audit")

    def of(credential, action):
        lines = [json.loads(each.message) for each in caplog.records if each.name == "luigi_sinks.audit"]
        return [line for line in lines if line["action"] == action and line.get("credential") == credential]

    return of


def who_am_i(settings):
    return ask(settings, lambda es: es.security.authenticate())


@pytest.mark.parametrize("holds", ["bearer", "api_key"])
def test_a_token_that_is_longer_than_a_header_may_be_is_named(shown, holds):
    token = secrets.token_hex(10_000)
    with pytest.raises(BadSetting, match=r"the token of credential 'made_.*' has 20,000 bytes, more than") as caught:
        who_am_i(shown(token, holds))
    assert token[:9] not in str(caught.value)


def rows_for(seconds):
    """Yield a hundred rows, a part, every tenth of a second."""
    end, number = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        yield from ({"id": number + each} for each in range(100))
        number += 100
        time.sleep(0.1)


def test_a_load_takes_a_token_of_keycloak_and_no_password_at_all(
    make_sink, passwordless, cluster, dataset, load_rows, events
):
    settings = passwordless()
    load_rows(make_sink(settings=settings), [{"id": 1}])
    assert cluster.count(dataset) == 1
    user = who_am_i(settings)
    assert (user["username"], user["roles"], user["authentication_type"]) == ("signer", [OWNER], "realm")
    (connection,) = events(settings.credential, "connection")
    (exchange,) = events(settings.credential, "exchange")
    assert connection["server"] == f"127.0.0.1:{settings.port}"
    assert connection["token"] == exchange["token"]
    assert connection["issuer"] == settings_of(settings)["issuer"]


def test_a_publisher_logs_in_by_itself_and_has_lines_of_its_own_in_the_audit_log(
    make_sink, passwordless, cluster, dataset, load_rows, events
):
    loader, publisher = passwordless(), passwordless(client_id=realm.BRIEF)
    load_rows(make_sink(settings=replace(loader, publish_credential=publisher.credential)), [{"id": 1}])
    assert cluster.count(dataset) == 1
    principals = []
    for settings in (loader, publisher):
        exchanges, connections = (events(settings.credential, action) for action in ("exchange", "connection"))
        assert {line["token"] for line in connections} == {line["token"] for line in exchanges}
        (principal,) = {line["principal"] for line in exchanges + connections}
        principals.append(principal)
    assert len(set(principals)) == 2


def test_a_load_names_the_loader_s_token_and_what_moves_or_deletes_a_version_the_publisher_s(
    make_sink, passwordless, load_rows, events
):
    loader, publisher = passwordless(), passwordless(client_id=realm.BRIEF)
    sink = make_sink(settings=replace(loader, publish_credential=publisher.credential))
    first, _ = (load_rows(sink, [{"id": 1}]) for _ in range(2))
    versions.roll_back(sink, first)
    versions.prune(
        sink, next(record.version for record in sink.records() if record.version != first), min_age=timedelta(0)
    )
    for settings, actions in ((loader, {"load"}), (publisher, {"publish", "rollback", "prune"})):
        known = {line["token"] for line in events(settings.credential, "connection")}
        told = [line.get("token") for action in actions for line in events(None, action) if line["outcome"] != "begun"]
        assert len(told) == (2 if settings is loader else 4)
        assert set(told) <= known


def settings_of(settings):
    return config.read_credential(settings.credential)


@pytest.mark.usefixtures("small_parts")
def test_a_load_of_five_lifetimes_takes_as_many_tokens_as_arithmetic_says(
    make_sink, passwordless, cluster, dataset, load_rows, events
):
    settings = passwordless(client_id=realm.BRIEF)
    load_rows(make_sink(settings=settings), rows_for(5 * realm.BRIEF_LIFESPAN))
    exchanges = events(settings.credential, "exchange")
    assert 7 <= len(exchanges) <= 9  # each is kept for 3.6 s, and replaced after 2.5 to 2.9 s of them
    assert len(events(settings.credential, "connection")) == len(exchanges)
    assert not events(settings.credential, "refusal")
    assert cluster.count(dataset) > 5_000


WRONG = {
    "it has expired": lambda sign, now: sign(iat=now - 60, exp=now - SKEW - 2),
    "it is not valid yet": lambda sign, now: sign(iat=now + 30),
    "it is for another audience": lambda sign, now: sign(aud="mariadb"),
    "it is of another issuer": lambda sign, now: sign(iss="https://127.0.0.1:1/realms/sinks"),
    "its key is unknown": lambda sign, now: sign(key=rsa.generate_private_key(65537, 2048)),
    "its signature is bad": lambda sign, now: broken(sign()),
    "its user is unknown": lambda sign, now: sign(preferred_username="service-account-nobody"),
    "it has no principal": lambda sign, now: sign(preferred_username="root"),
    "it is no token": lambda sign, now: secrets.token_hex(),
}


def broken(token):
    head, _, signature = token.rpartition(".")
    return f"{head}.{signature[:-8]}{'A' * 8}"


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_token_loads_nothing_and_a_right_one_then_does(
    make_sink, shown, sign, cluster, dataset, load_rows, what, monkeypatch
):
    monkeypatch.setattr(claims, "LEEWAY", 3_600)  # else the client refuses an expired one first, on a busy machine
    right = make_sink(settings=shown(sign()))
    load_rows(right, [{"id": 1}])
    wrong = WRONG[what](sign, int(time.time()))
    with pytest.raises(CredentialError, match=r"was refused by the server: .*does not let .* in") as caught:
        load_rows(make_sink(settings=shown(wrong)), [{"id": 2}])
    assert wrong not in str(caught.value)
    assert cluster.documents(dataset) == {"1": {"id": 1}}
    load_rows(right, [{"id": 3}])
    assert cluster.documents(dataset) == {"3": {"id": 3}}


def test_a_token_that_is_not_valid_before_later_is_not_shown_to_a_server_that_would_take_it(
    make_sink, shown, sign, cluster, dataset, load_rows
):
    right = make_sink(settings=shown(sign()))
    load_rows(right, [{"id": 1}])
    with pytest.raises(CredentialError, match=r"becomes valid only in \d\d s; wait, or correct the clock"):
        load_rows(make_sink(settings=shown(sign(nbf=int(time.time()) + 30))), [{"id": 2}])
    assert cluster.documents(dataset) == {"1": {"id": 1}}
    load_rows(right, [{"id": 3}])
    assert cluster.documents(dataset) == {"3": {"id": 3}}


@pytest.mark.usefixtures("small_parts")
def test_a_token_that_ends_in_the_middle_of_a_load_publishes_nothing_and_the_next_load_cleans_up(
    make_sink, shown, sign, cluster, dataset, load_rows
):
    right = make_sink(settings=shown(sign()))
    load_rows(right, [{"id": 1}])
    dying = make_sink(settings=shown(sign(exp=int(time.time()) + 2)))
    with pytest.raises(CredentialError, match="was refused") as caught:
        load_rows(dying, rows_for(SKEW + 5))
    assert "the next load removes them" in "".join(caught.value.__notes__)
    assert cluster.documents(dataset) == {"1": {"id": 1}}
    load_rows(right, [{"id": 2}])
    assert cluster.documents(dataset) == {"2": {"id": 2}}
    assert len(cluster.indices(f"{dataset}~_all~")) == 2, "what the dead load left is gone"


def test_a_token_that_is_revoked_is_taken_to_its_end_as_the_server_cannot_know(keycloak, shown):
    token = realm.token(keycloak.place)
    keycloak.revoke(token)
    assert who_am_i(shown(token))["username"] == realm.USER


def test_a_user_without_the_role_is_told_which_privilege_is_missing(make_sink, keycloak, shown, load_rows):
    nobody = make_sink(settings=shown(realm.token(keycloak.place, realm.KEEPER)))
    with pytest.raises(Forbidden, match=r"unauthorized for user \[keeper\].*granted by.*`luigi-sinks grants`"):
        load_rows(nobody, [{"id": 1}])
    with pytest.raises(Forbidden, match=r"unauthorized for user \[keeper\]"):
        STORE.preflight(nobody.settings)


def test_a_user_who_may_only_read_does_and_loads_nothing(make_sink, sink, shown, sign, cluster, dataset, load_rows):
    load_rows(sink, [{"id": 1}])
    reader = make_sink(settings=shown(sign(preferred_username="service-account-reader")))
    assert list(reader.read(reader.head("_all").version)) == [{"id": 1}]
    with pytest.raises(Forbidden, match=r"unauthorized for user \[reader\].*`luigi-sinks grants`"):
        load_rows(reader, [{"id": 2}])
    assert cluster.documents(dataset) == {"1": {"id": 1}}


def test_a_user_who_may_not_write_documents_is_told_so_and_not_that_the_load_was_sealed(
    make_sink, shown, sign, cluster, dataset, load_rows
):
    pruner = make_sink(settings=shown(sign(preferred_username="service-account-pruner")))
    with pytest.raises(Forbidden, match=r"bulk.* unauthorized for user \[pruner\].*`luigi-sinks grants`"):
        load_rows(pruner, [{"id": 1}])
    assert cluster.indices(f"{dataset}~_all~") == []


def test_an_api_key_that_the_server_does_not_know_is_refused(shown):
    key = base64.b64encode(b"some-id:some-key").decode()
    with pytest.raises(CredentialError, match=r"was refused by the server: .*does not let .* in") as caught:
        who_am_i(shown(key, holds="api_key"))
    assert key not in str(caught.value)


@dataclass(frozen=True)
class NextKey:
    """A key of the realm that is not used yet. It stays when the test ends, as other tests may hold tokens of it."""

    keycloak: Keycloak
    jwks: Path

    def announce(self):
        """Publish the key, and give it to Elasticsearch; whoever read the keys before reads them again after 10 s."""
        if not self.component:
            self.keycloak.administer("POST", "/components", self._state("false"))
        self.keycloak.place.account.write(self.jwks, json.dumps(self.keycloak.keys()))

    def use(self, active="true"):
        self.keycloak.administer("PUT", f"/components/{self.component}", self._state(active))

    @property
    def component(self):
        address = self.keycloak.issuer.replace("/realms/", "/admin/realms/") + "/components?name=next"
        found = self.keycloak.get(address, realm.token(self.keycloak.place, realm.KEEPER))
        return found[0]["id"] if found else None

    def _state(self, active):
        config = {"priority": ["200"], "active": [active]}
        kind = "org.keycloak.keys.KeyProvider"
        return {"name": "next", "providerId": "rsa-generated", "providerType": kind, "config": config}


@pytest.fixture
def next_key(keycloak, settings):
    root = Path(config.read_credential(settings.credential)["path"]).parent
    key = NextKey(keycloak, root / "elasticsearch" / "config" / KEYS)
    yield key
    key.use(active="false")


@pytest.mark.usefixtures("small_parts")
def test_a_load_goes_on_while_keycloak_changes_its_key(
    make_sink, passwordless, keycloak, next_key, load_rows, cluster, dataset, events
):
    settings = passwordless(client_id=realm.BRIEF)

    def key_in_use():
        return jwt.get_unverified_header(realm.token(keycloak.place))["kid"]

    def rows():
        next_key.announce()
        yield from rows_for(11)
        next_key.use()
        yield from ({"id": row["id"] + 1_000_000} for row in rows_for(1.5 * realm.BRIEF_LIFESPAN))

    before = key_in_use()
    load_rows(make_sink(settings=settings), rows())
    assert key_in_use() != before
    assert not events(settings.credential, "refusal")
    assert cluster.count(dataset) > 3_000
