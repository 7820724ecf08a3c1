"""A ledger's file from a stranger: what it may cost to unpack, and how what is wrong in it is named."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from hmchain.interfaces.cli.main import main
from support.kept_node import make_node

_BESIDE = ("SHA256SUMS", "README.txt")
"""What no checksum is of."""
Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("made")
    make_node(place / "node", lambda chain: chain.fill(2))
    assert main(["node", "export-ledger", str(place / "ledger.zip"), "--dir", str(place / "node")]) == 0
    return place / "ledger.zip"


def sealed_anew(exported: Path, file: Path, name: str, content: bytes) -> Path:
    """The file with one of its parts replaced, and its checksums those of what is in it now."""
    with zipfile.ZipFile(exported) as packed:
        parts = {each: packed.read(each) for each in packed.namelist()} | {name: content}
    sums = (f"{hashlib.sha256(parts[each]).hexdigest()}  {each}\n" for each in parts if each not in _BESIDE)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as anew:
        for each, part in (parts | {"SHA256SUMS": "".join(sums).encode()}).items():
            anew.writestr(each, part)
    return file


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("headers.jsonl", b"\n" * (16 << 20), "no ledger is packed so small"),
        ("blocks.db", bytes(16 << 20), "no ledger is packed so small"),
        ("genesis.json", b" " * (5 << 20), "genesis.json in {} would have 5.2 MB, and a ledger's has 4.2 MB at most"),
        ("beginning/5/0", bytes(9 << 20), "beginning/5/0 in {} would have 9.4 MB, and a ledger's has 8.5 MB at most"),
    ],
)
def test_what_a_small_file_would_fill_a_disk_or_memory_with_is_not_unpacked(
    name: str, content: bytes, words: str, exported: Path, tmp_path: Path, capsys: Captured
) -> None:
    file = sealed_anew(exported, tmp_path / "large.zip", name, content)
    assert main(["audit", "verify", str(file), "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "ledger_file" and words.format(file) in error["what"]


def test_what_is_wrong_in_it_is_named_as_who_has_the_file_finds_it(
    exported: Path, tmp_path: Path, capsys: Captured
) -> None:
    """It is unpacked into a passing folder, which is gone by then."""
    for name in ("headers.jsonl", "genesis.json", "blocks.db"):
        file = sealed_anew(exported, tmp_path / f"{name} of b.zip", name, b"{}\n")
        for command in (("audit", "verify"), ("network", "status"), ("ledger", "blocks")):
            assert main([*command, str(file), "--json"]) in (6, 7), name
            error = json.loads(capsys.readouterr().out)["error"]
            assert f"{name} in {file}" in error["what"] and "/hmchain-" not in error["what"] + error["hint"]
