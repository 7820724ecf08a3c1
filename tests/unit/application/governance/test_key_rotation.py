"""A hospital's keys are replaced where they lie, on a ledger of its own: no node runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from hmchain.application.data.upkeep import seal_keys
from hmchain.application.governance import key_rotation
from hmchain.application.governance.delegate import open_steward
from hmchain.application.governance.requests.documents import documents_at, text_document
from hmchain.application.hospital.founding import founding, validator_keys
from hmchain.application.node import opening
from hmchain.application.site.hospital import HospitalFolder, RecordsInUseError, locate, open_records
from hmchain.application.site.keyring import Keyring, OpeningKeys, earlier_key_files, key_file, next_key_file
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.record_store import choose_record_store
from hmchain.application.site.settings import NodeSettings
from hmchain.keys import KeyFileError, SigningKey, UnwrapError, WrappingKey, WrongPassphraseError, load_key
from hmchain.ledger.contracts.data.datasets import RegisterDataset, Schema
from hmchain.ledger.contracts.members import membership
from hmchain.ledger.contracts.members.membership import Member
from hmchain.ledger.engines.embedded import EmbeddedLedger
from hmchain.records.objects import MissingObjectError, ObjectStore, StoreUnavailableError

TITLES = {"east": "East", "north": "North", "west": "West"}


@dataclass
class Bed:
    """North's folder, and an embedded ledger in the place of its node."""

    node: NodeFolder
    path: Path
    validators: dict[str, SigningKey]

    def ledger(self, *_: object) -> EmbeddedLedger:
        return EmbeddedLedger(self.path, self.validators)

    def member(self) -> Member:
        ledger = self.ledger()
        try:
            entry = membership.membership(ledger.state, "north")
            assert entry is not None
            return entry.member
        finally:
            ledger.close()

    def wrapping_on_ledger(self) -> bytes:
        return self.member().wrapping.x25519

    @property
    def place(self) -> HospitalFolder:
        return locate(self.node.path)


@pytest.fixture
def bed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bed]:
    keys = {name: Keyring.generate() for name in TITLES}
    made = Bed(NodeFolder(tmp_path / "north"), tmp_path / "ledger", validator_keys(keys))
    EmbeddedLedger.create(made.path, founding("test", TITLES, keys, 1), made.validators).close()
    keys["north"].save(made.node.keys)
    made.node.write_settings(NodeSettings(organisation="north", title="North", address="north.example.org:26656"))
    monkeypatch.setattr(opening, "open_ledger", made.ledger)
    return made


def objects_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_wrapping_key_is_replaced_where_the_ciphertext_lies(
    bed: Bed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An erasure that was cut short ends where `records.toml` says, not in a folder beside the vault."""
    elsewhere = tmp_path / "elsewhere"
    choose_record_store(bed.place.path, str(elsewhere), None)
    with open_records(bed.place) as records:
        records.vault.put("ct", 1, "kept", b"of one patient", "one")
        records.vault.put("ct", 1, "erased", b"of another", "another")
        assert len(objects_in(elsewhere)) == 2
        with monkeypatch.context() as cut, pytest.raises(StoreUnavailableError):
            cut.setattr(ObjectStore, "delete_many", unavailable)
            records.vault.erase_subject("another")
    assert len(objects_in(elsewhere)) == 2
    before = bed.wrapping_on_ledger()
    key_rotation.rotate(bed.node, "wrapping", None, lambda text: None)
    assert len(objects_in(elsewhere)) == 1
    assert not (bed.place.path / "records").exists()
    assert bed.wrapping_on_ledger() != before
    with open_records(bed.place) as records:
        assert dict(records.vault.read("ct", 1)) == {"kept": b"of one patient"}


def unavailable(*_: object) -> None:
    raise StoreUnavailableError("the object store does not answer", "start it")


def test_a_wrapping_key_is_not_replaced_while_somebody_changes_the_records(bed: Bed) -> None:
    before = bed.wrapping_on_ledger()
    with open_records(bed.place), pytest.raises(RecordsInUseError, match="changes the records of north"):
        key_rotation.rotate(bed.node, "wrapping", None, lambda text: None)
    assert bed.wrapping_on_ledger() == before
    assert not next_key_file(bed.node.keys, "wrapping").exists()
    with open_records(bed.place):
        key_rotation.rotate(bed.node, "agent", None, lambda text: None)  # it opens no record


def test_what_was_sealed_to_a_wrapping_key_opens_after_it_was_replaced(bed: Bed, tmp_path: Path) -> None:
    """Twice: documents of every time are read, new ones are sealed to the new key alone, and a redaction is for all."""
    papers = documents_at(bed.node, lambda: None)
    papers = replace(papers, objects=lambda: ObjectStore.directory(tmp_path / "shared"))
    digests = []
    for number in range(3):
        digests.append(papers.put("test", "relapse", text_document(f"letter {number}"), [bed.member()]))
        if number < 2:
            key_rotation.rotate(bed.node, "wrapping", None, lambda text: None)
    anew = replace(papers, key=OpeningKeys(bed.node.keys, lambda: None))
    assert [anew.read("test", "relapse", digest).text[-1] for digest in digests] == ["0", "1", "2"]
    torn = bed.node.keys / f"wrapping.key.earlier-{'0' * 16}"
    torn.touch()
    anew = replace(papers, key=OpeningKeys(bed.node.keys, lambda: None))
    assert anew.read("test", "relapse", digests[0]).text == "letter 0", "one torn file takes no other key's documents"
    with pytest.raises(KeyFileError, match=torn.name):
        anew.key.unwrap(WrappingKey.generate().public.wrap(b"secret", b"of a lost key"), b"of a lost key")
    torn.unlink()
    thief = replace(papers, key=load_key(WrappingKey, earlier_key_files(bed.node.keys)[0]))
    with pytest.raises(UnwrapError):
        thief.read("test", "relapse", digests[2])
    anew.destroy("test", "relapse", digests[0])
    with pytest.raises(MissingObjectError):
        anew.read("test", "relapse", digests[0])
    seal_keys(bed.place, "words")
    with pytest.raises(WrongPassphraseError):
        replace(papers, key=OpeningKeys(bed.node.keys, lambda: None)).read("test", "relapse", digests[1])
    for path in earlier_key_files(bed.node.keys):
        path.unlink()
    with pytest.raises(UnwrapError, match=r"earlier-\*"):
        replace(papers, key=OpeningKeys(bed.node.keys, lambda: "words")).read("test", "relapse", digests[1])


def test_a_rotation_that_is_cut_short_loses_no_wrapping_key(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    old = load_key(WrappingKey, key_file(bed.node.keys, "wrapping"))
    with monkeypatch.context() as cut, pytest.raises(KeyboardInterrupt):
        cut.setattr(key_rotation, "rename", interrupted)
        key_rotation.rotate(bed.node, "wrapping", None, lambda text: None)
    assert key_rotation.rotate(bed.node, "wrapping", None, lambda text: None).resumed
    assert [load_key(WrappingKey, path) for path in earlier_key_files(bed.node.keys)] == [old]


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_one_transaction_makes_no_store_of_objects(bed: Bed) -> None:
    with open_steward(bed.node) as steward:
        steward.send(RegisterDataset("d", Schema("mri", 1, 64, 64, ("no", "yes"))))
    assert not (bed.node.path / "objects").exists()
