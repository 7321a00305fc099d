"""The stored procedures through which a loader registers, changes and publishes versions, and the view for its rows.

They run with the rights of the owner who created them, so a loader needs no right to
write to the registry, to the pointer or to rows that are there. `luigi_sinks.record`
has the rules of a version's life, and applies them first; here stands what a login
that ignores those rules must not be able to do: change or delete what was published,
publish what was not counted by the server or was withdrawn, add rows to a version that
takes no more, or take from readers a version that nobody withdrew.

A temporary table hides the one of its name also from a procedure, so each drops those.
Statements of a procedure are one transaction only if the caller began one, so each
requires it. A record is checked by its first key of a name and read by the last, so a
record that repeats a key is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from luigi_sinks.mariadb.names import Names, quoted
from luigi_sinks.mariadb.schema import SEQ

VERSION = 4
"""Increase it with every change of a procedure, of the view or of the table of parts: then they are made again."""

COMMENT = f"luigi_sinks guard, version {VERSION}"

REFUSED, MISCOUNTED = 30001, 30002
"""The numbers of errors that the procedures raise."""

_DEADLOCK = 1213
"""The server's number for a deadlock: the caller, who lost a race, reads again and repeats."""

OPEN = """(
  connection BIGINT UNSIGNED NOT NULL PRIMARY KEY,
  seq INTEGER UNSIGNED NOT NULL,
  KEY (seq)
) ENGINE=InnoDB"""
"""To which version each connection adds rows, or added the last ones: only a staged one takes them.

The rows stay until the version fails or is dropped: a lock on them would delay the connection's next load.
"""

_TEXT = "CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin"

_PROCEDURE = """{create} {name}({parameters})
MODIFIES SQL DATA SQL SECURITY DEFINER COMMENT '{comment}'
BEGIN
  DECLARE v_partition, v_id, v_was VARCHAR(32) {text};
  DECLARE v_record LONGTEXT {text};
  DECLARE v_head, v_rows, v_count BIGINT UNSIGNED;
  DECLARE v_epoch BIGINT UNSIGNED DEFAULT 0;
  DECLARE v_message VARCHAR(128) {text};
  DROP TEMPORARY TABLE IF EXISTS {log}, {head}, {base}, {open};
  IF @@in_transaction = 0 THEN
    SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = {refused}, MESSAGE_TEXT = 'call it in a transaction';
  END IF;
  {body}
END"""

_LOCK = """
  SELECT `partition`, id, record, JSON_VALUE(record, '$.state') INTO v_partition, v_id, v_record, v_was
    FROM {log} WHERE seq = p_seq {lock};"""
_LOCK_HEAD = """
  SELECT `partition` INTO v_partition FROM {log} WHERE seq = p_seq;
  SELECT seq, epoch INTO v_head, v_epoch FROM {head} WHERE `partition` = v_partition FOR UPDATE;"""

_REFUSE = """
    SET v_message = {message};
    SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = {number}, MESSAGE_TEXT = v_message;"""

_IS_RECORD = """JSON_VALID(p_record) AND JSON_VALUE(p_record, '$.format') > 1
      AND JSON_LENGTH(p_record) = JSON_LENGTH(JSON_KEYS(p_record)) AND LOCATE('\\\\', JSON_KEYS(p_record)) = 0
      AND JSON_LENGTH(p_record, '$.publications') = 0"""

_NEW = """
  IF {is_record} AND JSON_VALUE(p_record, '$.state') = 'staged' AND JSON_VALUE(p_record, '$.rows') IS NULL THEN
    INSERT INTO {log} (`partition`, id, update_id, record) VALUES (p_partition, p_id, p_update_id, p_record);
  ELSE {refuse}
  END IF;"""

_OPEN = """{lock}
  IF v_was = 'staged' THEN
    INSERT INTO {open} (connection, seq) VALUES (CONNECTION_ID(), p_seq) ON DUPLICATE KEY UPDATE seq = p_seq;
  ELSE {refuse}
  END IF;"""

_STEPS = [
    *("staged>staged", "staged>sealed", "staged>abandoned"),
    *("sealed>sealed", "sealed>validated", "sealed>abandoned"),
    *("validated>validated", "validated>abandoned", "validated>superseded", "abandoned>abandoned"),
]
_STEP = """{lock}
  SET v_rows = JSON_VALUE(p_record, '$.rows');
  IF {is_record} AND JSON_LENGTH(v_record, '$.publications') > 0 IS NOT TRUE
      AND CONCAT(v_was, '>', JSON_VALUE(p_record, '$.state')) IN ({steps})
      AND (v_rows IS NOT NULL OR JSON_VALUE(p_record, '$.state') NOT IN ('validated', 'superseded')) THEN
    IF v_rows <> JSON_VALUE(v_record, '$.rows') IS NOT FALSE AND v_rows IS NOT NULL THEN
      SELECT COUNT(*) INTO v_count FROM {base} WHERE {seq} = p_seq;
      IF v_count <> v_rows THEN {miscounted}
      END IF;
    END IF;
    UPDATE {log} SET record = p_record WHERE seq = p_seq;
  ELSEIF v_was IN ('published', 'retired', 'superseded') AND JSON_VALUE(p_record, '$.state') = v_was THEN
    UPDATE {log} SET record = JSON_SET(v_record, '$.pinned', JSON_EXTRACT(p_record, '$.pinned'),
      '$.release.is_settled', JSON_EXTRACT(p_record, '$.release.is_settled')) WHERE seq = p_seq;
  ELSE {refuse}
  END IF;"""

_IS_WITHDRAWN = "(COALESCE(JSON_TYPE(JSON_EXTRACT(v_record, '$.withdrawn')), 'NULL') <> 'NULL')"

_VOID = """{lock}
  IF JSON_LENGTH(v_record, '$.publications') > 0 OR JSON_VALUE(v_record, '$.superseded_at') IS NOT NULL THEN
    IF NOT {is_withdrawn} THEN
      UPDATE {log} SET record = JSON_SET(v_record, '$.withdrawn', JSON_OBJECT('at', p_at, 'by', p_by, 'why', p_why))
        WHERE seq = p_seq;
    END IF;
  ELSE {refuse}
  END IF;"""

_NONE = """{lock_head}{overtaken}{lock}
  IF v_head = p_seq AND {is_withdrawn} THEN
    UPDATE {log} SET record = JSON_SET(v_record, '$.state', 'retired', '$.retired_at', p_at) WHERE seq = p_seq;
    UPDATE {head} SET seq = NULL, version = NULL, epoch = p_epoch + 1 WHERE `partition` = v_partition;
  ELSE {refuse}
  END IF;"""

_OVERTAKEN = f"""
  IF v_epoch <> p_epoch THEN
    SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = {_DEADLOCK}, MESSAGE_TEXT = 'the head has moved';
  END IF;"""

_MOVE = """
  INSERT INTO {head} (`partition`, epoch) SELECT `partition`, 0 FROM {log} WHERE seq = p_seq
    ON DUPLICATE KEY UPDATE `partition` = VALUES(`partition`);{lock_head}{overtaken}{lock}
  IF (v_was = 'validated' AND JSON_LENGTH(v_record, '$.publications') = 0
      AND JSON_VALUE(v_record, '$.rows') IS NOT NULL
      OR v_was = 'retired' AND JSON_LENGTH(v_record, '$.publications') > 0 AND NOT {is_withdrawn}) THEN
    UPDATE {log} SET record = JSON_SET(JSON_ARRAY_APPEND(v_record, '$.publications',
      JSON_OBJECT('epoch', p_epoch + 1, 'at', p_at, 'by', p_by, 'why', p_why)),
      '$.state', 'published', '$.retired_at', NULL) WHERE seq = p_seq;
    UPDATE {log} SET record = JSON_SET(record, '$.state', 'retired', '$.retired_at', p_at) WHERE seq = v_head;
    IF p_example IS NOT NULL THEN UPDATE {head} SET version = p_example WHERE `partition` = ''; END IF;
    UPDATE {head} SET seq = p_seq, version = v_id, epoch = p_epoch + 1 WHERE `partition` = v_partition;
  ELSE {refuse}
  END IF;"""

_DROPS = [
    *("retired>dropping", "abandoned>dropping", "dropping>dropping"),
    *("dropping>dropped", "dropping>retired", "dropping>abandoned", "abandoned>failed"),
    *("superseded>dropping", "dropping>superseded"),
]
_DROP = """{lock_head}{lock}
  IF CONCAT(v_was, '>', p_state) IN ({drops}) AND NOT v_head <=> p_seq THEN
    UPDATE {log} SET record = JSON_SET(v_record, '$.state', p_state) WHERE seq = p_seq;
    IF p_state = 'failed' THEN
      UPDATE {log} SET record = JSON_SET(record, '$.rows', NULL) WHERE seq = p_seq;
    END IF;
    IF p_state IN ('dropped', 'failed') THEN DELETE FROM {open} WHERE seq = p_seq; END IF;
  ELSE {refuse}
  END IF;"""

_SEQ, _EPOCH = "IN p_seq INTEGER UNSIGNED", "IN p_epoch BIGINT UNSIGNED"
_AT = f"IN p_at LONGTEXT {_TEXT}"
_SAID = (_AT, f"IN p_by LONGTEXT {_TEXT}", f"IN p_why LONGTEXT {_TEXT}")


@dataclass(frozen=True)
class Procedure:
    """A stored procedure: its suffix behind the dataset's name, parameters, body, and what it refuses to do."""

    suffix: str
    parameters: Sequence[str]
    body: str
    refuses: str
    lock: str = "FOR UPDATE"


NEW = Procedure(
    "__new",
    (
        f"IN p_partition VARCHAR(30) {_TEXT}",
        f"IN p_id VARCHAR(32) {_TEXT}",
        f"IN p_update_id LONGTEXT {_TEXT}",
        f"IN p_record LONGTEXT {_TEXT}",
    ),
    _NEW,
    "'a new version must be staged, without rows and publications'",
)
OPENED = Procedure(
    "__open",
    (_SEQ,),
    _OPEN,
    "CONCAT('version ', p_seq, ' is ', v_was, '; it takes no more rows')",
    "LOCK IN SHARE MODE",
)
STEP = Procedure(
    "__step",
    (_SEQ, f"IN p_record LONGTEXT {_TEXT}"),
    _STEP,
    "CONCAT('a load cannot change version ', p_seq, ', ', v_was)",
)
DROP = Procedure(
    "__drop",
    (_SEQ, f"IN p_state VARCHAR(10) {_TEXT}"),
    _DROP,
    "CONCAT('version ', p_seq, ', ', v_was, ', cannot be dropped')",
)
VOID = Procedure(
    "__void",
    (_SEQ, *_SAID),
    _VOID,
    "CONCAT('version ', p_seq, ', ', v_was, ', was never published; it cannot be withdrawn')",
)
NONE = Procedure(
    "__none",
    (_SEQ, _EPOCH, _AT),
    _NONE,
    "CONCAT('version ', p_seq, ', ', v_was, ', is not a withdrawn head')",
)
MOVE = Procedure(
    "__move",
    (_SEQ, _EPOCH, *_SAID, f"IN p_example VARCHAR(32) {_TEXT}"),
    _MOVE,
    "CONCAT('version ', p_seq, ', ', v_was, ', cannot be published')",
)

OF_LOADER = (NEW, OPENED, STEP, VOID, NONE, MOVE)
OF_PRUNER = (DROP,)
ALL = (NEW, OPENED, STEP, DROP, VOID, NONE, MOVE)
"""In the order in which they are made: where the last one is there, all are."""


def statements(names: Names, definer: str, *, again: bool) -> Iterator[str]:
    """Yield what makes the procedures; `again` replaces those of an older version."""
    create = f"CREATE OR REPLACE {definer} PROCEDURE" if again else f"CREATE {definer} PROCEDURE IF NOT EXISTS"
    for procedure in ALL:
        yield _text(names, procedure, create)


def view(names: Names, columns: Sequence[str]) -> str:
    """Return the query of the view that rows are added through: to the version that its connection opened.

    The server evaluates the subquery once a statement, and locks the record meanwhile.
    It does not lock it in `INSERT ... SELECT` under READ COMMITTED, so sealing ends the
    sessions of other processes that opened the version.
    """
    opened = (
        f"SELECT o.seq FROM {names.open} o JOIN {names.log} l ON l.seq = o.seq"  # noqa: S608 - names are quoted
        " WHERE o.connection = CONNECTION_ID() AND l.state = 'staged'"
    )
    listed = ", ".join(f"f.{quoted(name)}" for name in columns)
    return f"SELECT {listed} FROM {names.base} f WHERE f.{SEQ} = ({opened}) WITH CASCADED CHECK OPTION"  # noqa: S608


def _text(names: Names, procedure: Procedure, create: str) -> str:
    tables = {"log": names.log, "head": names.head, "base": names.base, "open": names.open}
    refuse = _REFUSE.format(message=f"COALESCE({procedure.refuses}, 'no such version')", number=REFUSED)
    miscounted = _REFUSE.format(
        message="CONCAT('the server counts ', v_count, ' rows, the parts brought ', v_rows)", number=MISCOUNTED
    )
    body = procedure.body.format(
        **tables,
        lock=_LOCK.format(**tables, lock=procedure.lock),
        lock_head=_LOCK_HEAD.format(**tables),
        is_record=_IS_RECORD,
        refuse=refuse,
        miscounted=miscounted,
        overtaken=_OVERTAKEN,
        is_withdrawn=_IS_WITHDRAWN,
        seq=SEQ,
        steps=_listed(_STEPS),
        drops=_listed(_DROPS),
    )
    return _PROCEDURE.format(
        **tables,
        create=create,
        text=_TEXT,
        name=names.procedure(procedure.suffix),
        parameters=", ".join(procedure.parameters),
        comment=COMMENT,
        refused=REFUSED,
        body=body,
    )


def _listed(values: Sequence[str]) -> str:
    return ", ".join(f"'{value}'" for value in values)
