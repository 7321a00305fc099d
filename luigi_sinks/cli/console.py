"""What all commands share: where they print, and how they end."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from luigi_sinks.errors import CredentialError, NotInstalled, SinkError

try:
    import typer
    from rich.console import Console
    from rich.text import Text
except ImportError as missing:
    raise NotInstalled("cli", missing) from missing

WRONG, UNUSABLE = 1, 2
"""Exit codes: something wrong was found; the command could not do its work."""

out, err = Console(soft_wrap=True, highlight=False), Console(stderr=True, soft_wrap=True, highlight=False)


def reporting(command: Callable[..., None]) -> Callable[..., None]:
    """End with 2, and the reason, when a command cannot do its work."""

    @wraps(command)
    def run(*args: Any, **options: Any) -> None:
        try:
            command(*args, **options)
        except UnicodeEncodeError:
            err.print(Text("an argument is not valid UTF-8; correct its encoding", style="red"))
            raise typer.Exit(UNUSABLE) from None
        except (SinkError, CredentialError, OSError) as error:
            err.print(Text(str(error), style="red"))
            raise typer.Exit(UNUSABLE) from None

    return run
