"""What an agent notices beside its studies: a second agent, a node that ended, keys that were replaced."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hmchain import files
from hmchain.application.node import joining
from hmchain.application.node.key_watch import KeyWatch
from hmchain.application.node.node_watch import LOOK_SECONDS, NodeWatch
from hmchain.application.node.opening import open_hospital
from hmchain.application.site.hospital import AgentRunningError, locate, only_agent
from hmchain.application.site.keyring import Keyring, key_file, next_key_file
from hmchain.application.site.node import NodeFolder, NodeRunningError
from hmchain.application.site.settings import NodeSettings
from hmchain.keys import SigningKey, save_key
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.state import State
from support.study_bed import Bed


@pytest.fixture
def folder(tmp_path: Path) -> NodeFolder:
    folder = NodeFolder(tmp_path / "north")
    settings = NodeSettings(organisation="north", title="North", address="127.0.0.1:1")
    joining.init(folder, settings, None)
    return folder


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_b5_a_second_agent_of_a_hospital_is_refused_at_once_and_told_who_has_it(folder: NodeFolder) -> None:
    place = locate(folder.path)
    with only_agent(place):
        with pytest.raises(AgentRunningError, match=f"process {os.getpid()} acts as the agent of north already"):
            open_hospital(folder)  # from Python, too, before anything of the hospital is opened
        assert not place.agent_store.exists()
    with only_agent(place):
        pass


@pytest.mark.process
def test_the_lock_of_an_agent_dies_with_it(folder: NodeFolder) -> None:
    script = (
        "import sys, time\nfrom pathlib import Path\n"
        "from hmchain.application.site.hospital import locate, only_agent\n"
        "with only_agent(locate(Path(sys.argv[1]))):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", script, str(folder.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline()
        with pytest.raises(AgentRunningError, match=f"process {other.pid} "), only_agent(locate(folder.path)):
            pass
        other.kill()
        other.wait()
        with only_agent(locate(folder.path)):
            pass


def test_a_node_that_ends_or_starts_again_is_noticed_within_a_second(folder: NodeFolder) -> None:
    clock = Clock()
    with folder.held():
        watch = NodeWatch(folder, clock)
        clock.now += LOOK_SECONDS
        assert watch.is_running() and not watch.has_ended()
    assert watch.is_running(), "of less than a second ago"
    clock.now += LOOK_SECONDS
    assert watch.has_ended() and not watch.has_ended() and not watch.is_running()
    with folder.held():
        clock.now += LOOK_SECONDS
        assert not watch.has_ended() and watch.is_running()
        folder.lock.write_text("1")  # another process has it: it was started again between two looks
        clock.now += LOOK_SECONDS
        assert watch.has_ended() and watch.is_running()
        with pytest.raises(NodeRunningError), folder.held():
            pass
    assert files.holder(folder.lock) is None


def test_b5_an_agent_whose_key_was_rotated_says_so_and_takes_up_the_new_one(tmp_path: Path) -> None:
    bed = Bed.found(tmp_path)
    state = State()
    try:
        genesis_file.initialise(state, bed.consortium.ledger.genesis)
        state.commit(1)
        folder = NodeFolder(tmp_path / "north")
        joining.init(folder, NodeSettings(organisation="north", title="North", address="127.0.0.1:1"), None)
        right, old = bed.consortium.hospitals["north"].keys, Keyring.load(folder.keys)
        assert not KeyWatch(folder, right, None).trouble(state)
        watch = KeyWatch(folder, old, None)
        said = watch.trouble(state)
        assert "the agent key here is not north's on the ledger any more: put the new one into" in said
        assert not watch.has_new_keys(state)
        save_key(SigningKey.generate(), next_key_file(folder.keys, "agent"))
        assert "being replaced (if that was cut short: `hmchain node rotate-key agent`)" in watch.trouble(state)
        key_file(folder.keys, "agent").unlink()
        save_key(right.agent, key_file(folder.keys, "agent"))
        assert watch.trouble(state) and watch.has_new_keys(state)
    finally:
        state.close()
        bed.close()
