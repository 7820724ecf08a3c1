"""`hmchain request new|check`: a file is written, filled in, and looked at before it goes anywhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hmchain.interfaces.cli.main import main


def test_a_request_is_written_filled_in_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["request", "new", "relapse", "--kind", "count"]) == 0
    assert "hmchain request check relapse.toml" in capsys.readouterr().out
    assert main(["request", "new", "relapse"]) == 2, "nothing is overwritten"
    path = tmp_path / "relapse.toml"
    assert main(["request", "check", "relapse.toml"]) == 2
    assert "[datasets] is empty" in capsys.readouterr().err
    text = path.read_text().replace('# north = "scans"', 'north = "scans@2"').replace('title = ""', 'title = "Relapse"')
    text = text.replace('"""\n"""', '"Dr West asks who relapses."').replace('contact = ""', 'contact = "Dr West"')
    path.write_text(text.replace('# protocol = "protocol.pdf"', 'protocol = "protocol.pdf"'))
    assert main(["request", "check", "relapse.toml"]) == 2
    assert "protocol.pdf cannot be read" in capsys.readouterr().err
    (tmp_path / "protocol.pdf").write_bytes(b"%PDF-1.7")
    assert main(["request", "check", "relapse.toml", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["datasets"] == [{"organisation": "north", "dataset": "scans", "version": 2}]
    assert found["attachments"] == [{"kind": "protocol", "file": "protocol.pdf", "media": "application/pdf", "size": 8}]
    assert "benefit" in found["unanswered"] and "contact" not in found["unanswered"]
    assert main(["request", "check", "relapse.toml"]) == 0
    assert "north: scans version 2" in capsys.readouterr().out
