"""Records what runs do, for lineage: which task ran, when, and which versions it read and wrote.

Importing this package switches recording on for Luigi's tasks where luigi.cfg has a section
`[luigi_sinks.lineage]`. In other programs, `run` records a block.
"""

from luigi_sinks.recording.runs import Run, run
from luigi_sinks.recording.switch import switch_on

__all__ = ["Run", "run", "switch_on"]

switch_on()
