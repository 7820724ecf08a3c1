"""Work in a process of its own: its answers and errors come back, and its end is an error and not the end of us."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hmchain.application.models.apart import Apart
from hmchain.application.models.asking import ModelProcessError
from hmchain.application.site.hospital import HospitalFolder
from hmchain.application.site.persons import PersonNameError, add

pytestmark = pytest.mark.process


@pytest.fixture
def apart() -> Iterator[Apart]:
    found = Apart(answer_seconds=60)
    yield found
    found.close()


def test_answers_and_errors_come_back_and_an_end_is_an_error(apart: Apart, tmp_path: Path) -> None:
    assert apart.run(int, "7") == 7
    with pytest.raises(PersonNameError) as caught:
        apart.run(add, HospitalFolder("a", tmp_path), "", tmp_path / "no.key")
    assert (caught.value.code, bool(caught.value.hint)) == ("person_name", True)
    with pytest.raises(ModelProcessError, match="ValueError") as other:
        apart.run(int, "what a stranger wrote")
    assert "stranger" not in str(other.value)
    with pytest.raises(ModelProcessError, match="ended"):
        apart.run(os._exit, 1)
    assert apart.run(int, "8") == 8
