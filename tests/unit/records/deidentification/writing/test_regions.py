"""Cells that touch are one region; regions that meet become one."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from hmchain.records.deidentification.writing import Region
from hmchain.records.deidentification.writing.regions import merged, regions


def test_components_are_those_that_another_library_finds() -> None:
    random = np.random.default_rng(2)
    for share in (0.02, 0.2, 0.4, 0.6, 0.95):
        scores = random.random((40, 61)).astype(np.float32)
        hot = scores > 1 - share
        labels, count = ndimage.label(hot, np.ones((3, 3)))
        boxes = {(s[1].start, s[0].start, s[1].stop - s[1].start, s[0].stop - s[0].start)
                 for s in ndimage.find_objects(labels)}  # fmt: skip
        found = regions(scores, 1 - share, 1 - share)
        assert len(found) == count
        assert {(one.left, one.top, one.width, one.height) for one in found} == boxes
        assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def test_a_spiral_is_one_region() -> None:
    scores = np.zeros((31, 31), np.float32)
    for ring in range(0, 15, 2):
        scores[ring, ring : 31 - ring] = scores[30 - ring, ring : 31 - ring] = 1
        scores[ring : 31 - ring, 30 - ring] = scores[ring + 2 : 31 - ring, ring] = 1
        scores[ring + 2, ring + 1] = 1
    assert len(regions(scores, 0.5, 0.5)) == 1


def test_a_region_has_a_sure_cell_and_reaches_as_far_as_its_outskirts() -> None:
    scores = np.zeros((9, 9), np.float32)
    scores[2, 2:5] = 0.5
    scores[6, 4:8] = (0.4, 0.9, 0.4, 0.2)
    assert regions(scores, 0.6, 0.3) == [Region(4, 6, 3, 1, scores[6, 5].item())]
    assert regions(scores, 0.9, 0.1) == []


def test_letters_of_a_word_are_merged_and_a_far_one_stays() -> None:
    letters = [Region(0, 0, 8, 8, 0.9), Region(12, 0, 8, 8, 0.7), Region(24, 2, 8, 8, 0.8), Region(100, 0, 8, 8, 0.6)]
    assert merged(letters, 8) == [Region(0, 0, 32, 10, 0.9), Region(100, 0, 8, 8, 0.6)]
    assert merged([], 8) == []
