"""Runs a session of Spark in Spark's own virtual environment, and calls functions of `tests.spark_loads` in it.

Each call comes by standard input as a pickle of a function's name and its arguments; what it
returns or raises goes back by standard output. The session ends with the input.
"""

import json
import os
import pickle
import shutil
import sys

from pyspark.sql import SparkSession

from tests import spark_loads


def serve(session: SparkSession) -> None:
    """Answer calls until the input ends; what Spark prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while True:
        try:
            name, given = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump(_outcome(session, name, given), answers)
        answers.flush()


def _outcome(session: SparkSession, name: str, given: dict) -> tuple[str, object]:
    """Return what a function returned or raised; an error of Spark, which the tests cannot import, as its text."""
    try:
        return "returned", getattr(spark_loads, name)(session, **given)
    except BaseException as error:  # noqa: BLE001 - Ctrl-C too is an outcome
        ours = type(error).__module__.split(".")[0] in {"luigi_sinks", "builtins"}
        return "raised", error if ours else RuntimeError(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    builder = SparkSession.builder.appName("tests")
    for key, value in json.loads(sys.argv[1]).items():
        builder = builder.config(key, value)
    made = builder.getOrCreate()
    logs = spark_loads.folder_of_logs(made)
    try:
        serve(made)
    finally:
        made.stop()
        shutil.rmtree(logs, ignore_errors=True)
