"""Parts of a stage, as a load makes them of rows."""

from luigi_sinks.sink import Part


def part(stage, rows, *, number=0, first_row=1, kind=""):
    """Return a part of the rows of one kind."""
    return Part(number, kind, first_row, *stage.sink.contract.accept(kind, rows, first_row))
