"""What a model's answer rests on: found where it is, by covering it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hmchain.application.learning.model_file import own_preprocessing
from hmchain.application.models import heat

SIDE = 32


class _Model:
    """Answers by the brightness of the upper left quarter alone."""

    preprocessing = own_preprocessing(1, SIDE, SIDE, ("dark", "bright"))

    def network(self) -> None:
        return None


def _answers(network: object, images: Any, prior: object) -> Any:
    bright = images[:, : SIDE // 2, : SIDE // 2].mean(axis=(1, 2, 3)) / 255
    return np.stack([1 - bright, bright], axis=1)


def test_the_part_that_counts_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heat, "predict_probabilities", _answers)
    image = np.zeros((SIDE, SIDE, 1), np.uint8)
    image[4:12, 4:12] = 255
    found = heat.heat_map(_Model(), image, "bright")  # type: ignore[arg-type]
    drops = np.array(found.drops)
    assert drops.shape == (heat.PLACES, heat.PLACES)
    assert drops[2:6, 2:6].min() > 0 and abs(drops[8:, 8:]).max() < 0.02
