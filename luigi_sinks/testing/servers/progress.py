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
    with _bars() as bars, ThreadPoolExecutor() as pool:
        list(pool.map(lambda each: _fetch(each, cache, bars), lacking))


def _fetch(wanted: Download, cache: Path, bars: Progress) -> None:
    title = f"{wanted.name} {wanted.version}"
    log.info("downloading %s (about %s MB) into %s", title, wanted.megabytes, cache)
    bar = bars.add_task(title, total=wanted.megabytes * MEGABYTE)
    download.fetch(wanted, cache, lambda size: bars.update(bar, completed=size))
    bars.remove_task(bar)
    log.info("downloaded and verified %s", title)


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
