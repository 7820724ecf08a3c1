"""The guide to the vault, followed literally."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import hmchain
from hmchain.keys import WrappingKey, save_key
from hmchain.records.objects import ObjectStore
from hmchain.records.vault import Vault

GUIDE = Path(hmchain.__file__).parents[2] / "docs" / "how-to" / "vault.md"


def test_the_guide_works_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    key = WrappingKey.generate()
    save_key(key, Path("hospital/keys/wrapping.key"))
    with Vault.create(Path("hospital/vault"), ObjectStore.open("hospital/records"), key) as vault:
        vault.put_many("brain", 1, {f"scan {i}": bytes([i]) for i in range(5)})
        vault.put("lung", 1, "scan", b"x", "patient 7")

    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    text = "\n".join(blocks).replace('"/mnt/replica"', '"replica"')
    names: dict[str, object] = {}
    exec(compile(text, str(GUIDE), "exec"), names)

    said = capsys.readouterr().out
    assert "Mirror(copied=6, checked=0, repaired=0, removed=0, damaged=())" in said
    assert "0 restored, 0 lost" in said
    assert "1 records of (('lung', 1),)" in said
    vault = names["vault"]
    assert isinstance(vault, Vault)
    assert vault.verify().sound
    vault.close()
