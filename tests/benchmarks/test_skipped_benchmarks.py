"""Benchmarks whose tool is not installed say so, and leave the others to be run."""

from __future__ import annotations

import json
import shutil
import sys
from importlib import import_module

import pytest

from support.paths import REPOSITORY


def test_who_has_no_validator_of_dicom_still_gets_all_other_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    for more in ([], ["--json"]):
        monkeypatch.setattr(sys, "argv", ["dicom_conformance.py", "--quick", *more])
        import_module("dicom_conformance").main()
    said, as_json = capsys.readouterr().out.splitlines()
    assert said.startswith("skipped: dciodvfy is not installed")
    assert json.loads(as_json)["skipped"] in said
