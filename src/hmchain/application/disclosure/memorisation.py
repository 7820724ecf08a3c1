"""Memorisation: whether a model knows single images by heart.

What is counted, of the images that the model was trained on:

- *certain*: it gives the true class at least 0.99. A model that does so for these, and not for other images, knows
  them. Both shares are said; other images are weighted to the same mix of classes.
- *outliers*: p of the true class, less the mean p of reference models without the image, is at least 0.25. That is the
  memorisation of a label by Feldman and Zhang (*What Neural Networks Memorize and Why*, NeurIPS 2020, whose threshold
  it is), with probabilities in place of the shares of many models that are right. As it also happens by chance, it is
  counted among other images too, and what that makes of as many images is said.
- *alike*: it has a near-duplicate among the training images (thumbnails of 16 x 16 correlate above 0.99). Copies are
  learned as often as there are of them, which is what makes models know them (Lee et al., ACL 2022).
- *across*: it has a near-duplicate among the images that were held out. These count as trained on nowhere here.
"""

from __future__ import annotations

import numpy as np

from hmchain.application.disclosure import membership
from hmchain.application.disclosure.evidence import Estimate, Found, Memorisation
from hmchain.application.disclosure.membership import Bools, Floats, Signals

CERTAIN = 0.99
OUTLYING = 0.25
DRAWS = 999
"""Of as many groups, by which it is told whether there are more among those trained on than by chance."""


def memorisation(signals: Signals, across: int | None, seed: int = 0) -> Memorisation:
    """What the signals tell of it; `across` is counted before, since such images are in no signals."""
    members, others = signals.members, ~signals.members
    alike = _alike(signals)
    why = membership.why_unsaid(signals)
    if min(members.sum(), others.sum()) < membership.OTHERS_MIN:
        why = f"{members.sum()} images that it was trained on and {others.sum()} others: too few"
    if why:
        return Memorisation(found=Found.NOT_SAID, why=why, alike=alike, across=across)
    whole, samples = membership.weights(signals, 1, None), membership.weights(signals, membership.RESAMPLES, seed)
    certain = (signals.target >= CERTAIN).astype(np.float64)
    ours, theirs = (_share(certain, side, whole, samples) for side in (members, others))
    is_seen = _exceeds(certain, signals, seed)
    found = Memorisation(
        found=Found.SEEN if is_seen else Found.NOTHING_SEEN,
        why="it is certain of more images that it was trained on than of others" if is_seen else "",
        certain=ours, certain_others=theirs, alike=alike, across=across,
    )  # fmt: skip
    if signals.references is None or signals.inside is None:
        return _with_outliers(found, None, None, is_seen, "outliers are not said: there are no reference models")
    outlying = (signals.target - signals.outside() >= OUTLYING).astype(np.float64)
    expected = _share(outlying, others, whole, samples).value * int(members.sum())
    more = _exceeds(outlying, signals, seed + 1)
    why = "it knows images that models without them do not" if more else ""
    return _with_outliers(found, int(outlying[members].sum()), round(expected, 1), more, why)


def _with_outliers(
    found: Memorisation, outliers: int | None, expected: float | None, is_seen: bool, why: str
) -> Memorisation:
    return Memorisation(
        found=Found.SEEN if is_seen else found.found, why="; ".join(each for each in (found.why, why) if each),
        certain=found.certain, certain_others=found.certain_others, outliers=outliers, outliers_expected=expected,
        alike=found.alike, across=found.across,
    )  # fmt: skip


def _alike(signals: Signals) -> int:
    groups, counts = np.unique(signals.groups[signals.members], return_counts=True)
    return int(counts[counts > 1].sum()) if len(groups) else 0


def _shares(values: Floats, side: Bools, weighted: Floats) -> Floats:
    counted = weighted[:, side]
    return np.asarray((counted @ values[side]) / np.maximum(counted.sum(1), 1e-9), np.float64)


def _share(values: Floats, side: Bools, whole: Floats, samples: Floats) -> Estimate:
    return membership.estimate(_shares(values, side, whole), _shares(values, side, samples))


def _exceeds(values: Floats, signals: Signals, seed: int) -> bool:
    """Whether there are more among those trained on than 39 of 40 draws of as many groups give, class by class.

    Where hardly any of the others has it, resamples of them would all have none, and see too much; this does not.
    """
    random, found = np.random.default_rng(seed), np.zeros(DRAWS + 1)
    names, first, place = np.unique(signals.groups, return_index=True, return_inverse=True)
    sizes = np.bincount(place.reshape(-1), minlength=len(names)).astype(np.float64)
    sums = np.bincount(place.reshape(-1), values, len(names))
    labels, members = signals.labels[first], signals.members[first]
    for label in np.unique(labels[members]):
        own = labels == label
        count = int(members[own].sum())
        if count == own.sum():
            continue  # none of the others is of this class
        ranks = np.argsort(np.argsort(random.random((DRAWS, int(own.sum()))), axis=1), axis=1)
        chosen = np.concatenate([members[own][np.newaxis], ranks < count]).astype(np.float64)
        ours = (chosen @ sums[own]) / (chosen @ sizes[own])
        theirs = ((1 - chosen) @ sums[own]) / ((1 - chosen) @ sizes[own])
        found += float(sizes[own & members].sum()) * (ours - theirs)
    as_much = int((found[1:] >= found[0] - 1e-12).sum())
    return (as_much + 1) / (DRAWS + 1) <= 0.025
