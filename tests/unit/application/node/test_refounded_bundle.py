"""A bundle of a chain that was founded again: what was anchored before counts, and where it lacks that is said."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from hmchain.application.node import bundle
from hmchain.application.security import log
from hmchain.application.security.checking import LogDefectError
from hmchain.application.security.events import Event, Kind
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.contracts.members.anchors import AnchorLog
from support.ledger_network import Network, signing_key
from support.refounded_chain import refound


def test_a_log_made_anew_after_a_founding_again_does_not_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hospital anchors another log on the new chain, and keeps the ledger of before, which has the first one's."""
    written, anew = tmp_path / "written.db", tmp_path / "anew.db"
    log.record(written, Event(Kind.DATA_EXPORTED))
    for _ in range(9):
        log.record(anew, Event(Kind.SIGN_IN))
    first = Network.found(tmp_path / "first")
    first.block(first.send("a", AnchorLog(*log.head(written))))
    again = refound(first, tmp_path / "again")
    again.block(again.send("a", AnchorLog(*log.head(anew))))
    for network in (first, again):
        network.ledger.close()

    @contextmanager
    def unpacked(_: Path) -> Iterator[Path]:
        yield tmp_path / "again"

    monkeypatch.setattr(bundle, "unpacked", unpacked)
    genesis = genesis_file.load(tmp_path / "again" / genesis_file.FILE)
    file = bundle_of(tmp_path, anew, genesis)
    found = bundle.check(file, genesis.digest)
    assert len(found.missing) == 1 and "up to block 1: it is not in the file" in found.missing[0]
    shutil.copytree(tmp_path / "first", tmp_path / "again" / "before")
    with pytest.raises(LogDefectError, match="is not the one that was anchored"):
        bundle.check(file, genesis.digest)


def bundle_of(place: Path, path: Path, genesis: genesis_file.Genesis) -> Path:
    """A bundle of a log, which a's steward signs."""
    ledger, events, key = place / "ledger.zip", place / "events", signing_key("a", "steward")
    ledger.write_bytes(b"unpacked elsewhere")
    events.write_bytes(b"".join(map(bundle.row, log.read(path))))
    size, head = log.head(path)
    digests = (hashlib.sha256(each.read_bytes()).hexdigest() for each in (ledger, events))
    told = bundle.Manifest(
        bundle.FORMAT, genesis.chain_id, genesis.digest.hex(), "a", 1, size, head.hex(), *digests, key.public.raw.hex()
    )
    file = place / "bundle.zip"
    bundle.write(file, ledger, events, told, key.sign(bundle.signed_bytes(msgspec.json.encode(told))))
    return file
