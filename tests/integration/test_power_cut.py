"""After a power cut at any moment, whatever others were told of is there, and what is there can be opened.

Each test records what a real process writes and syncs, throws away what no sync has brought to the disk, at every call
and in several ways (see power_cut.py), and opens what is left.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from hmchain.application.agent.memory import AttemptMemory, SumMemory, SumRefusedError
from hmchain.application.agent.store import AgentStore
from hmchain.errors import HMChainError
from hmchain.keys import SigningKey, load_key
from hmchain.ledger import genesis
from hmchain.ledger.engines.cometbft.damage import check_signed
from hmchain.ledger.engines.cometbft.snapshots import SnapshotStore
from hmchain.ledger.engines.embedded import EmbeddedLedger
from hmchain.ledger.state import State
from hmchain.records.catalogue import Catalogue
from hmchain.records.objects import ObjectStore
from hmchain.records.vault import MissingRecordError, Vault
from support import power_cut
from support import power_cut_work as work
from support.ledger_network import validator_keys
from support.power_cut_work import SECRET, WRAPPING, Note

pytestmark = [pytest.mark.process, pytest.mark.network]

Check = Callable[[Path, Sequence[str]], None]


class LostError(AssertionError):
    """A power cut takes what others were told of, or leaves what cannot be opened."""


def keys(folder: Path, told: Sequence[str]) -> None:
    named = [path for path in (folder / "node" / "keys").glob("*") if not path.name.endswith(".part")]
    found = {load_key(SigningKey, path).public.raw.hex() for path in named}
    announced = [text for text in told if text != "taken up"]
    assert set(announced[-1:]) <= found, "the key that the ledger knows"
    assert len(announced) == 2 or set(announced) <= found


def ledger(folder: Path, told: Sequence[str]) -> None:
    directory = folder / "run" / "ledger"
    if not told:
        if (directory / "genesis.json").exists():
            genesis.load(directory / "genesis.json")
        return
    with EmbeddedLedger(directory, validator_keys()) as opened:
        assert opened.genesis.digest.hex() == told[0]
        assert opened.height >= int(told[-1] if len(told) > 1 else 0)


def agent_store(folder: Path, told: Sequence[str]) -> None:
    if not told and not (folder / "hospital").exists():
        return
    store = AgentStore(folder / "hospital" / "agent.db", SECRET)
    found = dict(store.all("", Note))
    texts = {"a": b"one two", "b": b"three", "c": b"four", "d": b"five", "noted": b"perhaps", "large": bytes(100_000)}
    assert all(note.text in texts[name] for name, note in found.items())
    for name, text in dict(line.split() for line in told).items():
        newer = name in found and texts[name].endswith(found[name].text)
        erased = name == "b" and "c four" in told and name not in found
        assert found.get(name) == Note(text.encode()) or newer or erased, f"{name} was told"
    store.close()


def opened_sums(folder: Path, told: Sequence[str]) -> None:
    if not told:
        return
    store = AgentStore(folder / "hospital" / "agent.db", SECRET)
    memory = SumMemory(store)
    for number in told:
        with pytest.raises(SumRefusedError):
            memory.allow(bytes([min(int(number), 1)]) * 32, [work.FOUR[:3]], work.FOUR[:3], 1)
    with pytest.raises(SumRefusedError):
        AttemptMemory(store, "tumours").require(work.opened_round(int(told[-1]), "attest"), 99)
    store.close()


def vault(folder: Path, told: Sequence[str]) -> None:
    path, objects = folder / "hospital" / "vault", ObjectStore.directory(folder / "hospital" / "records")
    if not told:
        return
    with Vault.open(path, objects, WRAPPING) as opened:
        for name in "ab":
            if f"erased {name}" in told:
                with pytest.raises(MissingRecordError):
                    opened.get("brain", 1, name)
            elif f"put {name}" in told and (name != "a" or opened.has("brain", 1, name)):
                assert opened.get("brain", 1, name) == name.encode() * 100


def transfer(folder: Path, told: Sequence[str]) -> None:
    if told:
        objects = ObjectStore.directory(folder / "hospital" / "records")
        assert {objects.get(bytes.fromhex(address)) for address in told} <= {b"0" * 100, b"1" * 100, b"2" * 100}


def catalogue(folder: Path, told: Sequence[str]) -> None:
    if not told and not (folder / "hospital").exists():
        return
    with Catalogue(folder / "hospital" / "catalogue.db", SECRET) as opened:
        kept = {entry.record for entry in opened.records("brain", 1)} if told else set()
        assert set(told) <= kept


def snapshot(folder: Path, told: Sequence[str]) -> None:
    kept = SnapshotStore(folder / "ledger" / "snapshots")
    known = {int(height): bytes.fromhex(root) for height, root in (text.split() for text in told)}
    assert kept.height >= max(known, default=0)
    if kept.height in known:
        kept.restore(State(), known[kept.height])


def signing_record(folder: Path, told: Sequence[str]) -> None:
    if told:
        check_signed(folder / "node" / "cometbft")


CHECKS = {
    "keys": keys,
    "ledger": ledger,
    "agent_store": agent_store,
    "opened_sums": opened_sums,
    "vault": vault,
    "transfer": transfer,
    "catalogue": catalogue,
    "snapshot": snapshot,
    "signing_record": signing_record,
}


def survive(name: str, check: Check, tmp_path: Path) -> int:
    """Cut the power at every call of some work; returns how many different states that gives. Raises `LostError`."""
    root = tmp_path / "root"
    root.mkdir()
    calls = power_cut.record(Path(work.__file__), [name, str(root)], tmp_path / "trace")
    count = 0
    for where, told, left in power_cut.cuts(calls, root):
        count += 1
        with tempfile.TemporaryDirectory(dir=tmp_path) as scratch:
            folder = Path(scratch) / "left"
            power_cut.put(left, folder)
            try:
                check(folder, told)
            except (AssertionError, HMChainError, OSError, KeyError) as error:
                raise LostError(f"a power cut {where}, once {told[-1:]} was told: {error}") from error
    return count


@pytest.fixture(autouse=True)
def strace() -> None:
    if shutil.which("strace") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("strace is missing, and CI is to run this test")
        pytest.skip("strace is not installed")


@pytest.mark.parametrize("name", CHECKS)
def test_what_was_told_is_there_after_a_power_cut_at_any_moment(name: str, tmp_path: Path) -> None:
    assert survive(name, CHECKS[name], tmp_path) > 5


@pytest.mark.parametrize(
    ("name", "check"),
    [("keys_as_they_were", keys), ("ledger_as_it_was", ledger), ("agent_store_as_it_was", agent_store)],
)
def test_c3_c4_c5_as_they_were_are_caught(name: str, check: Check, tmp_path: Path) -> None:
    with pytest.raises(LostError):
        survive(name, check, tmp_path)
