"""Races loads into each store, beside the store's own bulk loader and what people use in Python.

    python -m benchmarks [CASE...]

CASE is a case, or how several begin: `mariadb`, `mariadb-frames`. ROWS and ROUNDS in the environment
change how much is loaded, and how often (seven rounds after one that warms up). The results are
printed, and kept in benchmarks/latest.json and benchmarks/latest.svg.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import replace

from benchmarks import race, report

STORES = ("mariadb", "elasticsearch", "neo4j")
ROUNDS = int(os.environ.get("ROUNDS") or "7")
ROWS = int(os.environ["ROWS"]) if os.environ.get("ROWS") else None


def main(wanted: Sequence[str]) -> None:
    """Run the races of the cases that are wanted."""
    results: list[race.Result] = []
    for store in STORES:
        if wanted and not any(each.split("-")[0] == store for each in wanted):
            continue
        module = importlib.import_module(f"benchmarks.{store}")
        with module.races(ROWS) as races:
            for each in races:
                cases = [case for case in each.cases if not wanted or case.name.startswith(tuple(wanted))]
                if cases:
                    print(f"{', '.join(case.name for case in cases)}: {each.rows:,} rows", flush=True)
                    results += race.run(replace(each, cases=cases), ROUNDS, lambda text: print(text, flush=True))
                    report.keep(results)
    if not results:
        sys.exit(f"no case is called {', '.join(wanted)}; {__doc__}")
    print(report.table(results))


if __name__ == "__main__":
    main(sys.argv[1:])
