"""A registered version binds rows, patients, labels and provenance, and agents train on nothing else.

Findings A2, A3 and S13 of the attack on the first build, each under its number.
"""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hmchain.application.consent.usable import Use, UseKind
from hmchain.application.hospital.consortium import Consortium
from hmchain.application.hospital.hospital import Hospital
from hmchain.application.hospital.published_data import UnpublishedDataError
from hmchain.interfaces.cli.main import main
from hmchain.keys import SecretKey, UnwrapError
from hmchain.ledger.contracts.data.datasets import Schema, WithdrawVersion
from hmchain.records.objects import ObjectStore
from hmchain.records.pictures.prepared import Images
from hmchain.records.vault import Conversion, SecretKeyProvider, Vault, VaultKeyError, hierarchy, migration
from hmchain.records.vault.database import Database
from hmchain.records.vault.hierarchy import RecordKey, record_context
from support.old_vaults import put_as_before
from support.vault_file import newest_kek

KEY = SecretKeyProvider(SecretKey(bytes(range(32))))


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()


# --- A2: the vault's rows


@pytest.fixture
def place(tmp_path: Path) -> Path:
    with opened(tmp_path, Vault.create) as vault:
        records = {"r1": b"image 1", "r2": b"image 2", "r3": b"other"}
        vault.put_many("brain", 1, records, subjects={"r1": "patient-A", "r2": "patient-A", "r3": "patient-B"})
        vault.commit("brain", 1)
    return tmp_path


def objects(place: Path) -> ObjectStore:
    return ObjectStore.directory(place / "objects")


def opened(place: Path, how: Callable[..., Vault] = Vault.open) -> Vault:
    return how(place / "vault", objects(place), KEY)


def test_a2_a_record_moved_to_another_patient_is_found_and_does_not_open(place: Path) -> None:
    change(place / "vault" / "vault.sqlite", "UPDATE records SET subject = 'patient-Z' WHERE record = 'r2'")
    with opened(place) as vault:
        assert [(each.record, each.problem) for each in vault.verify().damaged] == [("r2", "key")]
        with pytest.raises(UnwrapError):
            vault.get("brain", 1, "r2")
        assert vault.get("brain", 1, "r1") == b"image 1"


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM records WHERE record = 'r3'",
        "UPDATE records SET salt = x'00' WHERE record = 'r3'",
        "UPDATE records SET description = NULL WHERE record = 'r3'",
        "UPDATE versions SET about = NULL",
        "UPDATE versions SET root = x'00'",
    ],
)
def test_a2_a_version_that_is_not_what_was_committed_to_is_found(place: Path, statement: str) -> None:
    with opened(place) as vault:
        assert vault.verify().sound
    change(place / "vault" / "vault.sqlite", statement)
    with opened(place) as vault:
        found = vault.verify()
        assert not found.sound and found.changed == (("brain", 1),)


# --- A3: the catalogue


@pytest.fixture
def hospital(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(1)
    for label in ("benign", "malignant"):
        for number in range(8):
            path = tmp_path / "pictures" / label / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(random.integers(0, 255, (16, 16), np.uint8)).save(path)
    north = tmp_path / "north"
    assert cli("data", "init", "--dir", str(north))[0] == 0
    extract = ("data", "extract", str(tmp_path / "pictures"), "--into", "pictures", "--labels-from", "folders")
    assert cli(*extract, "--dir", str(north))[0] == 0
    assert cli("data", "register", "pictures", "--yes", "--dir", str(north))[0] == 0
    return north


def cli(*arguments: str) -> tuple[int, Any]:
    out = io.StringIO()
    with redirect_stdout(out):
        status = main([*arguments, "--json"])
    return status, json.loads(out.getvalue()) if out.getvalue().strip() else None


SWAPPED = """UPDATE records SET description = (SELECT other.description FROM records other
    WHERE other.record <> records.record AND other.record IN (SELECT record FROM records ORDER BY record LIMIT 2))
    WHERE record IN (SELECT record FROM records ORDER BY record LIMIT 2)"""

CHANGES = {
    "labels": "UPDATE records SET label = CASE label WHEN 'benign' THEN 'malignant' ELSE 'benign' END",
    "a patient": "UPDATE records SET subject = 'nobody' WHERE rowid IN (SELECT rowid FROM records LIMIT 1)",
    "attributes": 'UPDATE records SET attributes = \'{"modality": "CT"}\'',
    "a record": "DELETE FROM records WHERE record = (SELECT min(record) FROM records)",
    "the source": "UPDATE versions SET source = 'somewhere else'",
    "what was done": "INSERT INTO actions VALUES ('pictures', 1, 'faces', 'removed', 8)",
    "an erasure that never was": "UPDATE versions SET erased_ms = 1",
    "the root": "UPDATE versions SET root = x'00'",
}


RELYING = (
    ("data", "show", "pictures"),
    ("data", "card", "pictures"),
    ("data", "register", "pictures", "--yes"),
    ("data", "prepare", "pictures", "--into", "learning", "--size", "16"),
)
"""Commands that say, or make something of, what is said of a version."""


@pytest.mark.parametrize("statement", CHANGES.values(), ids=CHANGES.keys())
def test_a3_what_is_said_of_registered_records_cannot_change(hospital: Path, statement: str) -> None:
    where = ("--dir", str(hospital))
    assert cli("data", "verify", "pictures", *where)[0] == 0 and cli("data", "vault", "verify", *where)[0] == 0
    change(hospital / "catalogue.db", statement.replace("rowid", "record"))
    assert cli("data", "verify", "pictures", *where)[0] != 0
    status, found = cli("data", "vault", "verify", *where)
    assert status == 4 and not found["sound"]
    assert [(each["dataset"], each["version"]) for each in found["changed"]] == [("pictures", 1)]
    for command in (*RELYING, ("data", "export", "pictures", "--output", str(hospital / "out"))):
        status, found = cli(*command, *where)
        assert (status, found["error"]["code"]) == (7, "dataset_changed"), command


def test_a3_a_version_that_only_the_catalogue_calls_open_is_not(hospital: Path) -> None:
    change(hospital / "catalogue.db", CHANGES["labels"], "UPDATE versions SET closed_ms = NULL, root = NULL")
    status, found = cli("data", "vault", "verify", "--dir", str(hospital))
    assert status == 4 and [each["dataset"] for each in found["changed"]] == ["pictures"]
    for command in RELYING:
        assert cli(*command, "--dir", str(hospital))[0] == 7, command


def test_a3_a_register_that_was_cut_short_goes_on(hospital: Path) -> None:
    """The vault was fixed, and the catalogue not yet."""
    change(hospital / "catalogue.db", "UPDATE versions SET closed_ms = NULL, root = NULL")
    assert cli("data", "register", "pictures", "--yes", "--dir", str(hospital))[0] == 0
    assert cli("data", "verify", "pictures", "--dir", str(hospital))[0] == 0


@pytest.mark.parametrize("statement", ["", "UPDATE records SET description = NULL", SWAPPED])
def test_a3_an_erasure_that_never_was_unbinds_no_labels(hospital: Path, statement: str) -> None:
    """Nor do descriptions that were exchanged, or taken away, in the vault."""
    labels = CHANGES["labels"] + " WHERE record IN (SELECT record FROM records ORDER BY record LIMIT 2)"
    change(hospital / "catalogue.db", labels, "UPDATE versions SET erased_ms = 1700000000000")
    change(hospital / "vault" / "vault.sqlite", "UPDATE versions SET wrapped = NULL, kek = NULL", statement)
    assert cli("data", "vault", "verify", "--dir", str(hospital))[0] == 4
    for command in RELYING:
        assert cli(*command, "--dir", str(hospital))[0] == 7, command


def test_a3_what_an_erasure_left_is_shown_as_long_as_it_is_the_same(hospital: Path) -> None:
    where = ("--dir", str(hospital))
    show = ("data", "show", "pictures", "--limit", "100", *where)
    entries = cli(*show)[1]["entries"]
    assert cli("data", "erase", "pictures", "--record", entries[0]["record"], "--yes", *where)[0] == 0
    status, found = cli(*show)
    assert status == 0 and found["entries"] == entries[1:]
    assert cli("data", "vault", "verify", *where)[0] == 0
    change(hospital / "catalogue.db", CHANGES["labels"])
    assert cli("data", "show", "pictures", *where)[0] == 7


def test_a3_a_registered_version_takes_no_labels(hospital: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (hospital / "labels.csv").write_text("object,label\n1.2.3,benign\n")
    assert main(["data", "label", "pictures", str(hospital / "labels.csv"), "--dir", str(hospital)]) != 0
    assert "registered" in capsys.readouterr().err


# --- S13: what an agent trains on


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    titles = {name: name for name in ("east", "north", "west")}
    with Consortium.create(tmp_path_factory.mktemp("run"), "test", titles) as consortium:
        yield consortium


def published(consortium: Consortium, name: str, dataset: str) -> Hospital:
    hospital = consortium.hospitals[name]

    def images(count: int) -> Images:
        return Images(np.full((count, 16, 16, 1), count, np.uint8), np.arange(count) % 2)

    hospital.store_images(dataset, {"train": images(20), "validation": images(4)})
    schema = Schema("mri", 1, 16, 16, ("no", "yes"))
    consortium.require(hospital.register(dataset, schema), hospital.publish(dataset, 1))
    return hospital


def rows(hospital: Hospital) -> Path:
    return hospital.folder.vault_database


def test_s13_an_agent_trains_on_nothing_but_what_was_published(consortium: Consortium) -> None:
    hospital = published(consortium, "north", "brain")
    assert len(hospital.cohort(hospital.usable("brain", 1, Use(UseKind.TRAIN))).train_labels) == 20
    change(rows(hospital), "DELETE FROM records WHERE dataset = 'brain' AND record > '000009' AND record < '000020'")
    with pytest.raises(UnpublishedDataError, match="other records than were published"):
        hospital.cohort(hospital.usable("brain", 1, Use(UseKind.TRAIN)))


def test_s13_fewer_records_need_an_erasure_that_the_ledger_knows(consortium: Consortium) -> None:
    hospital = published(consortium, "west", "brain")
    assert len(hospital.cohort(hospital.usable("brain", 1, Use(UseKind.TRAIN))).train_labels) == 20
    hospital.vault.erase("brain", "000003")
    with pytest.raises(UnpublishedDataError, match="does not say that it was withdrawn"):
        hospital.cohort(hospital.usable("brain", 1, Use(UseKind.TRAIN)))
    consortium.require(hospital.as_steward(WithdrawVersion("brain", 1)))
    assert len(hospital.cohort(hospital.usable("brain", 1, Use(UseKind.TRAIN))).train_labels) == 19
    change(rows(hospital), "UPDATE records SET salt = x'00' WHERE record = '000004'")
    with pytest.raises(UnpublishedDataError, match="other records"):
        hospital.cohort(hospital.usable("brain", 1, Use(UseKind.TRAIN)))


def test_s13_what_was_never_found_whole_is_not_trained_on_after_an_erasure(consortium: Consortium) -> None:
    hospital = published(consortium, "east", "brain")
    hospital.vault.erase("brain", "000003")
    consortium.require(hospital.as_steward(WithdrawVersion("brain", 1)))
    with pytest.raises(UnpublishedDataError, match="before this agent had found it whole"):
        hospital.cohort(hospital.usable("brain", 1, Use(UseKind.TRAIN)))
    with pytest.raises(UnpublishedDataError, match="not on the ledger"):
        hospital.cohort(hospital.usable("brain", 2, Use(UseKind.TRAIN)))


# --- vaults of the second format


def to_second_format(place: Path) -> bytes:
    """Make a vault what the version before this one would have written; returns the root of its closed version."""
    kek = newest_kek(place / "vault", KEY)
    with closing(Database(place / "vault" / "vault.sqlite")) as database, database.transaction() as connection:
        sql = """SELECT r.rowid, dataset, version, record, context, subject, salt, wrapped
            FROM records r JOIN blobs b ON b.id = blob"""
        for row, dataset, version, record, context, subject, salt, wrapped in connection.execute(sql).fetchall():
            key = kek.unwrap(wrapped, record_context(dataset, version, record, context, subject, salt))
            old = kek.wrap(key, migration.second_context(RecordKey(dataset, version, record, context, subject, salt)))
            connection.execute("UPDATE records SET wrapped = ?, description = NULL WHERE rowid = ?", (old, row))
        connection.execute("UPDATE versions SET about = NULL")
        store = objects(place)
        for blob, name in connection.execute("SELECT id, digest FROM blobs").fetchall():
            former = put_as_before(store, store.get(name))
            store.delete(name)
            connection.execute("UPDATE blobs SET digest = ? WHERE id = ?", (former, blob))
    with opened(place) as vault:
        root = vault.commitment("brain", 1).root
    dropped = ("records DROP COLUMN description", "blobs DROP COLUMN former")
    columns = (*dropped, "versions DROP COLUMN about", "versions DROP COLUMN root")
    change(
        place / "vault" / "vault.sqlite", *(f"ALTER TABLE {column}" for column in columns), "PRAGMA user_version = 2"
    )
    return root


def test_a_vault_of_the_second_format_is_converted(place: Path) -> None:
    root = to_second_format(place)
    assert Vault.convert(place / "vault", objects(place), KEY) == Conversion(3, 0)
    with opened(place) as vault:
        assert dict(vault.read("brain", 1)) == {"r1": b"image 1", "r2": b"image 2", "r3": b"other"}
        assert vault.commit("brain", 1).root == root and vault.verify().sound
    change(place / "vault" / "vault.sqlite", "UPDATE records SET subject = 'patient-Z' WHERE record = 'r2'")
    with opened(place) as vault:
        assert not vault.verify().sound


def test_a_conversion_that_was_cut_short_goes_on(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = to_second_format(place)
    monkeypatch.setattr(hierarchy, "WRAPPED_AT_ONCE", 1)
    monkeypatch.setattr(migration, "OBJECTS_AT_ONCE", 1)

    def cut(done: int, of: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Vault.convert(place / "vault", objects(place), KEY, progress=cut)
    told: list[tuple[int, int]] = []
    found = Vault.convert(place / "vault", objects(place), KEY, progress=lambda done, of: told.append((done, of)))
    assert found == Conversion(3, 0)
    assert told == [(3, 3), (1, 3), (2, 3), (3, 3)], "two keys were done before"
    with opened(place) as vault:
        assert vault.commit("brain", 1).root == root and vault.verify().sound


@pytest.mark.parametrize("is_replicated", [True, False])
def test_what_the_store_lost_is_converted_from_a_replica_or_counted(
    place: Path, tmp_path: Path, is_replicated: bool
) -> None:
    to_second_format(place)
    replica = ObjectStore.directory(tmp_path / "replica")
    (lost, altered, _) = sorted(objects(place).list())
    for name in (lost, altered):
        put_as_before(replica, b"".join(map(bytes, objects(place).get_stream(name, verify=False))))
    objects(place).delete(lost)
    (tmp_path / "objects" / altered.hex()[:2] / altered.hex()).write_bytes(b"altered")
    found = Vault.convert(place / "vault", objects(place), KEY, replica if is_replicated else None)
    assert found == Conversion(3, 0 if is_replicated else 2)
    with opened(place) as vault:
        assert len(vault.verify().damaged) == found.lost
        assert len(list(objects(place).list())) == 3 - (0 if is_replicated else 1), "former names are gone"


def test_a_vault_of_the_second_format_is_converted_by_its_key_alone(place: Path) -> None:
    to_second_format(place)
    with pytest.raises(VaultKeyError):
        Vault.convert(place / "vault", objects(place), SecretKeyProvider(SecretKey(bytes(32))))
    with closing(Database(place / "vault" / "vault.sqlite")) as database:
        assert database.format == 2
