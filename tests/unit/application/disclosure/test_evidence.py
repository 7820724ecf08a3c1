"""Evidence as a file: one form, whose digest is that of what people see; what could not be said is never good news."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from hmchain.application.disclosure import evidence
from hmchain.application.disclosure.evidence import (
    Attack,
    Estimate,
    Evidence,
    EvidenceFileError,
    Found,
    Kind,
    Lineage,
)
from hmchain.keys import SecretKey

KEY = SecretKey(bytes([7]) * 32)


def an_evidence() -> Evidence:
    attack = Attack(
        name="RMIA", source="Zarifzadeh, Liu, Shokri (ICML 2024)", found=Found.SEEN, members=400, non_members=600,
        auc=Estimate(value=1.0, low=0.5, high=1.0), curve=((0.0, 0.0), (1.0, 1.0)),
    )  # fmt: skip
    found = Evidence(
        kind=Kind.MODEL, study="tumours", artefact="ab" * 32, chain_id="net-1", organisation="north", height=7,
        computed_ms=1, seconds=2.0, software="hmchain", attacks=(attack,),
        lineage=Lineage(found=Found.NOTHING_SEEN),
    )  # fmt: skip
    return evidence.sealed(found, KEY)


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    found = an_evidence()
    evidence.save(tmp_path / "study" / "evidence.json", found)
    again = evidence.load(tmp_path / "study" / "evidence.json")
    assert again == found
    assert again.digest == found.digest
    assert (tmp_path / "study" / "evidence.json").stat().st_mode & 0o077 == 0


def test_a_nonce_is_of_the_hospital_s_key_and_of_all_else() -> None:
    found = an_evidence()
    other = evidence.sealed(found, SecretKey(bytes(32)))
    assert found.digest != other.digest and evidence.sealed(other, KEY) == found
    assert evidence.is_sealed(found, KEY) and not evidence.is_sealed(other, KEY)
    assert not evidence.is_sealed(replace(found, attacks=()), KEY)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"organisation": "north"', b'"organisation":  "north"'),
        (b'"schema": 1', b'"schema": 2'),
        (b'"members": 400', b'"members": "400"'),
        (b'"study": "tumours"', b'"study": "tumours", "note": "passed"'),
        (b'"height": 7', b'"height": 7.0'),
    ],
)
def test_a_file_that_was_touched_is_refused(tmp_path: Path, old: bytes, new: bytes) -> None:
    path = tmp_path / "evidence.json"
    text = evidence.written(an_evidence())
    assert old in text
    path.write_bytes(text.replace(old, new))
    with pytest.raises(EvidenceFileError, match=r"evidence\.json"):
        evidence.load(path)


def test_what_could_not_be_computed_is_never_whole() -> None:
    found = an_evidence()
    assert found.is_whole
    unsaid = Attack(name="LiRA", source="", found=Found.NOT_SAID, why="no shadow models")
    assert not replace(found, attacks=(*found.attacks, unsaid)).is_whole
    assert "1 seen, 1 not said" in str(replace(found, attacks=(*found.attacks, unsaid), lineage=found.lineage)).replace(
        "1 nothing seen, ", ""
    )
