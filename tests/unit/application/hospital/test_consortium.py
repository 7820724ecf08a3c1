"""A consortium on one machine: found, run, close and open again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hmchain.application.hospital.consortium import Consortium
from hmchain.application.hospital.study_end import StudyPausedError
from hmchain.application.site.keyring import Keyring
from hmchain.errors import LedgerError
from hmchain.keys import KeyFileError, WrongPassphraseError
from hmchain.ledger.contracts.data.datasets import PublishVersion
from hmchain.ledger.contracts.learning.closing import CloseStudy
from hmchain.ledger.contracts.learning.studies import Status
from hmchain.ledger.engines.embedded import SecondWriterError
from hmchain.ledger.engines.ledger import RefusedTransactionError
from support.study_bed import STUDY, Bed

TITLES = {"east": "East Clinic", "north": "North Hospital", "west": "West Hospital"}


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    bed = Bed.found(tmp_path / "run")
    yield bed
    bed.close()


def test_run_ends_with_every_secret_of_the_last_round_erased(bed: Bed) -> None:
    bed.prepare(rounds_=1)
    bed.approve()
    bed.consortium.run(STUDY)
    assert bed.study.status == Status.FINISHED
    assert all(bed.agent(name).keys.require(STUDY).own.round == 2 for name in bed.names)


def test_run_says_why_it_stops(bed: Bed) -> None:
    with pytest.raises(StudyPausedError, match="unknown"):
        bed.consortium.run(STUDY)
    bed.prepare()
    bed.approve()
    bed.require("east", "scientist", CloseStudy(STUDY))
    with pytest.raises(StudyPausedError, match="closed"):
        bed.consortium.run(STUDY)


def test_require_names_the_refusal(bed: Bed) -> None:
    steward = bed.consortium.hospitals["east"].as_steward
    with pytest.raises(RefusedTransactionError, match="no_such_dataset"):
        bed.consortium.require(steward(PublishVersion("brain", 1, bytes(32), 64)))
    wire = steward(PublishVersion("brain", 1, bytes(32), 64))
    bed.consortium.submit(wire)
    with pytest.raises(RefusedTransactionError, match="replayed"):
        bed.consortium.submit(wire)


def test_the_same_folder_opens_again(bed: Bed) -> None:
    bed.prepare()
    height, commitment = bed.consortium.ledger.height, bed.state.commitment()
    bed.reopen()
    assert (bed.consortium.ledger.height, bed.state.commitment()) == (height, commitment)
    assert list(bed.consortium.hospitals) == list(bed.names)


def test_one_process_at_a_time(bed: Bed) -> None:
    with pytest.raises(SecondWriterError):
        Consortium.open(bed.directory)


def test_a_folder_holds_one_consortium(bed: Bed, tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="never overwritten"):
        Consortium.create(bed.directory, "test", {name: name for name in bed.names})
    (tmp_path / "empty" / "hospitals").mkdir(parents=True)
    with pytest.raises(LedgerError):
        Consortium.open(tmp_path / "empty")


def test_keys_are_private_files_behind_a_passphrase(tmp_path: Path) -> None:
    ring = Keyring.generate()
    ring.save(tmp_path, "correct horse")
    files = sorted(tmp_path.iterdir())
    assert [path.stat().st_mode & 0o777 for path in files] == [0o600] * 6
    secrets = [ring.steward.seed, ring.local.raw, ring.wrapping.x25519]
    assert not any(secret.hex().encode() in path.read_bytes() for secret in secrets for path in files)
    again = Keyring.load(tmp_path, "correct horse")
    assert again == ring
    with pytest.raises(WrongPassphraseError):
        Keyring.load(tmp_path, "wrong horse")


def test_a_member_shows_public_halves_only() -> None:
    ring = Keyring.generate()
    member = ring.member("east", "East Clinic")
    assert (member.organisation, member.title) == ("east", "East Clinic")
    assert member.steward == ring.steward.public.raw and member.wrapping == ring.wrapping.public
    assert len({member.steward, member.scientist, member.agent, member.validator}) == 4
