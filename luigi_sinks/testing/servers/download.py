# ruff: noqa: S603 - the commands are ours, and no shell reads them
"""Server files through Maven, kept in a cache folder that all state folders share.

Maven resumes what was interrupted and checks what it brings. A download is put in its
place by one rename at the end, so what is there is whole.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import platformdirs

from luigi_sinks.testing.servers.errors import DownloadFailed
from luigi_sinks.testing.servers.lock import locked
from luigi_sinks.testing.servers.needs import Need
from luigi_sinks.testing.servers.versions import Download

Show = Callable[[int], None]
GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
PAUSE = 0.2

POM = """\
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>luigi_sinks</groupId>
  <artifactId>{name}-download</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>{dependencies}</dependencies>
</project>
"""
DEPENDENCY = """
    <dependency>
      <groupId>{}</groupId>
      <artifactId>{}</artifactId>
      <type>{}</type>
      <version>{}</version>
    </dependency>"""


def cache_root() -> Path:
    """Choose the machine's cache for root, whose own is closed to the servers, or the user's."""
    if os.geteuid() == 0:
        return platformdirs.site_cache_path("luigi-sinks")
    return platformdirs.user_cache_path("luigi-sinks")


def home(download: Download, cache: Path) -> Path:
    """Where a download lies once it is there."""
    return cache / f"{download.name}-{download.version}"


def missing(download: Download, cache: Path) -> list[Need]:
    """Ask for Maven, unless the download is there."""
    if home(download, cache).exists() or shutil.which("mvn"):
        return []
    return [Need("Maven, for the download", ("maven",))]


def fetch(download: Download, cache: Path, show: Show) -> Path:
    """Bring a download unless it is there; `show` is told the bytes that have come so far.

    Raises DownloadFailed with Maven's last lines, or when the sum is not the right one.
    """
    final = home(download, cache)
    if final.exists():
        return final
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache / f"{final.name}.lock"):
        if not final.exists():
            _bring(download, cache / f"{final.name}.part", show).rename(final)
            shutil.rmtree(cache / f"{final.name}.part")
    return final


def _bring(download: Download, work: Path, show: Show) -> Path:
    """Download into `work`, which is kept when interrupted, and return the whole folder."""
    work.mkdir(exist_ok=True)
    brought = Path(tempfile.mkdtemp(dir=work))
    brought.chmod(0o755)
    _run_maven(download, work, brought, show)
    return _unpacked(download, brought) if download.sha512 else brought


def _run_maven(download: Download, work: Path, target: Path, show: Show) -> None:
    pom, repository, log = work / "pom.xml", work / "repository", work / "maven.log"
    pom.write_text(_pom(download), encoding="utf-8")
    # A repository of its own: two Mavens must not write to one, nor fill the user's.
    argv = [
        *("mvn", "--batch-mode", "--update-snapshots", "--file", pom),
        # For the zip Maven may find no sum to compare; ours decides.
        "--lax-checksums" if download.sha512 else "--strict-checksums",
        f"-Dmaven.repo.local={repository}",
        *(GOAL, "-DincludeScope=runtime", f"-DoutputDirectory={target}"),
        # A zip brings with it all that it needs.
        f"-DexcludeTransitive={'true' if download.sha512 else 'false'}",
    ]
    with log.open("wb") as output, _started(argv, output) as maven:
        while maven.poll() is None:
            show(_size(repository))
            time.sleep(PAUSE)
    if maven.returncode:
        errors = [line for line in log.read_text().splitlines() if line.startswith("[ERROR]")]
        message = "\n".join([f"Maven could not bring {download.name}:", *errors[:5]])
        raise DownloadFailed(message)


@contextmanager
def _started(argv: Sequence[str | Path], output: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a child that is ended when we are interrupted."""
    child = subprocess.Popen(argv, stdout=output, stderr=output)
    try:
        yield child
    finally:
        child.terminate()
        child.wait()


def _unpacked(download: Download, folder: Path) -> Path:
    """Check the only file of a folder and unpack it; return the folder within."""
    (archive,) = folder.glob("*.zip")
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha512").hexdigest()
    if found != download.sha512:
        message = f"{archive.name} is not the file we know: its sha512 is {found}"
        raise DownloadFailed(message)
    with zipfile.ZipFile(archive) as content:
        content.extractall(folder)
    archive.unlink()
    (only,) = folder.iterdir()
    for program in (only / "bin").glob("*"):
        program.chmod(0o755)
    return only


def _pom(download: Download) -> str:
    artifacts = (artifact.split(":") for artifact in download.artifacts)
    dependencies = (DEPENDENCY.format(*parts, download.version) for parts in artifacts)
    return POM.format(name=download.name, dependencies="".join(dependencies))


def _size(folder: Path) -> int:
    """Count the bytes below a folder that another process is writing to."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total
