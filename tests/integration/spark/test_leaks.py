"""What a load leaves in Spark's folders."""

import secrets
from pathlib import Path

from luigi_sinks import config


def files_with(secret, folders):
    """Return the files below folders that hold a secret."""
    files = [path for folder in folders for path in Path(folder).rglob("*") if path.is_file()]
    assert files, "Spark keeps its files elsewhere"
    return [path.name for path in files if secret.encode() in path.read_bytes()]


def test_no_secret_is_in_a_folder_of_spark(spark, loaded, dataset):
    for store in ("mariadb", "elasticsearch", "neo4j"):
        spark.load(store=store, dataset=dataset)
        assert loaded(store)
    folders = spark.folders()
    for name in ("mariadb", "elasticsearch", "neo4j"):
        credential = config.read_credential(config.section(f"luigi_sinks.{name}")["credential"])
        assert files_with(Path(credential["path"]).read_text().strip(), folders) == []


def test_a_secret_that_is_printed_or_kept_there_would_be_found(spark):
    secret = secrets.token_hex(16)
    spark.leak(secret=secret)
    assert any(name == "stderr" for name in files_with(secret, spark.folders()))
