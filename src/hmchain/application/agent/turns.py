"""Who answers when: some at once, the others only where that was not enough, so that fewer transactions are sent."""

from __future__ import annotations

from hmchain.ledger.contracts.learning.rounds import Round
from hmchain.ledger.contracts.learning.studies import Study

STEP_MS = 200
"""How long each participant waits for the one before it to say that a deadline has passed."""
OPENING_STEP_MS = 1_000
"""As `STEP_MS`, where a study did not open in time."""
AGENT_RESTART_MS = 90_000
"""How long a phase may last, once for each hospital, that cannot end well without one whose agent is silent."""
MACHINE_RESTART_MS = 600_000
"""The same where its node is silent too: its machine may be starting again."""
PATIENCE_WORDS = "where a round needs a hospital, it has 90 s once in a study, 10 min if its node is silent too"
PATIENCE_MS = 2_000
"""How long those who need not answer wait for those who should: this, or a quarter of the phase."""


def is_late(entry: Round, span_ms: int, now_ms: int) -> bool:
    """Whether a phase of `span_ms` has taken so long that others should answer too."""
    return now_ms - (entry.deadline_ms - span_ms) > min(PATIENCE_MS, span_ms // 4)


def first_verifiers(study: Study, entry: Round) -> list[str]:
    """Those who check first what the master posted: so many that one of them is honest."""
    others = [name for name in entry.ranking if name != entry.master]
    return others[: study.spec.witnesses]
