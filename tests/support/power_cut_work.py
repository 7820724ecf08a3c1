"""What programs write and then tell others of; each is run under strace by test_power_cut.py.

`python power_cut_work.py NAME FOLDER`. A line on standard output is what others rely on from then on.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from hmchain import files
from hmchain.application.agent.memory import AttemptMemory, SumMemory
from hmchain.application.agent.store import AgentStore, AgentStoreError
from hmchain.application.governance import key_rotation
from hmchain.application.sharing import copying
from hmchain.canonical import Record
from hmchain.keys import SecretKey, SigningKey, WrappingKey, save_key
from hmchain.ledger.contracts.learning.rounds import Round
from hmchain.ledger.engines.cometbft.home import begin_record
from hmchain.ledger.engines.cometbft.snapshots import SnapshotStore
from hmchain.ledger.state import State
from hmchain.ledger.sums import Summand
from hmchain.records.catalogue import Catalogue, Dataset, RecordEntry
from hmchain.records.catalogue.entries import ItemDone
from hmchain.records.deidentification.profile import load_profile
from hmchain.records.objects import ObjectStore
from hmchain.records.vault import Vault
from support.full_disk import Disk, watched_disk
from support.ledger_network import Network

SECRET = SecretKey(bytes(range(32)))
WRAPPING = WrappingKey(bytes(range(64)), bytes(range(32)))
STEWARD = SigningKey(bytes(32))
BRAIN = Dataset("brain", "Brain MRI", "tumours", load_profile("longitudinal"), 1000)


class Note(Record, frozen=True):
    """What an agent keeps here."""

    text: bytes


def tell(text: str) -> None:
    """Let others know."""
    os.write(1, text.encode() + b"\n")


def keys(folder: Path) -> None:
    """A steward's key is made and introduced to others; then the next one, and the ledger is told."""
    place = folder / "node" / "keys"
    save_key(STEWARD, place / "steward.key")
    tell(STEWARD.public.raw.hex())
    fresh = key_rotation.next_key(SimpleNamespace(keys=place), "steward", None)  # type: ignore[arg-type]
    assert isinstance(fresh, SigningKey)
    tell(fresh.public.raw.hex())
    key_rotation.adopt(SimpleNamespace(keys=place), "steward", fresh, None)  # type: ignore[arg-type]
    tell("taken up")


def ledger(folder: Path) -> None:
    """A ledger is founded, and decides blocks."""
    network = Network.found(folder / "run" / "ledger", names="a")
    tell(network.ledger.genesis.digest.hex())
    for number in range(2):
        network.block(network.send.dataset("a", f"d{number}"))
        tell(str(network.ledger.height))
    network.ledger.close()


def agent_store(folder: Path) -> None:
    """An agent keeps records, notes others, and erases some."""
    path = folder / "hospital" / "agent.db"
    with watched_disk() as disk:
        store = AgentStore(path, SECRET)
    store.put("a", Note(b"one"))
    tell("a one")
    store.note("noted", Note(b"perhaps"))
    with store.batch():
        store.put("a", Note(b"two"))
        store.put("b", Note(b"three"))
    tell("a two")
    tell("b three")
    with suppress(AgentStoreError):
        fail_for_want_of_room(store, disk, path)
    store.put("c", Note(b"four"))
    tell("c four")
    store.note("d", Note(b"five"))
    store.settle()
    tell("d five")
    with store.batch():
        store.erase("b")
    store.close()


def fail_for_want_of_room(store: AgentStore, disk: Disk, path: Path) -> None:
    disk.fill(path)
    try:
        store.note("large", Note(bytes(100_000)))
    finally:
        disk.free(path)


FOUR = tuple(Summand(name, "brain", 1, 1) for name in "abcd")


def opened_sums(folder: Path) -> None:
    """An agent opens its seeds for sums over three keys, each in an attempt of its own."""
    store = AgentStore(folder / "hospital" / "agent.db", SECRET)
    memory, acts = SumMemory(store), AttemptMemory(store, "tumours")
    for number in range(3):
        memory.allow(bytes([min(number, 1)]) * 32, [FOUR], FOUR, 1)  # the third over the same key again
        acts.opened(opened_round(number, "reveal"), 10 * number)
        tell(str(number))
    store.close()


def opened_round(number: int, phase: str) -> Round:
    """As much of a round as an agent's memory reads."""
    return Round(*["tumours", number, 0, phase], *[None] * (len(Round.__struct_fields__) - 4))  # type: ignore[arg-type]


def vault(folder: Path) -> None:
    """A vault is made; records are put and one is erased."""
    objects = ObjectStore.directory(folder / "hospital" / "records")
    files.make_folder(folder / "hospital")
    with Vault.create(folder / "hospital" / "vault", objects, WRAPPING) as made:
        for name in "ab":
            made.put("brain", 1, name, name.encode() * 100)
            tell(f"put {name}")
        made.commit("brain", 1)
        made.erase("brain", "a")
        tell("erased a")


def transfer(folder: Path) -> None:
    """Objects are copied from one store into another, of which some lie there already, unsynced."""
    source, place = ObjectStore.memory(), folder / "hospital" / "records"
    files.make_folder(folder / "hospital")
    ObjectStore.directory(place, durable=False).put(b"0" * 100)
    sizes = {source.put(f"{number}".encode() * 100): 100 for number in range(3)}
    target = ObjectStore.directory(place)
    lacking = copying.lacking(target, sizes)
    target.settle(sizes.keys() - lacking.keys())
    copying.copy(source, target, lacking)
    for address in sizes:
        tell(address.hex())


def catalogue(folder: Path) -> None:
    """A catalogue is made and filled."""
    with Catalogue(folder / "hospital" / "catalogue.db", SECRET) as made:
        made.add_dataset(BRAIN)
        made.open_version("brain", "a folder", 2000)
        for number in range(2):
            entry = RecordEntry(f"{number:032x}", "s0", "dicom", "application/dicom", 10, "tumour", {})
            made.add_items("brain", 1, [ItemDone(made.projects.item_digest("tumours", str(number)), (entry,))])
            tell(entry.record)


def snapshot(folder: Path) -> None:
    """A node keeps snapshots of its state."""
    state, kept = State(), SnapshotStore(folder / "ledger" / "snapshots")
    for height in range(1, 5):
        state.put(b"key", bytes([height]))
        state.commit(height)
        kept.take(state)
        tell(f"{height} {state.commitment().hex()}")


def signing_record(folder: Path) -> None:
    """A record of what a validator has signed begins, and CometBFT may use its key."""
    begin_record(folder / "node" / "cometbft")
    tell("begun")


# What they were before, with which the test must find fault.


@contextmanager
def _unsynced(kind: Callable[[Path], bool]) -> Any:
    """As if nobody had thought of syncing some paths."""
    real = files.sync

    def sync(path: Path) -> None:
        if not kind(path):
            real(path)

    with mock.patch.object(files, "sync", sync):
        yield


def keys_as_they_were(folder: Path) -> None:
    """C3: files were synced, and their names were not."""
    files.make_folder(folder / "node" / "keys")
    with _unsynced(Path.is_dir):
        keys(folder)


def ledger_as_it_was(folder: Path) -> None:
    """C5: nothing of the genesis was synced."""
    with _unsynced(lambda path: "genesis" in path.name or path.name == "ledger"):
        ledger(folder)


def agent_store_as_it_was(folder: Path) -> None:
    """C4: after a failure the store was durable no more."""

    def fail(store: AgentStore, disk: Disk, path: Path) -> None:
        try:
            real(store, disk, path)
        finally:
            store.settle = lambda: None  # type: ignore[method-assign]

    real = fail_for_want_of_room
    with mock.patch.object(sys.modules[__name__], "fail_for_want_of_room", fail):
        agent_store(folder)


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]))
