"""The start of a reader's query: it reads the head once, and names the version in all that follows."""

from __future__ import annotations

from luigi_sinks.neo4j.names import check_dataset, literal


def read_query(graph: str, cypher: str, *, partition: str | None = None) -> str:
    """Return a query that sees one version of each partition, whatever is published while it runs.

    - `graph`: the dataset's name.
    - `cypher`: the rest of the query. `version` is the version's id, to be named in each
      pattern, `(a:Airport__v {_version: version})`, and to be passed on by each `WITH`;
      `partition` is the partition. The rest runs for each partition.
    - `partition`: the only partition to read. Default: all of them.

    A query that names `h.version` in two places reads the head twice, and Neo4j shows it
    what is committed between the two: it would mix versions. Here the heads are read
    first, all of them, and what follows has their values. Raises BadSetting for a name
    that cannot be one.

    Example:
        >>> print(read_query("flights", "MATCH (a:Airport__v {_version: version}) RETURN count(a)"))
        MATCH (h:_SinkHead {dataset: 'flights'})
        WITH collect([h.partition, h.version]) AS heads UNWIND heads AS head
        WITH head[0] AS partition, head[1] AS version
        MATCH (a:Airport__v {_version: version}) RETURN count(a)

    """
    check_dataset(graph)
    only = "" if partition is None else f", partition: {literal(partition)}"
    return (
        f"MATCH (h:_SinkHead {{dataset: {literal(graph)}{only}}})\n"
        "WITH collect([h.partition, h.version]) AS heads UNWIND heads AS head\n"
        f"WITH head[0] AS partition, head[1] AS version\n{cypher}"
    )
