"""Downloads side by side, with a bar each on a terminal and a line each elsewhere."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from luigi_sinks.testing.servers import download
from luigi_sinks.testing.servers.versions import Download

log = logging.getLogger(__name__)

MEGABYTE = 1_000_000


def fetch_all(wanted: Sequence[Download], cache: Path) -> None:
    """Bring every download that is not in the cache yet."""
    lacking = [each for each in wanted if not download.home(each, cache).exists()]
    if not lacking:
        return
    for each in lacking:
        log.info("downloading %s %s (about %s MB) into %s", each.name, each.version, each.megabytes, cache)
    with _bars() as bars, ThreadPoolExecutor() as pool:
        list(pool.map(lambda each: _fetch(each, cache, bars), lacking))
    log.info("downloaded and verified %s", ", ".join(each.name for each in lacking))


def _fetch(wanted: Download, cache: Path, bars: Progress) -> None:
    bar = bars.add_task(wanted.name, total=wanted.megabytes * MEGABYTE)
    download.fetch(wanted, cache, lambda size: bars.update(bar, completed=size))


def _bars() -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    return Progress(
        *columns,
        TransferSpeedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
