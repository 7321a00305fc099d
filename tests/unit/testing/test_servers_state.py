import json
import os
import socket
import stat
from pathlib import Path

import pytest

from luigi_sinks.testing.servers import state as states
from luigi_sinks.testing.servers.account import Account
from luigi_sinks.testing.servers.errors import StateUnusable
from luigi_sinks.testing.servers.mariadb import SERVER

OURSELVES = Account(os.geteuid(), os.getegid())


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv(states.VARIABLE, str(tmp_path / "state"))
    monkeypatch.setattr(states, "serving_account", lambda: OURSELVES)
    return tmp_path / "state"


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_the_folder_is_closed_to_others_and_so_is_every_file(root):
    with states.opened() as state:
        states.make_passwords(state, ["mariadb"])
        assert mode(root) == 0o700
        assert {path.name for path in root.iterdir()} == {
            *("ca.pem", "server.pem", "server.key"),
            *("lock", "mariadb.password", "state.json"),
        }
        assert {mode(path) for path in root.iterdir()} == {0o600}


def test_everything_is_the_same_when_it_is_opened_again(root):
    with states.opened() as state:
        states.make_passwords(state, ["mariadb"])
        states.choose_ports(state, ["mariadb"])
        before = {path.name: path.read_text() for path in root.iterdir()}
    with states.opened() as state:
        states.make_passwords(state, ["mariadb"])
        states.choose_ports(state, ["mariadb"])
    assert {path.name: path.read_text() for path in root.iterdir()} == before


@pytest.mark.usefixtures("root")
def test_passwords_are_long_and_differ():
    with states.opened() as state:
        states.make_passwords(state, ["mariadb", "neo4j"])
        words = {state.password_file(name).read_text() for name in ("mariadb", "neo4j")}
    assert len(words) == 2
    assert all(len(word) >= 32 for word in words)


@pytest.mark.usefixtures("root")
def test_a_port_that_somebody_has_taken_is_replaced_and_the_others_are_kept():
    with states.opened() as state, socket.socket() as somebody:
        states.choose_ports(state, ["mariadb", "neo4j"])
        before = state.ports
        somebody.bind(("127.0.0.1", before["mariadb"]))
        somebody.listen()
        states.choose_ports(state, ["mariadb", "neo4j"])
        assert state.ports["mariadb"] != before["mariadb"]
        assert state.ports["neo4j"] == before["neo4j"]


def test_free_ports_differ():
    assert len(set(states.free_ports(20))) == 20


def test_no_port_is_free_that_whoever_connects_may_be_given():
    lowest, _ = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert max(states.free_ports(200)) < max(lowest, 32_768)


def test_a_port_that_somebody_listens_on_is_not_free(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        taken = somebody.getsockname()[1]
        monkeypatch.setattr(states, "PORTS", [taken, *states.free_ports(1)])
        assert taken not in states.free_ports(2)


def test_a_folder_that_holds_something_else_is_refused(root):
    root.mkdir()
    (root / "thesis.tex").touch()
    with pytest.raises(StateUnusable, match="holds something else"), states.opened():
        pass
    assert [path.name for path in root.iterdir()] == ["thesis.tex"]


def test_a_folder_that_another_command_makes_while_it_is_looked_at_is_ours(root, monkeypatch):
    listed = Path.iterdir

    def made_meanwhile(folder):
        (folder / states.MARK).write_text("{}\n")
        return listed(folder)

    root.mkdir()
    monkeypatch.setattr(Path, "iterdir", made_meanwhile)
    with states.opened() as state:
        assert state.root == root


def test_an_empty_folder_is_taken_and_closed(root):
    root.mkdir(mode=0o755)
    with states.opened():
        assert mode(root) == 0o700


def test_a_folder_that_another_account_cannot_reach_is_refused(root, monkeypatch):
    monkeypatch.setattr(states, "serving_account", lambda: Account(OURSELVES.uid + 1, OURSELVES.gid))
    root.parent.chmod(0o700)
    with (
        pytest.raises(StateUnusable, match=f"is closed to .* name another folder in {states.VARIABLE}"),
        states.opened(),
    ):
        pass


def test_a_purge_leaves_nothing(root):
    with states.opened() as state:
        (root / "mariadb").mkdir()
        (root / "mariadb" / "data").touch()
        states.purge(state)
    assert not root.exists()
    assert states.find() is None


def test_an_interrupted_purge_leaves_a_folder_that_is_still_ours(root, monkeypatch):
    with states.opened() as state:
        (root / "mariadb").mkdir()
        monkeypatch.setattr(states.shutil, "rmtree", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            states.purge(state)
    with states.opened() as state:
        assert state.ca.exists()


@pytest.mark.usefixtures("root")
def test_certificates_that_were_half_made_are_made_again():
    with states.opened() as state:
        old = state.certificate.read_text()
        state.ca.unlink()
    with states.opened() as state:
        assert state.ca.exists()
        assert state.certificate.read_text() != old


def test_a_server_lives_in_a_folder_of_its_own(root):
    with states.opened() as state:
        states.choose_ports(state, ["mariadb"])
        place = state.place(SERVER)
        assert place.folder == root / "mariadb"
        assert state.address(SERVER) == f"127.0.0.1:{place.port}"
        assert json.loads((root / "state.json").read_text()) == {"ports": {"mariadb": place.port}}


def test_where_nothing_was_started_nothing_is_found_or_made(root):
    with states.found() as state:
        assert state is None
    assert not root.exists()


def test_root_keeps_its_state_outside_of_its_own_home(monkeypatch):
    monkeypatch.delenv(states.VARIABLE, raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert Path.home() not in states.root().parents


def test_a_user_keeps_the_state_at_home(monkeypatch):
    monkeypatch.delenv(states.VARIABLE, raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert states.root() == states.platformdirs.user_state_path("luigi-sinks") / "servers"
