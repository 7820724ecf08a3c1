"""A hospital's folder: what is made of it at first use, whatever a crash left there."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from hmchain.application.site import hospital
from hmchain.records.vault.database import FILE, Database
from hmchain.records.vault.errors import VaultError


@pytest.mark.parametrize("stage", ["folder", "file", "database"])
def test_a_vault_that_a_crash_left_half_made_is_made_at_the_next_use(tmp_path: Path, stage: str) -> None:
    folder = hospital.create(tmp_path / "north")
    folder.vault.mkdir()
    if stage != "folder":
        (folder.vault / FILE).touch(mode=0o600)
    if stage == "database":
        with closing(Database(folder.vault / FILE)):
            pass  # and no schema
    with hospital.open_records(folder) as records:
        records.vault.put("brain", 1, "scan", b"pixels")
    with hospital.read_records(folder) as records:
        assert records.vault.get("brain", 1, "scan") == b"pixels"


@pytest.mark.parametrize("harm", ["lost", "emptied"])
def test_a_vault_whose_file_was_lost_is_named_and_not_made_anew(tmp_path: Path, harm: str) -> None:
    """What stands beside it tells it from one that was never finished."""
    folder = hospital.create(tmp_path / "north")
    with hospital.open_records(folder) as records:
        records.vault.put("brain", 1, "scan", b"pixels")
    (folder.vault / FILE).unlink()
    if harm == "emptied":
        (folder.vault / FILE).touch(mode=0o600)
    with pytest.raises(VaultError, match=r"does not exist|not a vault"), hospital.open_records(folder):
        pass


def test_a_damaged_vault_is_named_and_not_made_anew(tmp_path: Path) -> None:
    folder = hospital.create(tmp_path / "north")
    with hospital.open_records(folder) as records:
        records.vault.put("brain", 1, "scan", b"pixels")
    (folder.vault / FILE).write_bytes(b"no database at all" * 100)
    with pytest.raises(VaultError, match="damaged"), hospital.open_records(folder):
        pass
