"""What the audit log says of tokens, and what happens if it cannot be written."""

import hashlib
import json
import logging

import pytest

from luigi_sinks import audit
from luigi_sinks.audit.log import _short
from luigi_sinks.credentials import Refused, Token, TokenInfo
from luigi_sinks.credentials.audit_entries import token_entry
from luigi_sinks.errors import BadSetting, CredentialError
from luigi_sinks.running import Running


@pytest.fixture
def path(tmp_path, luigi_cfg, request):
    """Write the audit log to a file; the parameter of the test adds settings to the section."""
    (tmp_path / "key").write_bytes(b"a key that processes share")
    more = getattr(request, "param", "").format(tmp_path=tmp_path)
    luigi_cfg(
        f"[luigi_sinks.leases]\nfolder = {tmp_path}/leases\n[luigi_sinks.credential.db]\nsource = rds_iam\n"
        f"[luigi_sinks.audit]\npath = {tmp_path}/audit\nanchor = {tmp_path}/anchor\n{more}"
    )
    audit.begin(tmp_path / "audit", tmp_path / "anchor")
    return tmp_path / "audit"


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def reveal(token):
    return token.reveal()


def test_an_exchange_line_has_the_token_its_issuer_and_the_task(path, provider_of, source):
    source.info |= {"principal": "loader", "issuer": "sts", "token_id": "id-1", "issued": 0.0}
    provider = provider_of(source)
    provider.begin(Running("Flights__1", "Flights", "flight_ops", correlation="c0ffee"))
    provider.use("db", reveal, host="db.example")
    (line,) = lines(path)
    said = {"action": "exchange", "outcome": "success", "credential": "db", "source": "rds_iam", "issuer": "sts"}
    who = {"task_id": "Flights__1", "task_family": "Flights", "owner": "flight_ops", "principal": "loader"}
    when = {"issued": "1970-01-01T00:00:00+00:00", "expires": "1970-01-01T00:01:40+00:00", "duration": 0.0}
    which = {"token": "id-1", "server": "db.example", "correlation": "c0ffee"}
    assert {**line, **said, **who, **when, **which} == line
    assert set(line) - {*said, *who, *when, *which} == {"format", "seq", "prev", "time", "host", "pid"}


def test_no_line_contains_the_secret(path, provider_of, source, caplog):
    caplog.set_level(logging.DEBUG)
    provider_of(source).use("db", reveal)
    assert "secret-1" not in path.read_text() + caplog.text


def test_each_event_of_a_token_is_audited(path, provider_of, leasing, clock):
    provider = provider_of(leasing)
    provider.begin(Running("Flights__1", "Flights"))
    for _ in range(4):
        provider.use("db", reveal)
    clock.now += 75
    provider.use("db", reveal)
    clock.now += 200
    provider.use("db", reveal)
    provider.end("Flights__1")
    assert [(line["action"], line["token"], line.get("uses")) for line in lines(path)] == [
        ("exchange", "lease-1", None),
        ("renewal", "lease-1", None),
        ("reuse", "lease-1", 3),
        ("exchange", "lease-2", None),
        ("expiry", "lease-1", None),
        ("revocation", "lease-1", None),
        ("revocation", "lease-2", None),
    ]


def test_a_refusal_and_a_failure_are_audited(path, provider_of, source):
    provider = provider_of(source)

    def connect(token):
        source.failing = True
        raise Refused

    with pytest.raises(CredentialError):
        provider.use("db", connect)
    assert [(line["action"], line["outcome"], line.get("reason")) for line in lines(path)] == [
        ("exchange", "success", None),
        ("refusal", "failure", None),
        ("exchange", "failure", "the issuer is down"),
    ]


def test_a_line_of_a_store_has_dataset_version_and_rows(path):
    audit.require(audit.Entry("load", dataset="flights", version="v1", rows=0, duration=1.5, server="db:3306"))
    (line,) = lines(path)
    assert (line["dataset"], line["version"], line["rows"], line["duration"]) == ("flights", "v1", 0, 1.5)


@pytest.mark.parametrize("path", ["key_file = {tmp_path}/key"], indirect=True)
def test_a_shared_key_gives_a_token_the_same_fingerprint_in_all_processes(path, provider_of, source):
    provider_of(source).use("db", reveal)
    expected = hashlib.blake2b(b"secret-1", key=b"a key that processes share", digest_size=12).hexdigest()
    assert lines(path)[0]["token"] == expected


def test_the_logger_gets_the_same_lines(luigi_cfg, provider_of, source, caplog):
    caplog.set_level(logging.INFO, "luigi_sinks.audit")
    provider_of(source).use("db", reveal)
    (message,) = [record.message for record in caplog.records if record.name == "luigi_sinks.audit"]
    assert json.loads(message)["action"] == "exchange"


def break_the_disk(path):
    path.with_name(f".{path.name}.lock").unlink(missing_ok=True)
    path.with_name(f".{path.name}.lock").mkdir()


@pytest.mark.parametrize("path", ["required = true"], indirect=True)
def test_if_the_log_is_required_no_token_is_used_without_a_line(path, provider_of, source):
    break_the_disk(path)
    used = []
    with pytest.raises(CredentialError, match=rf"{path} cannot be written .* required = true"):
        provider_of(source).use("db", used.append)
    assert used == []


@pytest.mark.parametrize("path", ["required = true"], indirect=True)
def test_a_lease_that_could_not_be_recorded_is_revoked(path, provider_of, leasing):
    break_the_disk(path)
    provider = provider_of(leasing)
    with pytest.raises(CredentialError, match="cannot be written"):
        provider.use("db", reveal)
    provider.close()
    assert leasing.revoked == ["lease-1"]


def test_if_the_log_is_optional_a_failure_is_warned_of_once(path, provider_of, source, caplog):
    break_the_disk(path)
    provider = provider_of(source)
    for host in "abc":
        assert provider.use("db", reveal, host=host)
    assert caplog.text.count("the audit log cannot be written") == 1


def test_a_long_reason_is_truncated():
    assert len(_short("x" * 10_000)) == 500


def test_a_token_without_a_lifetime_has_no_expiry_in_the_log(path):
    assert token_entry("exchange", "db", Token("x", TokenInfo())).expires == ""


@pytest.mark.parametrize("path", ["key_file = {tmp_path}/none"], indirect=True)
def test_a_key_that_cannot_be_read_is_named(path, provider_of, source):
    with pytest.raises(BadSetting, match=r"\[luigi_sinks.audit\] key_file = .*/none in luigi.cfg: No such file"):
        provider_of(source).use("db", reveal)
