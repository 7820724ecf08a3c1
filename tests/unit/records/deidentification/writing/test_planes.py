"""The net sees an image in four ways, whatever its values are counted in."""

from __future__ import annotations

import numpy as np
import pytest

from hmchain.records.deidentification.writing import planes
from hmchain.records.deidentification.writing.net import Net

RANDOM = np.random.default_rng(8)


def _soft(rows: int, columns: int) -> planes.Plane:
    y, x = np.mgrid[:rows, :columns]
    noise = RANDOM.normal(0, 4, (rows, columns))
    return np.round(200 + 90 * np.sin(x / 17) * np.cos(y / 23) + noise).astype(np.float32)


@pytest.mark.parametrize(("factor", "offset"), [(1, -1024), (16, 0), (0.001, 5), (-1, 0)])
def test_units_do_not_matter(factor: float, offset: float) -> None:
    image = _soft(60, 80)
    seen, other = planes.channels(image), planes.channels(image * np.float32(factor) + np.float32(offset))
    sign = np.array([factor, factor, factor, 1]) / np.array([abs(factor)] * 3 + [1])
    assert np.abs(seen * sign[:, None, None].astype(np.float32) - other)[:3].max() < 0.01


def test_each_pixel_is_compared_with_those_around_it() -> None:
    image = _soft(50, 40)
    near = planes.channels(image)[2]
    levels = planes.Levels.of(image)
    shown = np.pad((image - levels.dark) / (levels.bright - levels.dark), 20, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(shown, (21, 21))
    off = shown[10:-10, 10:-10] - windows.mean((2, 3))
    inner = off[10:-10, 10:-10]
    spread = np.lib.stride_tricks.sliding_window_view(off, (21, 21)).__pow__(2).mean((2, 3)) ** 0.5
    expected = np.clip(inner / (3 * (spread + 0.002)), -1, 1)
    assert np.abs(near - expected)[12:-12, 12:-12].max() < 0.01


def test_ink_is_where_neighbours_are_equal() -> None:
    image = _soft(30, 30) + RANDOM.random((30, 30)).astype(np.float32)
    image[10:14, 10:20] = 400
    equal = planes.channels(image)[3]
    assert (equal[10:14, 10:20] == 1).all()
    assert (equal[:9] == -1).all()


def test_one_bright_pixel_does_not_hide_the_rest() -> None:
    image = _soft(64, 64)
    image[3, 3] = 60_000
    shown = planes.channels(image)[1]
    assert np.ptp(shown[20:]) > 1.5


def test_colour_is_seen_where_brightness_is_equal() -> None:
    image = np.full((20, 20, 3), 40, np.uint8)
    image[..., 0] = 200
    image[5:9, 5:9] = (40, 200, 40)
    assert len(list(planes.brightness(image[..., :1]))) == 1
    assert len(list(planes.brightness(np.repeat(image[..., :1], 3, 2)))) == 1
    image[5:9, 5:9] = 200
    brightest, coloured = planes.brightness(image)
    assert np.ptp(brightest) == 0
    assert coloured[6, 6] == 0 and coloured[0, 0] == 160


def test_a_large_image_is_scored_strip_by_strip_as_it_would_be_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    image = _soft(700, 90)
    image[300:312, 20:70:3] = 500
    net = Net()
    whole = net.scores(image)
    monkeypatch.setattr("hmchain.records.deidentification.writing.net.PIXELS_A_TIME", 90 * 300)
    assert np.abs(net.scores(image) - whole).max() < 0.05
    assert whole.shape == (175, 23)
