"""A demo hospital's pictures take the road of every hospital, once, however often the run is stopped on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hmchain.application.consent.usable import Use, UseKind
from hmchain.application.hospital.consortium import Consortium
from hmchain.application.site.run import RunFolder
from hmchain.interfaces.demo import preparation, road
from hmchain.interfaces.demo.on_embedded import Embedded
from hmchain.interfaces.demo.preparation import DATASET, Prepared
from hmchain.interfaces.demo.road import Arrival
from hmchain.interfaces.demo.settings import DemoSettings
from hmchain.ledger.contracts.data import datasets
from support.demo_run import write_images


class PowerCutError(Exception):
    """The machine stops in the middle."""


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_images(tmp_path_factory.mktemp("data") / "bars", per_class=40)
    (folder / "high" / "000.png").write_bytes(b"torn")
    (folder / "low" / "001.png").write_bytes((folder / "low" / "000.png").read_bytes())
    return folder


def loaded(images: Path, run: Path) -> Prepared:
    settings = DemoSettings(dataset=str(images), hospitals=3, rounds=2, steps=1, image_size=16, seed=5)
    return preparation.load(settings, RunFolder(run), lambda done, of: None)


def travel(prepared: Prepared, consortium: Consortium) -> list[Arrival]:
    return road.travel(prepared, consortium, None, lambda done, of: None)


def told(arrivals: list[Arrival]) -> list[object]:
    """What does not depend on keys and clocks."""
    return [
        (each.hospital, each.files, each.scans.records, each.duplicates, each.removed, each.train, each.validation,
         [(item.reason, item.state, item.reviewer) for item in each.held])
        for each in arrivals
    ]  # fmt: skip


def test_every_file_becomes_a_record_or_somebody_decided_about_it(images: Path, tmp_path: Path) -> None:
    prepared = loaded(images, tmp_path)
    with Embedded().stage(prepared, None) as stage:
        arrivals = travel(prepared, stage.consortium)
        for each in arrivals:
            assert each.files == each.scans.records + each.duplicates + len(each.held)
            assert each.images.records == each.scans.records == each.train.total() + each.validation
            published = datasets.version(stage.consortium.ledger.state, each.hospital, DATASET, 1)
            assert published is not None and published.root == each.images.root
            hospital = stage.consortium.hospitals[each.hospital]
            cohort = hospital.cohort(hospital.usable(DATASET, 1, Use(UseKind.TRAIN, recipients=("alder",))))
            counts = np.bincount(cohort.train_labels, minlength=3).tolist()
            assert counts == [each.train[name] for name in prepared.images.classes]
    held = [(each.hospital, item.state, item.reviewer) for each in arrivals for item in each.held]
    steward = ("alder", "rejected", "steward of alder (simulated)")
    assert held == [steward, steward]  # the file that is torn, and the picture that the demo cut short
    assert sum(each.duplicates for each in arrivals) <= 1
    assert sum(each.files for each in arrivals) + len(prepared.split.test) == 120 + 1


@pytest.mark.network
@pytest.mark.parametrize("cut", ["extracting", "preparing", "publishing"])
def test_a_road_that_was_cut_short_is_gone_to_its_end(
    cut: str, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = loaded(images, tmp_path / "whole"), loaded(images, tmp_path / "broken")
    with Embedded().stage(whole, None) as stage:
        undisturbed = told(travel(whole, stage.consortium))
    with Embedded().stage(broken, None) as stage:
        with monkeypatch.context() as patch, pytest.raises(PowerCutError):
            travel(_cut(broken, cut, patch), stage.consortium)
        resumed = travel(broken, stage.consortium)
        assert told(resumed) == undisturbed
        for each in resumed:
            assert datasets.version(stage.consortium.ledger.state, each.hospital, DATASET, 1) is not None
        assert told(travel(broken, stage.consortium)) == undisturbed


def _cut(prepared: Prepared, where: str, patch: pytest.MonkeyPatch) -> Prepared:
    def stop(*_: object, **__: object) -> bytes:
        raise PowerCutError

    if where == "preparing":
        patch.setattr(road.preparation, "prepare", stop)
    elif where == "publishing":
        patch.setattr(road.publication, "publish", stop)
    else:
        last = prepared.shares["maple"].train[-1]
        torn = list(prepared.images.originals)
        torn[last] = replace(torn[last], read=stop)
        return replace(prepared, images=replace(prepared.images, originals=tuple(torn)))
    return prepared
