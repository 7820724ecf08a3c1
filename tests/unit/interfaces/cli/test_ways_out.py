"""What commands print to go on with fits the place where it is printed: a node that runs, one of several studies."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hmchain.application.models.inference import DIFFERS, MATCHES
from hmchain.application.node.ledger_export import RUNNING, ExportedLedger
from hmchain.interfaces.cli import model
from hmchain.interfaces.cli.node import show
from hmchain.ledger.readers import study_status


@pytest.mark.parametrize("trainer", ["", "own:Trainer"])
def test_an_exported_model_is_opened_at_a_node_that_was_never_audited(tmp_path: Path, trainer: str) -> None:
    (tmp_path / "node.toml").touch()
    found = SimpleNamespace(
        path=Path("elsewhere"), ledger=MATCHES, origin=SimpleNamespace(study="relapse"), trainer=trainer
    )
    lines = "\n".join(model.python_lines(cast("Any", found), tmp_path / "ledger"))
    assert f'study_model("{tmp_path}", "relapse")' in lines and "verify" not in lines
    found.ledger = DIFFERS
    assert 'load_model(Path("elsewhere")' in "\n".join(model.python_lines(cast("Any", found), tmp_path / "ledger"))


@pytest.mark.parametrize("origin", [RUNNING, "the stopped node's own store"])
def test_whoever_exports_at_a_running_node_is_not_told_to_start_it(
    capsys: pytest.CaptureFixture[str], origin: str
) -> None:
    show.show_export(ExportedLedger(Path("l.zip"), 1, "c", bytes(32), 3, bytes(32), 2, origin))
    assert ("Start the node" in capsys.readouterr().err) == (origin != RUNNING)


def test_only_studies_that_may_be_meant_are_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study_status, "meant", lambda state: ["one", "two"])
    with pytest.raises(study_status.NoStudyError, match="2 studies may be meant"):
        study_status.default_study(cast("Any", None))
