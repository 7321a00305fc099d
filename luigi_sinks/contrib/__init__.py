"""The dialects of `luigi.contrib`: tasks that are written for it load versions by a changed import.

- `luigi_sinks.contrib.sqla` for `luigi.contrib.sqla`
- `luigi_sinks.contrib.mysqldb` for `luigi.contrib.mysqldb`
- `luigi_sinks.contrib.esindex` for `luigi.contrib.esindex`

They take rows, columns and documents as the old classes did. What they cannot do is refused
when a task is made, with the way out; docs/migrating.md shows each step.
"""
