"""Codes of studies and of models."""

from __future__ import annotations

from hmchain.interfaces.portal.texts import Later, later

PHASES: dict[str, Later] = {
    "commit": later("hospitals train, and commit to their updates"),
    "attest": later("others fetch each update, and see that it is there"),
    "reveal": later("seeds of masks are revealed"),
    "aggregate": later("the master sums"),
    "verify": later("others compute the sum again"),
    "gate_commit": later("hospitals vote on the model, sealed"),
    "gate_reveal": later("the votes are opened"),
    "final": later("the round is over"),
}
UNLIKE: dict[str, Later] = {
    "blank": later("Nothing can be told apart on it: all of it is about as bright."),
    "coloured": later("It has colours; the model learned from grey images, and was shown it in grey."),
    "small": later("It has fewer pixels than the model looks at: it was enlarged."),
    "stretched": later("Its sides are in another proportion: it was stretched or squeezed."),
}
"""How an image is unlike those that a model learned from."""
