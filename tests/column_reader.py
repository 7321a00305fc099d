"""A process that reads a view again and again, as a dashboard would.

It prints a line once it has read, and what it saw when its input ends.

Each version has the same number of rows, all with the same `v`, of which `w` is the text: anything else is wrong.
"""

import json
import random
import select
import sys
import time
from collections import Counter
from contextlib import suppress

import mariadb


def look(cursor, asked):
    """Return what readers see of the view, and how long it took."""
    start = time.monotonic()
    cursor.execute(asked)
    return cursor.fetchall(), time.monotonic() - start


def judged(found, rows):
    """Return what is wrong with an answer, nothing if all is well."""
    ((count, least, most, wrong),) = found
    return "" if (count, least, wrong) == (rows, most, 0) else f"saw {found}"


def read(cursor, asked, rows, hold):
    """Read once, or twice within a transaction of REPEATABLE READ; return what is wrong, and the longest wait."""
    if hold is None:
        found, took = look(cursor, asked)
        return judged(found, rows), took
    cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
    time.sleep(random.uniform(0, hold))
    first, took = look(cursor, asked)
    time.sleep(random.uniform(0, hold))
    second, then = look(cursor, asked)
    cursor.execute("ROLLBACK")
    return judged(first, rows) or ("" if second == first else f"saw {first}, then {second}"), max(took, then)


def main(login, view, rows, hold):
    """Read until the input ends."""
    connection = mariadb.connect(**login)
    cursor, wrong, reads, longest = connection.cursor(), Counter(), 0, 0.0
    cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    asked = f"SELECT COUNT(*), MIN(v), MAX(v), SUM(w IS NOT NULL AND w <> v) FROM {view}"
    while not select.select([sys.stdin], [], [], 0)[0]:
        try:
            fault, took = read(cursor, asked, rows, hold)
        except mariadb.Error as error:
            fault, took = str(error), 0.0
            with suppress(mariadb.Error):
                cursor.execute("ROLLBACK")
        reads, longest = reads + 1, max(longest, took)
        if fault:
            wrong[fault] += 1
        if reads == 1:
            sys.stdout.write("reading\n")
            sys.stdout.flush()
    sys.stdout.write(json.dumps({"hold": hold, "reads": reads, "wrong": dict(wrong), "longest": longest}))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
