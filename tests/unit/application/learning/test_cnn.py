"""FL-CNN: layout, weights, file and prediction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hmchain.application.learning.schedule import generator
from hmchain.application.learning.trainers import architecture, cnn
from hmchain.application.learning.trainers.architecture import (
    Architecture,
    ArchitectureError,
    Preprocessing,
    code_digest,
    dimension,
    first_model_seed,
    initial_vector,
    layers,
)
from hmchain.canonical import decode, encode
from hmchain.records.pictures.decode import NotAnImageError

SMALL = Architecture.for_images(28, 28, channels=1, classes=2, filters=8)
SEED = b"seed" * 8


def preprocessing(arch: Architecture = SMALL, counts: tuple[int, ...] = (30, 10)) -> Preprocessing:
    names = tuple(f"class {k}" for k in range(arch.classes))
    return Preprocessing.for_model(arch, names, counts)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(28, 28), (64, 64), (128, 96), (225, 225)])
def test_the_network_takes_every_size_and_colour(height: int, width: int, channels: int) -> None:
    arch = Architecture.for_images(height, width, channels, classes=5)
    images = np.zeros((2, height, width, channels), np.uint8)
    assert cnn.build(arch)(cnn.to_input(images)).shape == (2, 5)


def test_layers_lie_end_to_end_as_the_network_has_them() -> None:
    network = cnn.build(SMALL)
    shapes = [(name, tuple(p.shape)) for name, p in network.named_parameters()]
    assert [(layer.name, layer.shape) for layer in layers(SMALL)] == shapes
    assert all(layer.size == np.prod(layer.shape) for layer in layers(SMALL))
    assert dimension(SMALL) == sum(p.numel() for p in network.parameters())


def test_there_are_no_running_statistics_to_average() -> None:
    assert not list(cnn.build(SMALL).buffers())


@given(st.binary(min_size=32, max_size=32))
@settings(max_examples=20, deadline=None)
def test_vector_round_trip(seed: bytes) -> None:
    vector = initial_vector(SMALL, seed)
    network = cnn.build(SMALL)
    cnn.load_vector(network, vector)
    assert np.array_equal(cnn.to_vector(network), vector)
    assert vector.dtype == np.float32
    assert np.array_equal(vector, initial_vector(SMALL, seed))


def test_every_chain_and_study_has_a_first_model_of_its_own() -> None:
    places = [(bytes(32), "a"), (bytes(32), "b"), (b"\1" + bytes(31), "a")]
    seeds = {first_model_seed(*place) for place in places}
    models = {initial_vector(SMALL, seed).tobytes() for seed in seeds}
    assert len(seeds) == len(models) == 3


def test_every_bit_of_a_seed_counts() -> None:
    seeds = [bytes(32)] + [(1 << bit).to_bytes(32, "big") for bit in range(256)]
    assert len({generator(seed).bytes(16) for seed in seeds}) == 257


def test_a_vector_of_another_network_is_refused() -> None:
    with pytest.raises(ArchitectureError, match="weights"):
        cnn.load_vector(cnn.build(SMALL), np.zeros(3, np.float32))


@pytest.mark.parametrize(
    "change",
    [{"name": "resnet"}, {"channels": 2}, {"height": 4}, {"classes": 1}, {"filters": 12}, {"stem_stride": 3}],
)
def test_an_unknown_architecture_is_refused(change: dict[str, int | str]) -> None:
    usual = {"channels": 1, "height": 28, "width": 28, "classes": 2, "filters": 8, "stem_stride": 1}
    with pytest.raises(ArchitectureError):
        Architecture(**(usual | change))  # type: ignore[arg-type]


def test_an_architecture_has_one_encoding() -> None:
    assert decode(encode(SMALL), Architecture) == SMALL


def test_the_code_digest_follows_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = code_digest()
    assert before == code_digest()
    learning = Path(cnn.__file__).parents[1]
    (tmp_path / "trainers").mkdir()
    code = ("architecture", "cnn", "cnn_trainer", "local")
    for name in ("schedule.py", *(f"trainers/{each}.py" for each in code)):
        (tmp_path / name).write_bytes((learning / name).read_bytes())
    monkeypatch.setattr(architecture, "__file__", str(tmp_path / "trainers" / "architecture.py"))
    assert code_digest() == before
    (tmp_path / "trainers" / "cnn_trainer.py").write_text("# another trainer")
    assert code_digest() != before


def test_prediction_adds_the_logarithm_of_the_global_prior() -> None:
    network = cnn.build(SMALL)
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28, 1), np.uint8)
    prior = np.array([0.9, 0.1])
    plain = cnn.predict_probabilities(network, images)
    odds = cnn.predict_probabilities(network, images, prior)
    expected = plain * prior
    assert odds == pytest.approx(expected / expected.sum(1, keepdims=True))


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(NotAnImageError):
        cnn.prepare_image(b"not an image", preprocessing())
    for array in (np.zeros((28, 28)), np.zeros((28, 28, 4), np.uint8), np.zeros(28, np.uint8)):
        with pytest.raises(cnn.ImageError, match="uint8"):
            cnn.prepare_image(array, preprocessing())


def test_colour_becomes_grey_and_grey_becomes_colour() -> None:
    colour = np.zeros((28, 28, 3), np.uint8)
    assert cnn.prepare_image(colour, preprocessing()).shape == (28, 28, 1)
    arch = Architecture.for_images(28, 28, channels=3, classes=2)
    grey = np.zeros((28, 28), np.uint8)
    assert cnn.prepare_image(grey, preprocessing(arch)).shape == (28, 28, 3)


def test_scaling_to_the_network() -> None:
    images = np.array([[[0, 255]]], np.uint8)
    assert torch.equal(cnn.to_input(images), torch.tensor([[[[-1.0, 1.0]]]]))


def test_a_class_that_nobody_has_keeps_a_positive_prior() -> None:
    prior = preprocessing(counts=(10**9, 0)).prior
    assert prior.min() > 0
    assert prior.sum() == pytest.approx(1)
