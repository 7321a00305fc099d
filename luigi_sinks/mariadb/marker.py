"""The Luigi target for a mark in MariaDB, which can be set in a transaction of the task's own."""

from __future__ import annotations

from typing import Any, Unpack, cast

from luigi_sinks import marker, marks
from luigi_sinks.mariadb.names import refuse_schema
from luigi_sinks.mark import TransactionalMarks
from luigi_sinks.marker import MarkerOptions


class Marker(marker.Marker):
    """Exists once it was touched: for a task that writes to MariaDB by itself.

    - `name`: what the task writes, such as a table; options: see `luigi_sinks.marker.MarkerOptions`.

    `touch(connection)` sets the mark in the transaction of a connection: rows and mark are then committed
    together, or not at all. `connect()` opens one that logs in by the credential of luigi.cfg.

    Example, kept in SQLite by `local` in `[luigi_sinks]`, where `connect()` opens that file:
        >>> marker = Marker("orders", update_id="orders of 2013-01-31")
        >>> connection = marker.connect()
        >>> _ = connection.execute("CREATE TABLE orders (id INTEGER)")
        >>> _ = connection.execute("INSERT INTO orders VALUES (1)")
        >>> marker.touch(connection)
        >>> marker.exists()
        False
        >>> connection.commit()
        >>> marker.exists()
        True
        >>> connection.close()

    """

    store = "mariadb"

    def __init__(self, name: str, **options: Unpack[MarkerOptions]) -> None:
        refuse_schema(name)
        super().__init__(name, **options)

    def connect(self) -> Any:
        """Return a new DB-API connection to the database of luigi.cfg, without autocommit; close it yourself.

        Its session has the server's own defaults; a statement may take as long as `statement_timeout`.
        Raises Unavailable, Forbidden or CredentialError.
        """
        return self._marks().connect()

    def touch(self, connection: Any = None) -> None:
        """Mark this output as complete; with a connection, in its transaction, which the caller commits.

        - `connection`: one of a DB-API driver, such as that of `connect()`, or a Connection or Session of
          SQLAlchemy, to the server and as a login that may set marks. Default: none; the mark is set at once.

        With a connection, raises Conflict if another run committed this output: roll back then, for its rows
        are there already. Touching twice in one transaction does no harm.
        """
        if connection is None:
            super().touch()
        else:
            marks.touch_in(self._marks(), connection, self.origin)

    def _marks(self) -> TransactionalMarks:
        return cast("TransactionalMarks", self.marks())
