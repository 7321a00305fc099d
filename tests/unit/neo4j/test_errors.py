import errno

import pytest
from neo4j.exceptions import Neo4jError

from luigi_sinks import BadSetting, CredentialError, Unavailable
from luigi_sinks.credentials import Refused
from luigi_sinks.errors import Forbidden
from luigi_sinks.neo4j import Neo4jSettings
from luigi_sinks.neo4j.errors import QueryRefused, explained, is_retryable

SETTINGS = Neo4jSettings("db", "ours", user="loader")


def said(code, message="no"):
    """Make the error of the driver's that a server's answer becomes."""
    return Neo4jError._hydrate_neo4j(code=f"Neo.{code}", message=message)


@pytest.mark.parametrize(
    ("code", "meaning", "way_out"),
    [
        ("ClientError.Security.Unauthorized", Refused, None),
        ("ClientError.Security.TokenExpired", Refused, None),
        ("ClientError.Security.Forbidden", Forbidden, "'ours' .*lacks a right: no; `luigi-sinks grants` prints"),
        ("ClientError.Security.AuthenticationRateLimit", CredentialError, "'ours' .*auth_lock_time"),
        ("ClientError.Security.CredentialsExpired", CredentialError, "'loader' changed .*ALTER CURRENT USER"),
        ("ClientError.Security.AuthProviderFailed", Unavailable, "identity provider"),
        ("ClientError.Database.DatabaseNotFound", BadSetting, "has no database 'neo4j'"),
        ("TransientError.General.MemoryPoolOutOfMemoryError", Unavailable, "set rows_per_transaction"),
        ("TransientError.General.DatabaseUnavailable", Unavailable, "check that the server runs"),
        ("DatabaseError.General.UnknownError", Unavailable, "check that the server runs"),
        ("TransientError.Transaction.DeadlockDetected", Unavailable, "no.*; run again when the other transaction"),
        ("TransientError.Transaction.Terminated", Unavailable, "ended a transaction, as another load took over"),
        ("TransientError.Transaction.LockClientStopped", Unavailable, "ended a transaction, as another load"),
        ("ClientError.Transaction.TransactionNotFound", Unavailable, "ended a transaction, as another load"),
        ("ClientError.Transaction.TransactionTimedOut", Unavailable, "its time was over.* set request_timeout"),
        ("ClientError.Transaction.TransactionTimedOutClientConfiguration", Unavailable, "its time was over"),
        ("ClientError.Statement.EntityNotFound", Unavailable, "ended a transaction"),
    ],
)
def test_what_the_server_answers_becomes_what_the_caller_can_act_on(code, meaning, way_out):
    with pytest.raises(meaning, match=way_out) as caught, explained(SETTINGS):
        raise said(code)
    assert type(caught.value) is meaning


def test_what_is_wrong_with_a_query_is_an_error_of_ours_with_the_server_s_code():
    error = said("ClientError.Statement.SyntaxError")
    with pytest.raises(QueryRefused, match="db:7687 refused a query: no") as caught, explained(SETTINGS):
        raise error
    assert caught.value.code == error.code


@pytest.mark.parametrize(
    ("code", "at_once"),
    [
        ("ClientError.Security.AuthorizationExpired", True),
        ("TransientError.Transaction.DeadlockDetected", True),
        ("ClientError.Statement.EntityNotFound", True),
        ("ClientError.Security.TokenExpired", False),
        ("ClientError.Security.AuthenticationRateLimit", False),
        ("ClientError.Statement.SyntaxError", False),
    ],
)
def test_only_what_has_passed_by_then_is_tried_again_with_the_same_token(code, at_once):
    assert is_retryable(said(code)) is at_once


def test_a_socket_s_own_error_which_the_driver_lets_through_is_a_connection_that_broke():
    gone = OSError(errno.ENOTCONN, "Transport endpoint is not connected")
    assert is_retryable(gone)
    with pytest.raises(Unavailable, match="not connected; check that the server runs"), explained(SETTINGS):
        raise gone
