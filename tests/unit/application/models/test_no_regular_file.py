"""A named pipe where a study left something: whoever looks waits for nobody."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hmchain.application.disclosure import evidence
from hmchain.application.models import scores
from hmchain.errors import HMChainError


@pytest.mark.parametrize("load", [evidence.load, scores.load])
def test_a_pipe_is_no_file_of_a_study(load: object, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "left.json")
    with pytest.raises(HMChainError, match="can be read"):
        load(tmp_path / "left.json")  # type: ignore[operator]
