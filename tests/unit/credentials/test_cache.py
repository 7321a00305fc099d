"""How long a token is cached, who refreshes it, and what a refusal does."""

import os
import pickle
import threading
import time

import pytest

from luigi_sinks.credentials import Refused, Token
from luigi_sinks.credentials.cache import Timing
from luigi_sinks.credentials.provider import Provider
from luigi_sinks.errors import BadSetting, CredentialError
from luigi_sinks.running import Running


def reveal(token):
    return token.reveal()


def test_a_token_is_refreshed_when_a_fifth_of_its_usable_time_is_left(provider_of, source, clock):
    provider = provider_of(source)  # its lifetime is 100 s, of which 90 s are used
    assert provider.use("db", reveal) == "secret-1"
    clock.now += 71.9
    assert provider.use("db", reveal) == "secret-1"
    clock.now += 0.2
    assert provider.use("db", reveal) == "secret-2"


def test_the_margin_of_a_long_lifetime_is_half_a_minute(provider_of, source, clock):
    source.info |= {"lifetime": 1000.0, "max_age": 3600.0}
    provider = provider_of(source)
    provider.use("db", reveal)
    source.failing = True
    clock.now += 969.9
    assert provider.use("db", reveal) == "secret-1"
    clock.now += 0.2
    with pytest.raises(CredentialError, match="the issuer is down"):
        provider.use("db", reveal)


@pytest.mark.parametrize("lifetime", [None, 86_400.0])
def test_no_token_is_cached_beyond_its_maximum_age(provider_of, source, clock, lifetime):
    source.info["lifetime"] = lifetime
    provider = provider_of(source)
    provider.use("db", reveal)
    clock.now += (300 - 30) * 0.8 + 0.1
    assert provider.use("db", reveal) == "secret-2"


@pytest.mark.parametrize("lifetime", [5.0, 20.0, 250.0])
@pytest.mark.parametrize(("jitter", "exchanges"), [(0.0, 7), (0.999, 8)])
def test_five_lifetimes_take_seven_or_eight_exchanges_however_short_they_are(
    source, clock, lifetime, jitter, exchanges
):
    source.info["lifetime"] = lifetime
    provider = Provider(lambda name, use: source, Timing(clock, lambda: jitter))
    end = clock.now + 5 * lifetime
    while clock.now < end:
        provider.use("db", reveal)
        clock.now += lifetime / 1000
    assert len(source.fetched) == exchanges


def test_a_token_stays_in_use_while_its_refresh_fails(provider_of, source, clock, caplog):
    provider = provider_of(source)
    provider.use("db", reveal)
    source.failing = True
    clock.now += 80
    assert provider.use("db", reveal) == "secret-1"
    assert "the issuer is down; the cached token is still valid for 10 s" in caplog.text
    assert provider.use("db", reveal) == "secret-1"
    assert len(source.fetched) == 2, "it does not ask again at once"
    source.failing = False
    clock.now += 5.1
    assert provider.use("db", reveal) == "secret-3"


def test_a_token_that_is_expired_on_arrival_is_refused(provider_of, source, clock):
    provider = provider_of(source)
    source.info["lifetime"] = 0.0
    with pytest.raises(CredentialError, match=r"'db': its source returned a token that lives only 0.0 s"):
        provider.use("db", reveal)


def test_requests_with_the_same_scope_share_a_token(provider_of, source):
    provider = provider_of(source)
    assert provider.use("db", reveal, host="a", port=1) == "secret-1"
    assert provider.use("db", reveal, host="a", port=2) == "secret-1", "the source does not look at ports"
    assert provider.use("db", reveal, host="b") == "secret-2"
    assert provider.use("db", reveal, host="a", user="loader") == "secret-3"
    assert provider.use("db", reveal, host="a", audience="es") == "secret-4"
    assert provider.use("other", reveal, host="a") == "secret-5"


def test_the_owner_is_the_running_tasks_unless_another_is_given(provider_of, source):
    provider = provider_of(source)
    source.scope = lambda request: request
    provider.begin(Running("Flights__1", "Flights", "flight_ops"))
    provider.use("db", reveal)
    provider.use("db", reveal, owner="fares")
    assert [request.owner for request in source.fetched] == ["flight_ops", "fares"]
    assert source.fetched[0].session == "Flights"


def test_many_threads_that_need_a_token_make_one_exchange(provider_of, source, together):
    provider = provider_of(source)
    source.gate = threading.Event()
    threading.Timer(0.2, source.gate.set).start()
    assert together(8, lambda: provider.use("db", reveal)) == ["secret-1"] * 8
    assert len(source.fetched) == 1


def test_no_thread_waits_for_a_refresh_while_the_cached_token_is_valid(provider_of, source, clock):
    provider = provider_of(source)
    provider.use("db", reveal)
    clock.now += 80
    source.gate = threading.Event()
    refresher = threading.Thread(target=provider.use, args=("db", reveal))
    refresher.start()
    while len(source.fetched) < 2:
        time.sleep(0.001)
    assert provider.use("db", reveal) == "secret-1"
    source.gate.set()
    refresher.join()
    assert provider.use("db", reveal) == "secret-2"


def test_threads_that_waited_for_an_exchange_share_its_failure(provider_of, source, together):
    provider = provider_of(source)
    source.gate, source.failing = threading.Event(), True
    threading.Timer(0.2, source.gate.set).start()
    assert [str(error) for error in together(8, lambda: provider.use("db", reveal))] == ["the issuer is down"] * 8
    assert len(source.fetched) == 1


def test_many_refusals_of_one_token_make_one_exchange(provider_of, source, together):
    provider = provider_of(source)
    all_refused = threading.Barrier(8)

    def connect(token):
        if token.reveal() == "secret-1":
            all_refused.wait(10)
            raise Refused
        return token.reveal()

    assert together(8, lambda: provider.use("db", connect)) == ["secret-2"] * 8
    assert len(source.fetched) == 2


def refuse(token):
    raise Refused from PermissionError("go away")


def test_a_token_that_was_refused_twice_is_not_cached(provider_of, source, clock):
    provider = provider_of(source)
    with pytest.raises(CredentialError, match="'db' was refused by the server: go away"):
        provider.use("db", refuse)
    clock.now += 5.1
    assert provider.use("db", reveal) == "secret-3"


def test_many_uses_of_a_token_that_the_server_refuses_make_two_exchanges_in_a_moment(provider_of, source, clock):
    provider = provider_of(source)
    for _ in range(50):
        with pytest.raises(CredentialError, match="'db' was refused by the server: go away"):
            provider.use("db", refuse)
        clock.now += 0.05
    assert len(source.fetched) == 2
    assert provider.use("db", reveal, port=1) == "secret-3", "another server may accept it"


def test_a_source_that_has_changed_is_asked_at_once_after_a_refusal(provider_of, source):
    provider, changed = provider_of(source), []
    source.info["changed"] = lambda: bool(changed)
    with pytest.raises(CredentialError):
        provider.use("db", refuse)
    changed.append(True)
    source.info["changed"] = lambda: False
    assert provider.use("db", reveal) == "secret-3"


def test_a_credential_that_needs_itself_is_an_error_and_not_a_deadlock():
    class Circular:
        def __init__(self, name, use):
            self._ask = lambda: use({"a": "b", "b": "a"}[name], reveal)

        def scope(self, request):
            return request

        def fetch(self, request):
            return Token(self._ask())

    with pytest.raises(BadSetting, match="credential 'a' needs 'b' needs 'a'"):
        Provider(Circular).use("a", reveal)


def in_child(call):
    """Return the exit status of a forked child that makes the call: 0 if the call returned True."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = 0 if call() else 2
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_forked_child_has_tokens_of_its_own(provider_of, source):
    provider = provider_of(source)
    assert provider.use("db", reveal) == "secret-1"
    assert in_child(lambda: provider.use("db", reveal) == "secret-2") == 0
    assert provider.use("db", reveal) == "secret-1"


def test_an_inherited_token_is_not_revealed():
    token = Token("inherited")

    def is_refused():
        with pytest.raises(CredentialError, match="cannot be used after a fork"):
            token.reveal()
        return True

    assert in_child(is_refused) == 0
    assert token.reveal() == "inherited"


def test_a_child_that_was_forked_during_an_exchange_does_not_deadlock(provider_of, source):
    provider = provider_of(source)
    source.gate = threading.Event()
    thread = threading.Thread(target=provider.use, args=("db", reveal))
    thread.start()
    while not source.fetched:
        time.sleep(0.001)

    def fetches():
        source.gate = None
        return provider.use("db", reveal) == "secret-2"

    try:
        assert in_child(fetches) == 0
    finally:
        source.gate.set()
        thread.join()


def test_a_provider_is_pickled_by_name_only():
    with pytest.raises(TypeError, match="pass the name of the credential"):
        pickle.dumps(Provider())
