"""Words that tell nobody by themselves: terms of imaging that are also names, particles, and words of institutions."""

from __future__ import annotations

from pathlib import Path

import msgspec

from hmchain import decoding


class _Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    terms: str
    particles: str
    places: str
    makers: str
    technique: str


_WORDS = decoding.from_toml((Path(__file__).parent / "rules" / "words.toml").read_bytes(), _Words)

HARMLESS = frozenset(_WORDS.terms.split())
"""Names that are also terms of imaging."""
PARTICLES = frozenset(_WORDS.particles.split())
"""Words of names that are nobody's: particles, titles and degrees."""
PLACES = frozenset((_WORDS.places + _WORDS.makers).split())
"""Words of institutions' names and addresses that tell none of them from others, and makers of devices."""
TECHNIQUE = frozenset(_WORDS.technique.split())
"""Words that makers write into coded elements: by themselves there they are nobody's name, whoever is called so."""
