"""The commit is read from the files of a checkout as git itself tells it."""

import subprocess
import sys
from types import ModuleType

import pytest

from luigi_sinks.recording import checkout

AS_SOMEBODY = ("-c", "user.name=n", "-c", "user.email=e", "-c", "init.defaultBranch=main", "-c", "commit.gpgsign=false")


def git(folder, *args):
    done = subprocess.run(["git", *AS_SOMEBODY, *args], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    (folder / "jobs").mkdir(parents=True)
    (folder / "jobs" / "tasks.py").write_text("")
    git(folder, "init")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "first")
    return folder


@pytest.fixture
def revision_of(monkeypatch):
    """Return a function that gives the revision of a module with a file."""
    names = iter(range(100))

    def revision(file):
        module = ModuleType("made_up")
        module.__file__ = str(file)
        name = f"{file}{next(names)}"
        monkeypatch.setitem(sys.modules, name, module)
        checkout._commit.cache_clear()
        return checkout.revision(name)

    return revision


def test_a_module_has_the_commit_of_its_checkout_and_its_path_there(repository, revision_of):
    assert revision_of(repository / "jobs/tasks.py") == (git(repository, "rev-parse", "HEAD"), "jobs/tasks.py")


@pytest.mark.parametrize("how", [("pack-refs", "--all"), ("checkout", "--detach"), ("checkout", "-b", "a/branch")])
def test_the_commit_is_found_wherever_git_keeps_it(repository, revision_of, how):
    git(repository, *how)
    assert revision_of(repository / "jobs/tasks.py")[0] == git(repository, "rev-parse", "HEAD")


def test_a_worktree_has_the_commit_of_its_own_branch(repository, revision_of, tmp_path):
    git(repository, "worktree", "add", "-b", "other", tmp_path / "tree")
    git(tmp_path / "tree", "commit", "--allow-empty", "-m", "second")
    assert revision_of(tmp_path / "tree/jobs/tasks.py")[0] == git(tmp_path / "tree", "rev-parse", "HEAD")


def test_a_checkout_without_a_commit_has_none(tmp_path, revision_of):
    git(tmp_path, "init")
    assert revision_of(tmp_path / "tasks.py") == ("", "tasks.py")


def test_a_broken_checkout_has_no_commit(repository, revision_of):
    (repository / ".git/HEAD").write_text("nonsense")
    assert revision_of(repository / "jobs/tasks.py") == ("", "jobs/tasks.py")


def test_a_module_outside_of_a_checkout_is_named_by_its_whole_path(tmp_path, revision_of):
    assert revision_of(tmp_path / "tasks.py") == ("", f"{tmp_path}/tasks.py")


def test_a_module_without_a_file_has_neither():
    assert checkout.revision("builtins") == ("", "")


def test_an_edit_without_a_commit_changes_the_digest_of_the_file(repository, revision_of, monkeypatch):
    file = repository / "jobs/tasks.py"
    digests = set()
    for number, text in enumerate(("", "a = 1", "")):
        file.write_text(text)
        module = ModuleType("edited")
        module.__file__ = str(file)
        monkeypatch.setitem(sys.modules, f"edited{number}", module)
        digests.add(checkout.digest(f"edited{number}"))
    assert len(digests) == 2
    assert all(len(digest) == 16 for digest in digests)


def test_a_module_without_a_file_has_no_digest(tmp_path, monkeypatch):
    module = ModuleType("gone")
    module.__file__ = str(tmp_path / "gone.py")
    monkeypatch.setitem(sys.modules, "gone", module)
    assert checkout.digest("gone") == checkout.digest("no_such_module") == ""
