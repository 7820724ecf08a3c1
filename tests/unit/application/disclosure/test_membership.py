"""Attacks against what is known: ROC figures against scikit-learn, models that leak everything, a little, nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from hmchain.application.disclosure import membership
from hmchain.application.disclosure.evidence import Attack, Found, References
from hmchain.application.disclosure.membership import Bools, Floats, Signals, areas, attacks, lira, rates, rmia, weights

TOY = References(models=16, by="a test", on="halves", seconds=0.0)


def signals(leak: float, n: int = 600, models: int = 16, others: int = 600, seed: int = 1) -> Signals:
    """Images of different difficulty, whose training lifts the logit of their class by `leak`."""
    random = np.random.default_rng(seed)
    members = np.arange(n + others) < n
    labels = random.integers(0, 2, n + others)
    hard = random.normal(1.5, 2.0, n + others)
    halves = [random.permutation(n + others) < (n + others) // 2 for _ in range(models // 2)]
    inside = np.array([each for half in halves for each in (half, ~half)])

    def said(trained: Bools) -> Floats:
        return 1 / (1 + np.exp(-(hard + leak * trained + random.normal(0, 0.5, trained.shape))))

    known = (said(inside), inside) if models else (None, None)
    return Signals(said(members), members, labels, np.arange(n + others), *known)


def named(found: tuple[Attack, ...]) -> dict[str, Attack]:
    return {each.name: each for each in found}


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.integers(2, 60), st.integers(1, 8))
def test_areas_and_rates_are_those_of_scikit_learn(seed: int, n: int, steps: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.integers(0, steps, n).astype(np.float64)
    members = random.random(n) < 0.5
    members[:2] = True, False
    weighted = random.integers(0, 4, (3, n)).astype(np.float64)
    weighted[:, :2] = 1
    for row, area, rate in zip(
        weighted, areas(scores, members, weighted), rates(scores, members, weighted, 0.2), strict=True
    ):
        assert area == pytest.approx(roc_auc_score(members, scores, sample_weight=row))
        false, true, _ = roc_curve(members, scores, sample_weight=row, drop_intermediate=False)
        assert rate == pytest.approx(true[false <= 0.2 + 1e-12].max())


def test_a_model_that_leaks_nothing_is_told_by_chance_alone() -> None:
    for attack in attacks(signals(0.0), TOY):
        assert attack.auc is not None and attack.rate is not None
        assert attack.auc.low < 0.5 < attack.auc.high
        assert attack.rate.low < 0.012
        assert attack.found is Found.NOTHING_SEEN


def test_a_model_that_leaks_is_seen_and_references_see_more() -> None:
    found = named(attacks(signals(1.5), TOY))
    area = {name: each.auc.value for name, each in found.items() if each.auc}
    rate = {name: each.rate.value for name, each in found.items() if each.rate}
    assert all(each.found is Found.SEEN for each in found.values())
    assert area["loss"] < 0.75 < area["RMIA offline"]
    assert area["LiRA online"] > 0.9, "the toy is what LiRA supposes: its test is the most powerful"
    assert area["LiRA online"] >= max(area.values()) - 0.01
    assert rate["LiRA online"] > 10 * rate["loss"]


def test_one_that_knows_all_by_heart_is_told_for_certain() -> None:
    found = named(attacks(signals(12.0), TOY))
    assert found["LiRA online"].auc.value > 0.99  # type: ignore[union-attr]
    assert found["RMIA online"].rate.value > 0.5  # type: ignore[union-attr]


def test_intervals_hold_what_is_true_about_as_often_as_they_say() -> None:
    endless = signals(1.0, n=20_000, models=0, others=20_000)
    truth = roc_auc_score(endless.members, endless.target)
    held = 0
    for seed in range(60):
        found = attacks(signals(1.0, n=100, models=0, others=100, seed=100 + seed), None, seed)[0].auc
        assert found is not None
        held += found.low <= truth <= found.high
    assert 52 <= held <= 60, "95 % of 60 are 57"


def test_another_mix_of_classes_is_no_membership() -> None:
    """A class that is easy, and more frequent among the training images, looks like membership and is not."""
    random = np.random.default_rng(3)
    members = np.arange(2000) < 1000
    labels = (random.random(2000) < np.where(members, 0.8, 0.3)).astype(np.int64)
    target = np.clip(0.5 + 0.4 * labels + random.normal(0, 0.05, 2000), 0, 1)
    matched = Signals(target, members, labels, np.arange(2000))
    assert roc_auc_score(members, target) > 0.7
    auc = attacks(matched, None)[0].auc
    assert auc is not None and auc.low < 0.5 < auc.high
    weighted = weights(matched, 3, 7)
    for row in weighted:
        share = [row[side & (labels == 1)].sum() / row[side].sum() for side in (members, ~members)]
        assert share[0] == pytest.approx(share[1])


def test_groups_are_drawn_whole() -> None:
    groups = np.repeat(np.arange(50), 4)
    made = Signals(np.linspace(0, 1, 200), np.arange(200) < 100, np.zeros(200, np.int64), groups)
    drawn = weights(made, 5, 1)[:, :100].reshape(5, 25, 4)
    assert (drawn == drawn[:, :, :1]).all()


def test_copies_make_intervals_wide_and_not_narrow() -> None:
    single = signals(0.5, n=100, models=0, others=100)
    copied = Signals(*(np.repeat(each, 10) for each in (single.target, single.members, single.labels, single.groups)))
    one, ten = (attacks(each, None)[0].auc for each in (single, copied))
    assert one is not None and ten is not None
    assert ten.high - ten.low == pytest.approx(one.high - one.low, abs=0.02)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (signals(1.0, n=19, models=0), "19 images that it was trained on"),
        (signals(1.0, n=30, models=0, others=0), "0 images that it was not trained on"),
    ],
)
def test_with_too_few_nothing_is_said(made: Signals, why: str) -> None:
    for attack in attacks(made, TOY):
        assert attack.found is Found.NOT_SAID and why in attack.why
        assert attack.auc is None and attack.rate is None and not attack.curve


def test_a_rate_takes_five_hundred_others() -> None:
    few, many = (attacks(signals(1.0, models=0, others=count), None)[0] for count in (499, 500))
    assert few.rate is None and "499 non-members" in few.why and few.auc is not None
    assert many.rate is not None and not many.why


def test_a_class_that_others_lack_is_said() -> None:
    made = signals(1.0, models=0)
    labels = np.where(made.members, made.labels, 0)
    (loss, *_) = attacks(Signals(made.target, made.members, labels, made.groups), None)
    assert loss.found is Found.NOT_SAID and "lack a class" in loss.why


def test_without_references_and_with_few_it_is_said_what_cannot_be() -> None:
    found = named(attacks(signals(1.0, models=0), None))
    assert [each.found for each in found.values()] == [Found.SEEN, Found.NOT_SAID, Found.NOT_SAID]
    found = named(attacks(signals(1.0, models=4), References(models=4, by="", on="", seconds=0)))
    assert found["RMIA online"].auc is not None
    assert found["LiRA"].found is Found.NOT_SAID and "4 shadow models" in found["LiRA"].why


def test_references_that_know_no_image_allow_the_offline_attacks_alone() -> None:
    made = signals(1.5)
    assert made.references is not None and made.inside is not None
    outside = Signals(
        made.target, made.members, made.labels, made.groups, signals(0.0).references, np.zeros_like(made.inside)
    )
    assert [each.name for each in attacks(outside, TOY)] == ["loss", "RMIA offline", "LiRA offline"]


def test_rmia_is_the_papers_formula() -> None:
    """Eq. of the ratio, and Pr(x) from models without the image; image by image, as the paper has it."""
    made = signals(1.0, n=40, others=40, models=4)
    assert made.references is not None and made.inside is not None
    usual = []
    for x in range(80):
        without = [made.references[k][x] for k in range(4) if not made.inside[k][x]]
        usual.append(((1 + 0.3) * np.mean(without) + (1 - 0.3)) / 2)
    ratio = made.target / np.array(usual)
    beaten = [(ratio[x] / ratio[~made.members] >= membership.GAMMA).mean() for x in range(80)]
    assert np.floor(rmia(made, online=False)) / 40 == pytest.approx(np.array(beaten), abs=1e-9)


def test_lira_is_the_papers_formula() -> None:
    from scipy.stats import norm

    made = signals(1.0, n=40, others=40, models=64)
    assert made.references is not None and made.inside is not None
    logit = np.log(made.references / (1 - made.references))
    said = np.log(made.target / (1 - made.target))
    scores = lira(made, online=True)
    for x in range(0, 80, 9):
        sides = [logit[chosen[:, x], x] for chosen in (made.inside, ~made.inside)]
        with_it, without = (norm(side.mean(), side.std(ddof=1)).logpdf(said[x]) for side in sides)
        assert scores[x] == pytest.approx(with_it - without)
