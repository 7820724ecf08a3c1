"""The doctor: a machine that is well is said to be, each thing that is broken is named alone, and nothing stops it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from hmchain.application.node import home, joining
from hmchain.application.security.events import Event, Kind
from hmchain.application.site import hospital
from hmchain.application.site import network as network_file
from hmchain.application.site.network import Introduction
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.recording import record
from hmchain.application.site.settings import NodeSettings
from hmchain.application.watching import doctor
from hmchain.application.watching.checks import certificates, machine
from hmchain.application.watching.doctor import examine
from hmchain.application.watching.findings import Examination, Finding, Subject, Verdict
from hmchain.application.watching.place import Place
from hmchain.clock import now_ms
from hmchain.ledger.engines.cometbft.process import BINARY_VARIABLE, VERSION
from support.certificates import authority
from support.kept_node import make_node
from support.ledger_network import member


@pytest.fixture(autouse=True)
def cometbft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "cometbft"
    program.write_text(f"#!/bin/sh\necho {VERSION}\n")
    program.chmod(0o700)
    monkeypatch.setenv(BINARY_VARIABLE, str(program))
    return program


@pytest.fixture
def stopped(tmp_path: Path) -> NodeFolder:
    """A node that joined a network, and never started."""
    folder = NodeFolder(tmp_path / "node")
    ports = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    p2p, rpc = (f"127.0.0.1:{each.getsockname()[1]}" for each in ports)
    for each in ports:
        each.close()
    settings = NodeSettings(organisation="north", title="North", address="north:1", p2p_listen=p2p, rpc_listen=rpc)
    own = joining.init(folder, settings)
    others = [Introduction(member(name), name * 40, f"{name}:1") for name in "ab"]
    joining.adopt(folder, network_file.found([own, *others], "net", now_ms()))
    home.make_home(folder)
    return folder


def failures(found: Examination) -> list[tuple[str, str]]:
    return [(each.subject.value, each.name) for each in found.of(Verdict.FAIL)]


def one(found: Examination, subject: Subject, name: str) -> Finding:
    (finding,) = [each for each in found.findings if (each.subject, each.name) == (subject, name)]
    return finding


NOT_RUNNING = ("network", "running")


def test_a_node_that_never_started_lacks_nothing_but_that(stopped: NodeFolder) -> None:
    found = examine(stopped.path)
    assert failures(found) == [NOT_RUNNING]
    assert (found.organisation, found.verdict, found.exit_code) == ("north", Verdict.FAIL, 6)
    assert one(found, Subject.NETWORK, "running").way_out == "`hmchain node start`"
    assert {each.subject for each in found.findings} >= {
        Subject.INSTALLATION, Subject.KEYS, Subject.CLOCK, Subject.PORTS, Subject.ENGINE, Subject.STORE, Subject.DISK,
        Subject.AGENT, Subject.BACKUP,
    }  # fmt: skip


def test_a_folder_that_holds_nothing_is_told_how_to_begin(tmp_path: Path) -> None:
    found = examine(tmp_path / "none")
    assert failures(found) == [("settings", "folder")] and found.exit_code == 2
    assert not (tmp_path / "none").exists()
    (tmp_path / "run" / "hospitals" / "north").mkdir(parents=True)
    assert "run: name the folder of one of its" in one(examine(tmp_path / "run"), Subject.SETTINGS, "folder").way_out


def test_a_hospital_without_a_node_is_looked_at_too(tmp_path: Path) -> None:
    place = hospital.create(tmp_path / "north")
    found = examine(place.path)
    assert not failures(found) and found.exit_code == 0
    assert Subject.PORTS not in {each.subject for each in found.findings}
    record(place, Event(Kind.COMMAND, "data vault backup"))
    assert one(examine(place.path), Subject.BACKUP, "backup").verdict is Verdict.OK


def broken_settings(node: NodeFolder) -> None:
    node.toml.write_text("organisation = 7\n")


def readable_key(node: NodeFolder) -> None:
    (node.keys / "steward.key").chmod(0o644)


def lost_key(node: NodeFolder) -> None:
    (node.keys / "agent.key").unlink()


def damaged_key(node: NodeFolder) -> None:
    (node.keys / "local.key").write_bytes(b"{")


def lost_record(node: NodeFolder) -> None:
    (node.engine / "data" / "priv_validator_state.json").unlink()


def lost_home(node: NodeFolder) -> None:
    (node.engine / "config" / "config.toml").unlink()


def strange_network(node: NodeFolder) -> None:
    node.network.write_text("{}")


def no_store(node: NodeFolder) -> None:
    text = node.toml.read_text().replace('objects = ""', 'objects = "gopher://store"')
    node.toml.write_text(text)


def no_cometbft(node: NodeFolder) -> None:
    (node.path.parent / "cometbft").unlink()


def broken_log(node: NodeFolder) -> None:
    path = node.hospital("north") / "activity.db"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database at all, of any kind" * 100)


@pytest.mark.parametrize(
    ("breaks", "subjects", "exit_code"),
    [
        (broken_settings, {"settings"}, 2),
        (strange_network, {"settings"}, 2),
        (readable_key, {"keys"}, 5),
        (lost_key, {"keys"}, 5),
        (damaged_key, {"keys"}, 5),
        (lost_record, {"engine"}, 6),
        (lost_home, {"engine"}, 6),
        (no_store, {"store"}, 6),
        (no_cometbft, {"installation"}, 1),
        (broken_log, {"log"}, 6),
    ],
)
def test_what_is_broken_is_named_alone(
    stopped: NodeFolder, breaks: Callable[[NodeFolder], None], subjects: set[str], exit_code: int
) -> None:
    breaks(stopped)
    found = examine(stopped.path)
    assert {each.subject for each in found.of(Verdict.FAIL)} - {"network"} == subjects
    assert all(each.way_out for each in (*found.of(Verdict.FAIL), *found.of(Verdict.WARN)))
    assert found.exit_code == exit_code


def test_a_port_that_another_program_has_is_named(stopped: NodeFolder) -> None:
    host, _, port = stopped.settings().p2p_listen.rpartition(":")
    with socket.create_server((host, int(port))):
        found = examine(stopped.path)
    assert failures(found)[0] == ("ports", "p2p")
    assert "another program listens" in one(found, Subject.PORTS, "p2p").words


def test_a_port_that_strangers_reach_is_warned_of(stopped: NodeFolder) -> None:
    port = stopped.settings().rpc_listen.rpartition(":")[2]
    text = stopped.toml.read_text().replace(f"127.0.0.1:{port}", f"0.0.0.0:{port}")
    stopped.toml.write_text(text)
    assert one(examine(stopped.path), Subject.PORTS, "rpc.open").verdict is Verdict.WARN


def test_keys_are_held_against_the_ledger(tmp_path: Path) -> None:
    """Of a node with a ledger: those that it knows fit, another one does not, and a sealed one is not guessed at."""
    node = NodeFolder(make_node(tmp_path / "a"))
    assert one(examine(node.path), Subject.KEYS, "fit").verdict is Verdict.OK
    own = (node.keys / "agent.key").read_bytes()
    (node.keys / "agent.key").write_bytes((node.keys / "steward.key").read_bytes())
    found = one(examine(node.path), Subject.KEYS, "fit")
    assert found.verdict is Verdict.FAIL and found.words.endswith(": agent")
    (node.keys / "agent.key").write_bytes(own)
    joining_damage = node.state.read_bytes()
    node.state.write_bytes(joining_damage[:4096])
    assert Subject.LEDGER.value in {subject for subject, _ in failures(examine(node.path))}


def test_little_room_is_told_before_there_is_none(stopped: NodeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    for least, few, verdict in ((1 << 60, 1 << 61, Verdict.FAIL), (0, 1 << 60, Verdict.WARN)):
        monkeypatch.setattr(machine, "FREE_BYTES_MIN", least)
        monkeypatch.setattr(machine, "FREE_BYTES_FEW", few)
        assert one(examine(stopped.path), Subject.DISK, "room").verdict is verdict


def test_a_part_that_is_left_out_says_what_needs_it(stopped: NodeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(machine.EXTRAS, "cometbft", ("no_such_library.part",))
    monkeypatch.setitem(machine.EXTRAS, "portal", ("no_such_library",))
    found = examine(stopped.path)
    assert one(found, Subject.INSTALLATION, "part.cometbft").verdict is Verdict.FAIL
    assert one(found, Subject.INSTALLATION, "part.portal").verdict is Verdict.WARN


def test_a_certificate_is_told_of_before_it_runs_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority(tmp_path)
    files = tmp_path / "ca.pem", tmp_path / "key.pem"
    (found,) = certificates.of_file(*files, "127.0.0.1")
    assert found.verdict is Verdict.WARN, "it is good for an hour"
    monkeypatch.setattr(certificates, "DAYS_FEW", 0)
    (found,) = certificates.of_file(*files, "127.0.0.1")
    assert found.verdict is Verdict.OK
    wrong, _ = certificates.of_file(*files, "portal.north.example")
    assert (wrong.verdict, wrong.name) == (Verdict.FAIL, "portal.name")
    (tmp_path / "key.pem").write_text("no key")
    (broken,) = certificates.of_file(*files, "127.0.0.1")
    assert broken.verdict is Verdict.FAIL and "cannot be used" in broken.words


def test_a_portal_is_looked_at_with_what_its_settings_name(stopped: NodeFolder) -> None:
    authority(stopped.path)
    webhook = '[webhook]\nurl = "https://chat.example"\nsecret_file = "webhook.secret"\n'
    own = 'certificate = "ca.pem"\nkey = "key.pem"\norigin = "https://127.0.0.1"\nsigns_here = true\n'
    stopped.portal_toml.write_text(own + webhook)
    found = examine(stopped.path)
    assert one(found, Subject.PORTAL, "settings").verdict is Verdict.OK
    assert one(found, Subject.PORTAL, "signs").verdict is Verdict.WARN
    assert one(found, Subject.CERTIFICATES, "portal").verdict is Verdict.WARN, "it is good for an hour"
    assert one(found, Subject.PORTAL, "secret").verdict is Verdict.FAIL
    (stopped.keys / "webhook.secret").write_text("secret")
    (stopped.keys / "webhook.secret").chmod(0o600)
    assert failures(examine(stopped.path)) == [NOT_RUNNING]
    stopped.portal_toml.write_text("listen = 7\n")
    assert ("portal", "portal_settings") in failures(examine(stopped.path))


def test_the_certificate_of_the_store_is_looked_at_as_it_is_shown(
    stopped: NodeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    secured = authority(stopped.path)
    with secured.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True) as server:
        endpoint = f"https://127.0.0.1:{server.getsockname()[1]}"
        text = stopped.toml.read_text().replace('objects_endpoint = ""', f'objects_endpoint = "{endpoint}"')
        stopped.toml.write_text(text)
        place = Place(stopped.path)
        for trusted, verdict in (("/nowhere", Verdict.FAIL), (str(stopped.path / "ca.pem"), Verdict.WARN)):
            monkeypatch.setenv("SSL_CERT_FILE", trusted)
            shaking = threading.Thread(target=shake_hands, args=(server,))
            shaking.start()
            (found,) = certificates.of_store(place)
            shaking.join()
            assert found.verdict is verdict, found
    (silent,) = certificates.of_store(place)
    assert silent.verdict is Verdict.FAIL and "does not answer" in silent.words


def shake_hands(server: socket.socket) -> None:
    with contextlib.suppress(OSError):
        server.accept()[0].close()


def test_a_check_that_meets_what_nobody_foresaw_does_not_stop_the_others(
    stopped: NodeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(place: Place) -> list[Finding]:
        raise PermissionError(13, "Permission denied", str(place.path / "keys"))

    monkeypatch.setattr(doctor, "CHECKS", ((Subject.KEYS, gone), *doctor.CHECKS[1:]))
    found = examine(stopped.path)
    assert failures(found)[0] == ("keys", "unreadable") and len(found.findings) > 10
