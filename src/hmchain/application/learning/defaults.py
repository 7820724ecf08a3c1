"""What studies pin if nobody says otherwise, whatever trains."""

from __future__ import annotations

from hmchain.ledger.contracts.learning.studies import Deadlines

HEALTH_RESEARCH = "DUO:0000006"
"""Health, medical or biomedical research (GA4GH Data Use Ontology)."""

CLIP_NORM = 2.0
"""Largest L2 norm of an update: about twice the largest that honest training on the demo's images gave (1.14)."""
CLIP_NORM_RANGE = (0.001, 1000.0)
BITS = 20
GATE_TOLERANCE_PERMYRIAD = 1500
"""A model may be worse than the best by this much AUC on a hospital's validation data, which is small and noisy."""
DEADLINES = Deadlines(
    commit_ms=600_000, attest_ms=60_000, reveal_ms=60_000, aggregate_ms=60_000, verify_ms=60_000, gate_ms=60_000
)
