"""Loads data frames of Spark as versions: its executors write the parts, the driver publishes. Needs the extra `spark`.

Importing this package does not import pyspark. docs/spark.md tells what executors need.
"""

from typing import TYPE_CHECKING

from luigi_sinks import lazy

if TYPE_CHECKING:
    from luigi_sinks.spark.driver import write
    from luigi_sinks.spark.task import SparkCopy

__all__ = ["SparkCopy", "write"]

__getattr__ = lazy.attributes(__name__, {"SparkCopy": "task", "write": "driver"})
