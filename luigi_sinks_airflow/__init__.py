"""What Airflow loads by entry points, in every `airflow` command: these modules import nothing of `luigi_sinks`.

They are apart from it since importing any module of `luigi_sinks` imports its core first.
`luigi_sinks.airflow` is what DAGs use.
"""
