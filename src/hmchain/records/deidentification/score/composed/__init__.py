"""A collection of made-up patients in ten modalities, composed together with the key to what must become of it."""

from hmchain.records.deidentification.score.composed.collection import Composed, compose

__all__ = ["Composed", "compose"]
