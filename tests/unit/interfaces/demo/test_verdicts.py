"""The scientist's verdict is as good as what was measured, and no better."""

from __future__ import annotations

import pytest

from hmchain.interfaces.demo.verdicts import of_model
from hmchain.interfaces.report.parts import Estimate, HospitalResult, Metrics, Results

Gain = tuple[float, float, float]
SURE, CHANCE, LOSS = (0.06, 0.03, 0.1), (0.004, -0.01, 0.02), (-0.05, -0.08, -0.02)


def results(auc: list[Gain], acc: list[Gain]) -> Results:
    own = Metrics(auc=Estimate(value=0.8), acc=Estimate(value=0.7))
    joint = Metrics(auc=Estimate(value=0.9), acc=Estimate(value=0.8))
    rows = tuple(
        HospitalResult(hospital=name, own=own, federated=joint, gain_auc=_estimate(by_auc), gain_acc=_estimate(by_acc))
        for name, by_auc, by_acc in zip(("alder", "birch", "cedar"), auc, acc, strict=True)
    )
    return Results(hospitals=rows, federated=joint, own_mean=own)


def _estimate(gain: Gain) -> Estimate:
    value, low, high = gain
    return Estimate(value=value, low=low, high=high)


@pytest.mark.parametrize(
    ("auc", "acc", "good", "words"),
    [
        ([SURE] * 3, [SURE] * 3, True, "all 3 hospitals gain, least"),
        ([SURE, CHANCE, CHANCE], [CHANCE] * 3, True, "1 of 3 hospitals gains more than chance explains, least birch"),
        ([CHANCE] * 3, [CHANCE] * 3, False, "0 of 3 hospitals gain more than chance explains"),
        ([SURE, SURE, LOSS], [SURE] * 3, False, "cedar would do better alone"),
        ([SURE] * 3, [LOSS, SURE, SURE], False, "alder would do better alone"),
    ],
)
def test_a_hospital_gains_only_where_the_interval_excludes_zero(
    auc: list[Gain], acc: list[Gain], good: bool, words: str
) -> None:
    verdict = of_model(results(auc, acc))
    assert verdict.good is good
    assert words in verdict.sentence


def test_a_gain_without_an_interval_is_no_gain() -> None:
    bare = Metrics(auc=Estimate(value=0.5), acc=Estimate(value=0.5))
    row = HospitalResult(hospital="alder", own=bare, federated=bare)
    verdict = of_model(Results(hospitals=(row,), federated=bare, own_mean=bare))
    assert not verdict.good and "0 of 1 hospitals gain" in verdict.sentence


def test_an_undefined_score_is_said_to_be_so() -> None:
    nothing = Metrics(auc=Estimate(value=None), acc=Estimate(value=None))
    row = HospitalResult(hospital="alder", own=nothing, federated=nothing)
    verdict = of_model(Results(hospitals=(row,), federated=nothing, own_mean=nothing))
    assert not verdict.good and "AUC undefined" in verdict.sentence
