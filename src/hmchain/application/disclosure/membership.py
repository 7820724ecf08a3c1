"""Membership inference: how well attacks tell the images that a model was trained on from others, with intervals.

Three attacks on what the model says of an image's true class, p:

- *loss*: p alone, which needs nothing else (Yeom et al., *Privacy Risk in Machine Learning*, CSF 2018);
- *RMIA* (Zarifzadeh, Liu, Shokri, *Low-Cost High-Power Membership Inference Attacks*, ICML 2024): p over the mean p of
  reference models, in how many of other images' it is beaten. *Online* the references were trained on the image in
  one half of them; *offline* in none, and the other half is guessed: Pr(x) = ((1 + a) Pr_OUT(x) + 1 - a) / 2;
- *LiRA* (Carlini et al., *Membership Inference Attacks From First Principles*, IEEE S&P 2022): the likelihood of
  log(p / (1 - p)) under normal distributions of models with the image and without it; offline under the latter alone.

A hospital's training images and others may differ in their mix of classes, which every attack would take for
membership. So other images are weighted: they have the classes' shares of those that were trained on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hmchain.application.disclosure.evidence import Attack, Estimate, Found, References
from hmchain.application.learning import metrics

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

GAMMA = 1.0
"""RMIA: an image counts as beaten where the ratio is at least this; what its authors' own Privacy Meter takes."""
OFFLINE_A = 0.3
"""RMIA offline: how models without an image stand to those with it; what Privacy Meter takes unless it is tuned."""
FALSE_POSITIVES = 0.01
NON_MEMBERS_MIN = 500
"""With fewer, 1 % of them is less than five images, and a rate at that place means nothing."""
MEMBERS_MIN, OTHERS_MIN = 20, 20
"""With fewer of either nothing is said."""
SHADOWS_MIN = 16
"""LiRA is said with so many shadow models; its authors take 64 to 256."""
SHADOWS_OWN_SPREAD = 64
"""With fewer, one spread is estimated for all images together, as its authors do."""
RESAMPLES = 500
CURVE_POINTS = 100
LOSS, RMIA, LIRA = "loss", "RMIA", "LiRA"
SOURCES = {
    LOSS: "Yeom et al., CSF 2018",
    RMIA: "Zarifzadeh, Liu, Shokri, ICML 2024",
    LIRA: "Carlini et al., IEEE S&P 2022",
}
_CLOSEST = 1e-9
"""To 0 and 1, which have no logit."""


@dataclass(frozen=True)
class Signals:
    """What the model, and its reference models, say of the true class of each of n images."""

    target: Floats
    """(n,): probabilities of the model."""
    members: Bools
    """(n,): whether it was trained on the image."""
    labels: Indices
    groups: Indices
    """(n,): near-duplicates have one number, and are on one side."""
    references: Floats | None = None
    """(k, n): probabilities of each reference model."""
    inside: Bools | None = None
    """(k, n): whether that model was trained on the image."""

    @property
    def models(self) -> int:
        """How many references there are."""
        return 0 if self.references is None else len(self.references)

    @property
    def is_online(self) -> bool:
        """Whether every image is among the training images of some references, and not among those of others."""
        inside = self.inside
        return inside is not None and bool((inside.any(0) & ~inside.all(0)).all())

    def outside(self) -> Floats:
        """The mean of the references that were not trained on an image, (n,); NaN where there are none."""
        assert self.references is not None and self.inside is not None
        return _mean(self.references, ~self.inside)


def attacks(signals: Signals, references: References | None, seed: int = 0) -> tuple[Attack, ...]:
    """All attacks that the signals allow, and of the others why not."""
    if why := why_unsaid(signals):
        return tuple(_unsaid(signals, name, why, references) for name in (LOSS, RMIA, LIRA))
    found = [_measured(signals, LOSS, signals.target, None, seed)]
    if references is None or not signals.models:
        why = "there are no reference models to compare with"
        return (*found, *(_unsaid(signals, name, why, None) for name in (RMIA, LIRA)))
    found.append(_measured(signals, f"{RMIA} offline", rmia(signals, online=False), references, seed))
    if signals.is_online:
        found.append(_measured(signals, f"{RMIA} online", rmia(signals, online=True), references, seed))
    if signals.models < SHADOWS_MIN:
        why = f"{signals.models} shadow models; {SHADOWS_MIN} are the fewest"
        return (*found, _unsaid(signals, LIRA, why, references))
    found.append(_measured(signals, f"{LIRA} offline", lira(signals, online=False), references, seed))
    if signals.is_online:
        found.append(_measured(signals, f"{LIRA} online", lira(signals, online=True), references, seed))
    return tuple(found)


def rmia(signals: Signals, *, online: bool) -> Floats:
    """RMIA's scores: how many of the images that the model was not trained on each image beats, (n,)."""
    assert signals.references is not None and signals.inside is not None
    outside = signals.outside()
    if online:
        usual = (_mean(signals.references, signals.inside) + outside) / 2
    else:
        usual = ((1 + OFFLINE_A) * outside + 1 - OFFLINE_A) / 2
    ratio = signals.target / np.maximum(usual, _CLOSEST)
    others = np.sort(ratio[~signals.members])
    beaten = np.searchsorted(others, ratio / GAMMA, side="right")
    # Within the steps that so few others make, the ratio itself decides: the order is that of endlessly many.
    return np.asarray(beaten + ratio / (1 + ratio), np.float64)


def lira(signals: Signals, *, online: bool) -> Floats:
    """LiRA's scores: how likely what the model says is for one trained on the image, (n,)."""
    assert signals.references is not None and signals.inside is not None
    known, said, inside = _logit(signals.references), _logit(signals.target), signals.inside
    without = _log_normal(said, known, ~inside)
    if not online:
        center, spread = _normal(known, ~inside)
        return (said - center) / spread
    return _log_normal(said, known, inside) - without


def _log_normal(said: Floats, known: Floats, chosen: Bools) -> Floats:
    center, spread = _normal(known, chosen)
    return np.asarray(-0.5 * ((said - center) / spread) ** 2 - np.log(spread), np.float64)


def _normal(known: Floats, chosen: Bools) -> tuple[Floats, Floats]:
    """Mean of each image over the chosen models, and the spread: its own with many models, else that of all."""
    center = _mean(known, chosen)
    squares = np.where(chosen, (known - center) ** 2, 0.0)
    if len(known) >= SHADOWS_OWN_SPREAD:
        variance = squares.sum(0) / np.maximum(chosen.sum(0) - 1, 1)
    else:
        variance = np.full(known.shape[1], squares.sum() / max(int((chosen.sum(0) - 1).clip(0).sum()), 1))
    return center, np.sqrt(np.maximum(variance, _CLOSEST))


def _logit(share: Floats) -> Floats:
    held = np.clip(share, _CLOSEST, 1 - _CLOSEST)
    return np.asarray(np.log(held) - np.log1p(-held), np.float64)


def _mean(values: Floats, chosen: Bools) -> Floats:
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(chosen, values, 0.0).sum(0) / chosen.sum(0), np.float64)


# What an attack's scores are worth


def why_none(members: Bools, labels: Indices) -> str:
    """Why nothing can be said of images of these classes, some of which were trained on; empty if something can."""
    ours, theirs = int(members.sum()), int((~members).sum())
    if ours < MEMBERS_MIN:
        return f"{ours} images that it was trained on; {MEMBERS_MIN} are the fewest"
    if theirs < OTHERS_MIN:
        return f"{theirs} images that it was not trained on; {OTHERS_MIN} are the fewest"
    if set(labels[members].tolist()) - set(labels[~members].tolist()):
        return "the images that it was not trained on lack a class"
    return ""


def why_unsaid(signals: Signals) -> str:
    """Why nothing can be said by these signals; empty if something can."""
    said = [signals.target, *([] if signals.references is None else [signals.references])]
    if not all(np.isfinite(each).all() for each in said):
        return "what is predicted of some images is no number"
    return why_none(signals.members, signals.labels)


def _counts(signals: Signals) -> tuple[int, int]:
    members = int(signals.members.sum())
    return members, len(signals.members) - members


def _unsaid(signals: Signals, name: str, why: str, references: References | None) -> Attack:
    members, others = _counts(signals)
    return Attack(
        name=name, source=SOURCES[name], found=Found.NOT_SAID, why=why, members=members, non_members=others,
        references=references,
    )  # fmt: skip


def _measured(signals: Signals, name: str, scores: Floats, references: References | None, seed: int) -> Attack:
    members, others = _counts(signals)
    whole, samples = weights(signals, 1, None), weights(signals, RESAMPLES, seed)
    auc = estimate(areas(scores, signals.members, whole), areas(scores, signals.members, samples))
    rate, why = None, f"no rate at 1 % false positives: {others} non-members, {NON_MEMBERS_MIN} are the fewest"
    if others >= NON_MEMBERS_MIN:
        rate, why = estimate(rates(scores, signals.members, whole), rates(scores, signals.members, samples)), ""
    is_seen = auc.low > 0.5 or (rate is not None and rate.low > FALSE_POSITIVES)
    return Attack(
        name=name, source=SOURCES[name.split()[0]], found=Found.SEEN if is_seen else Found.NOTHING_SEEN, why=why,
        members=members, non_members=others, auc=auc, rate=rate, references=references,
        curve=_curve(scores, signals.members, whole[0]),
    )  # fmt: skip


def weights(signals: Signals, resamples: int, seed: int | None) -> Floats:
    """Resamples of whole groups, members and others apart, (resamples, n); without a seed each image once.

    Others are weighted so that their classes have the members' shares; a resample without a class has none of it.
    """
    drawn = np.ones((resamples, len(signals.members)))
    if seed is not None:
        for place, side in enumerate((signals.members, ~signals.members)):
            groups = signals.groups[side]
            drawn[:, side] = metrics.resample_weights(len(groups), groups, resamples, 2 * seed + place)
    members, labels = signals.members, signals.labels
    for label in np.unique(labels[members]):
        ours, theirs = members & (labels == label), ~members & (labels == label)
        held = drawn[:, theirs].sum(1, keepdims=True)
        drawn[:, theirs] *= np.divide(drawn[:, ours].sum(1, keepdims=True), held, out=held * 0, where=held > 0)
    drawn[:, ~members & ~np.isin(labels, labels[members])] = 0
    return drawn


def areas(scores: Floats, members: Bools, weighted: Floats) -> Floats:
    """Area under the ROC curve under each row of weights: the share of pairs that are told apart, ties half."""
    return metrics.weighted_auc(np.stack([-scores, scores], 1), members.astype(np.int64), weighted)


def rates(scores: Floats, members: Bools, weighted: Floats, at: float = FALSE_POSITIVES) -> Floats:
    """Highest true positive rate with false positives of at most `at`, under each row of weights."""
    up, down = _rising(scores, members, weighted)
    return np.asarray(np.where(down <= at + 1e-12, up, 0.0).max(1), np.float64)


def _rising(scores: Floats, members: Bools, weighted: Floats) -> tuple[Floats, Floats]:
    """True and false positive rates at every distinct score, from the highest down, (rows, scores + 1) from 0."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    counted = weighted[:, order]
    sides = []
    for side in (members[order], ~members[order]):
        sums = np.cumsum(np.where(side, counted, 0.0), axis=1)
        shares = sums[:, ends] / np.maximum(sums[:, -1:], _CLOSEST)
        sides.append(np.concatenate([np.zeros((len(shares), 1)), shares], axis=1))
    return sides[0], sides[1]


def _curve(scores: Floats, members: Bools, weighted: Floats) -> tuple[tuple[float, float], ...]:
    (up,), (down,) = _rising(scores, members, weighted[np.newaxis])
    grid = np.linspace(0, 1, CURVE_POINTS + 1)
    return tuple(
        (round(float(at), 4), round(float(each), 4)) for at, each in zip(grid, np.interp(grid, down, up), strict=True)
    )


def estimate(whole: Floats, samples: Floats) -> Estimate:
    """A number with the percentile interval of its resamples."""
    low, high = metrics.interval(samples)
    return Estimate(value=round(float(whole[0]), 4), low=round(low, 4), high=round(high, 4))
