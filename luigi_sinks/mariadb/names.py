"""Names a dataset's tables, quoted for SQL."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from luigi_sinks import unseen
from luigi_sinks.errors import BadSetting

LONGEST = 64
HIDDEN = "__v"
"""Ends the name of the database that holds what readers do not use."""

MARKED = "luigi_sinks column "
"""Begins the comment of a column that the table holds under another name, or for some versions only."""

LONGEST_COMMENT = 800
"""Characters of a column's comment: of MariaDB's 1,024, `MARKED` and what follows it may need 204."""

_ALLOWED = re.compile("[\x01-\ud7ff\ue000-\uffff]+")


@dataclass(frozen=True)
class Names:
    """The tables and procedures of a dataset: view and pointer in its database, all others in `DATABASE__v`.

    No suffix is longer than that of the pointer, for which `check_name` leaves room. `shown_as` names the view
    while an ordinary table has the dataset's name: see adoption.py.
    """

    database: str
    dataset: str
    shown_as: str = ""

    def __post_init__(self) -> None:
        check_name(self.database, "database", suffix=HIDDEN)
        check_name(self.dataset, "table", suffix="__head")
        for name in (self.database, self.dataset):
            if "'" in name or '"' in name:
                raise BadSetting(
                    f"{name!r}: the driver takes the quote for the start of a string; use letters, digits and _"
                )

    @property
    def view(self) -> str:
        """What readers use."""
        return qualified(self.database, self.view_name)

    @property
    def view_name(self) -> str:
        """What readers use, unquoted."""
        return self.shown_as or self.dataset

    @property
    def beside(self) -> Names:
        """The same dataset before its view takes the place of an ordinary table."""
        return replace(self, shown_as=f"{self.dataset}__next")

    @property
    def head_table(self) -> str:
        """The pointer, unquoted: one row for each partition."""
        return f"{self.dataset}__head"

    @property
    def head(self) -> str:
        """The pointer."""
        return qualified(self.database, self.head_table)

    @property
    def base_table(self) -> str:
        """The rows of all versions, unquoted; `g1` stands for the first generation of columns."""
        return f"{self.dataset}__g1"

    @property
    def base(self) -> str:
        """The rows of all versions."""
        return qualified(self.hidden, self.base_table)

    @property
    def log_table(self) -> str:
        """The registry, unquoted: one row for each version."""
        return f"{self.dataset}__log"

    @property
    def log(self) -> str:
        """The registry."""
        return qualified(self.hidden, self.log_table)

    @property
    def part_table(self) -> str:
        """The parts that arrived whole, unquoted."""
        return f"{self.dataset}__part"

    @property
    def parts(self) -> str:
        """The parts that arrived whole."""
        return qualified(self.hidden, self.part_table)

    @property
    def open_table(self) -> str:
        """To which version each connection adds rows, unquoted."""
        return f"{self.dataset}__open"

    @property
    def open(self) -> str:
        """To which version each connection adds rows."""
        return qualified(self.hidden, self.open_table)

    @property
    def add_view(self) -> str:
        """The view through which rows are added, unquoted."""
        return f"{self.dataset}__add"

    @property
    def add(self) -> str:
        """The view through which rows are added."""
        return qualified(self.hidden, self.add_view)

    @property
    def mark_table(self) -> str:
        """The marks under this name, unquoted."""
        return f"{self.dataset}__mark"

    @property
    def marks(self) -> str:
        """The marks under this name."""
        return qualified(self.hidden, self.mark_table)

    def procedure(self, suffix: str) -> str:
        """Name a stored procedure of the dataset."""
        return qualified(self.hidden, f"{self.dataset}{suffix}")

    @property
    def hidden(self) -> str:
        """The database that readers do not use, unquoted."""
        return hidden(self.database)


def hidden(database: str) -> str:
    """Return the database that holds what readers do not use."""
    return f"{database}{HIDDEN}"


def check_name(name: str, what: str, suffix: str = "") -> None:
    """Raise BadSetting for a name that MariaDB does not allow: https://mariadb.com/kb/en/identifier-names/."""
    unseen.refuse(name, what)
    longest = LONGEST - len(suffix)
    if len(name) > longest:
        room = f", since {suffix!r} is appended to it" if suffix else ""
        raise BadSetting(f"{what} {name!r} has {len(name)} characters; MariaDB takes at most {longest}{room}")
    if not _ALLOWED.fullmatch(name) or name.endswith(" "):
        raise BadSetting(f"{what} {name!r}: MariaDB does not allow this name; use letters, digits and _")


def beyond(text: str) -> str:
    """Return the first character for which the server's descriptions of tables have a question mark; empty if none.

    Example:
        >>> beyond("Zürich"), beyond("Zürich 🛫")
        ('', '🛫')

    """
    return next((char for char in text if char > "\uffff"), "")


def refuse_schema(table: str, schema: str | None = None) -> None:
    """Raise BadSetting for a table's name with its schema, which to MariaDB is a database of a connection of its own.

    Example:
        >>> refuse_schema("orders")

    """
    before, dot, name = str(table).replace("`", "").rpartition(".")
    if not schema and not dot:
        return
    database = schema or before
    raise BadSetting(
        f"table {table!r}: a schema is a database, and a connection leads to one. Set table = {name!r} and connection "
        f"= {database!r}, without the schema, and add to luigi.cfg a section like that of the connection, with "
        f"another database: [luigi_sinks.mariadb.{database}] database = {database}"
    )


def quoted(name: str) -> str:
    """Quote an identifier."""
    return "`" + name.replace("`", "``") + "`"


def qualified(database: str, table: str) -> str:
    """Quote a table's name with its database."""
    return f"{quoted(database)}.{quoted(table)}"
