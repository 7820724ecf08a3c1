"""Words that stand on the ledger: another spelling would be another ledger."""

from __future__ import annotations

from hmchain.canonical import encode
from hmchain.ledger.contracts.learning.rounds import Phase, Verdict
from hmchain.ledger.contracts.learning.studies import Status


def test_statuses_phases_and_verdicts_are_the_words_of_the_first_ledgers() -> None:
    words = ["proposed", "agreeing", "confirming", "running", "paused", "finished", "refused", "closed"]
    phases = ["commit", "attest", "reveal", "aggregate", "verify", "gate_commit", "gate_reveal", "final"]
    assert encode(list(Status)) == encode(words)
    assert encode(list(Phase)) == encode(phases)
    assert encode(list(Verdict)) == encode(["", "accepted", "rejected"])
