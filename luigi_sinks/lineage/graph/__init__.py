"""The graph of lineage in Neo4j, which any order of events, and any repetition, makes the same.

All edges point upstream, for a search that can be pruned:

    (LineageRun)-[:OF]->(LineageTask)-[:OF]->(LineageJob)
    (LineageTask)-[:REQUIRES]->(LineageTask)
    (LineageVersion)-[:BY]->(LineageRun)-[:READ]->(LineageVersion)
    (LineageVersion)-[:OF]->(LineageDataset)<-[:OF]-(LineageSlot)
    (LineageSlot)-[:PUBLISHED {epoch, at}]->(LineageVersion)
    (LineageJob)-[:READS]->(LineageDataset)-[:FROM]->(LineageJob)

A slot is a partition of a dataset; its head is the version that was published with the
highest epoch. Where nothing followed a version, the slot published the dataset: readers saw
no rows. A read of a dataset without versions is `(LineageRun)-[:READ]->(LineageDataset)`.

The keys of nodes are made in `keys`, the constraints and indexes in `schema`. `rows` says which `statements` write an
event, `writing` runs them in `transactions`, and `destination` gives them what is in a spool.
"""
