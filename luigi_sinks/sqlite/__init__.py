"""A store without a server, in files: the reference for all stores, and the double for users' tests.

Each store that it stands in for is one SQLite file of a folder, because Luigi runs
tasks in child processes whose memory is lost; keep the folder on a memory disk if
there is one. `[luigi_sinks] local = FOLDER` puts every dataset there.
"""

from luigi_sinks.sqlite.catalog import SQLiteCatalog, datasets
from luigi_sinks.sqlite.marks import SQLiteMarks
from luigi_sinks.sqlite.sink import SQLiteSink, SQLiteStage

__all__ = ["SQLiteCatalog", "SQLiteMarks", "SQLiteSink", "SQLiteStage", "datasets"]
