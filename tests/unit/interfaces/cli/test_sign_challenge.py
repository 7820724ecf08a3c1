"""`hmchain sign challenge`: signing in at a portal with a key file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hmchain.interfaces.cli.main import main
from hmchain.keys import save_key
from hmchain.ledger.contracts.members.people import PersonRef
from support.door import ADDRESS, Door, door

__all__ = ["door"]


def test_a_key_file_signs_its_person_in(door: Door, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ref = PersonRef("a", "s1")
    save_key(door.key(ref), tmp_path / "s1.key")
    asked = door.access.challenge(ref, ADDRESS)
    command = ["sign", "challenge", asked.text, "--key", str(tmp_path / "s1.key"), "--yes"]
    assert main(command) == 0
    assert "sign in as a/s1 at http://localhost:8470" in capsys.readouterr().out
    assert main([*command, "--json"]) == 0
    signature = bytes.fromhex(json.loads(capsys.readouterr().out)["signature"])
    assert door.is_in(door.access.by_key(ref, asked.challenge, signature, ADDRESS))


def test_what_is_no_line_of_a_page_is_not_signed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sign", "challenge", "hmchain-sign-in:00", "--key", str(tmp_path / "none.key"), "--yes"]) == 2
    assert "copy all of the line" in capsys.readouterr().err
