import hashlib
import os
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from luigi_sinks.testing.servers import download, progress
from luigi_sinks.testing.servers.errors import DownloadFailed
from luigi_sinks.testing.servers.needs import Need
from luigi_sinks.testing.servers.versions import Download

JARS = Download(name="jars", version="1", artifacts=("some.group:thing:jar",), megabytes=1)
FETCH = """
import pathlib, sys
from luigi_sinks.testing.servers import download
from luigi_sinks.testing.servers.versions import Download
download.fetch(Download("jars", "1", ("some.group:thing:jar",), 1), pathlib.Path(sys.argv[1]), print)
"""


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def maven(tmp_path, monkeypatch):
    """Put a program named `mvn` first in the search path, which does what a test tells it."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    def does(*lines):
        script = tmp_path / "mvn"
        find = 'for word in "$@"; do case $word in -DoutputDirectory=*) out=${word#*=};; esac; done'
        script.write_text("\n".join(["#!/bin/sh", find, *lines]))
        script.chmod(0o755)

    return does


@pytest.fixture
def zipped(tmp_path, maven):
    """Let Maven bring a zip; return its description."""
    archive = tmp_path / "server.zip"
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("server-1/bin/server", "#!/bin/sh\n")
        content.writestr("server-1/lib/server.jar", "jar")
    maven(f"cp {archive} $out/")
    digest = hashlib.sha512(archive.read_bytes()).hexdigest()
    return replace(JARS, name="zipped", artifacts=("some.group:server:zip",), sha512=digest)


def silently(_size):
    pass


def test_what_maven_brings_lies_in_the_cache(maven, cache):
    maven("echo jar > $out/thing.jar")
    home = download.fetch(JARS, cache, silently)
    assert home == cache / "jars-1"
    assert [path.name for path in home.iterdir()] == ["thing.jar"]


def test_others_may_read_what_was_brought(maven, cache):
    maven("echo jar > $out/thing.jar")
    assert download.fetch(JARS, cache, silently).stat().st_mode & 0o005 == 0o005


def test_what_is_there_is_not_brought_again(maven, cache):
    maven("echo jar > $out/thing.jar")
    first = download.fetch(JARS, cache, silently)
    maven("exit 1")
    assert download.fetch(JARS, cache, silently) == first


def test_nothing_is_left_beside_a_whole_download(maven, cache):
    maven("echo jar > $out/thing.jar")
    download.fetch(JARS, cache, silently)
    assert {path.name for path in cache.iterdir()} == {"jars-1", "jars-1.lock"}


def test_a_failure_shows_what_maven_said_and_leaves_nothing_whole(maven, cache):
    maven("echo jar > $out/half.jar", "echo '[ERROR] no such artifact'", "exit 1")
    with pytest.raises(DownloadFailed, match="no such artifact"):
        download.fetch(JARS, cache, silently)
    assert not download.home(JARS, cache).exists()


def test_after_a_failure_the_next_try_has_only_its_own_files(maven, cache):
    maven("echo jar > $out/half.jar", "exit 1")
    with pytest.raises(DownloadFailed):
        download.fetch(JARS, cache, silently)
    maven("echo jar > $out/thing.jar")
    assert [path.name for path in download.fetch(JARS, cache, silently).iterdir()] == ["thing.jar"]


def test_a_download_that_is_killed_leaves_nothing_whole_and_keeps_what_maven_may_resume(maven, cache, tmp_path):
    kept = cache / "jars-1.part" / "repository" / "thing.jar.part"
    maven("echo half > $out/half.jar", f"mkdir -p {kept.parent}; echo half > {kept}", "exec sleep 20")
    killed = subprocess.Popen([sys.executable, "-c", FETCH, str(cache)], start_new_session=True, cwd=tmp_path)
    deadline = time.monotonic() + 20
    while not kept.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert not download.home(JARS, cache).exists()
    assert kept.exists()
    maven("echo jar > $out/thing.jar")
    assert [path.name for path in download.fetch(JARS, cache, silently).iterdir()] == ["thing.jar"]


def test_a_zip_is_checked_and_unpacked_with_programs_that_run(zipped, cache):
    home = download.fetch(zipped, cache, silently)
    assert sorted(path.name for path in home.iterdir()) == ["bin", "lib"]
    assert os.access(home / "bin" / "server", os.X_OK)


def test_a_zip_with_another_sum_is_refused_and_not_unpacked(zipped, cache):
    other = replace(zipped, sha512="0" * 128)
    with pytest.raises(DownloadFailed, match="is not the file we know"):
        download.fetch(other, cache, silently)
    assert not download.home(other, cache).exists()


def test_an_unpacking_that_is_interrupted_leaves_nothing_whole(zipped, cache, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(zipfile.ZipFile, "extractall", interrupted)
        with pytest.raises(KeyboardInterrupt):
            download.fetch(zipped, cache, silently)
    assert not download.home(zipped, cache).exists()
    assert (download.fetch(zipped, cache, silently) / "lib" / "server.jar").exists()


def interrupted(archive, path):
    archive.extract(archive.namelist()[0], path)
    raise KeyboardInterrupt


def test_the_bytes_that_have_come_are_told(maven, cache):
    repository = cache / "jars-1.part" / "repository"
    maven(f"mkdir -p {repository}; printf 12345 > {repository}/thing.jar.part; sleep 0.5; touch $out/thing.jar")
    told = []
    download.fetch(JARS, cache, told.append)
    assert told[-1] == 5


def test_maven_compares_sums_strictly_where_we_have_none(maven, cache, tmp_path):
    maven(f'echo "$@" > {tmp_path}/words', "touch $out/thing.jar")
    download.fetch(JARS, cache, silently)
    assert "--strict-checksums" in (tmp_path / "words").read_text()


def test_without_a_terminal_a_download_is_told_in_plain_lines(maven, cache, caplog, capsys):
    caplog.set_level("INFO")
    maven("touch $out/thing.jar")
    progress.fetch_all([JARS], cache)
    assert caplog.messages == [
        f"downloading jars 1 (about 1 MB) into {cache}",
        "downloaded and verified jars",
    ]
    assert "\x1b" not in capsys.readouterr().err


def test_maven_is_asked_for_only_while_something_is_to_be_downloaded(cache, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert download.missing(JARS, cache) == [Need("Maven, for the download", ("maven",))]
    (cache / "jars-1").mkdir(parents=True)
    assert download.missing(JARS, cache) == []


def test_no_host_name_stands_in_what_maven_is_told():
    assert "://" not in download._pom(JARS)
    assert "://" not in Path(download.__file__).read_text()
