"""Lets a task and its test tell each other something."""

import json
import os
from pathlib import Path


def tell(name, value):
    """Add a value to what is told under a name; a line is written in one piece."""
    with Path(os.environ["TOLD"], name).open("a") as file:
        file.write(f"{json.dumps(value, default=str)}\n")


def is_told(name):
    """Return whether anything is told under a name."""
    return Path(os.environ["TOLD"], name).exists()
