"""The origin of a model, read back from the ledger alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from hmchain.interfaces.report.parts import Count, Lineage, LineageDataset
from hmchain.ledger.readers import lineage


def read_lineage(ledger: Path, study: str) -> Lineage:
    """Where a model comes from, read back from the ledger alone."""
    trace = lineage.trace_study(ledger, study)
    approvals = {decision.organisation: decision for decision in trace.decisions if decision.status == "approved"}
    datasets = tuple(
        LineageDataset(
            hospital=version.organisation,
            digest=version.root.hex(),
            approval=approvals[version.organisation].entry.transaction.hex(),
            withdrawn=version.withdrawn.transaction.hex() if version.withdrawn else "",
        )
        for version in trace.data
        if version.organisation in approvals
    )
    accepted = [entry for entry in trace.rounds if entry.outcome == "accepted" and entry.number > 0]
    led = Counter(entry.aggregates[-1].master for entry in accepted)
    masters = tuple(Count(name=name, count=count) for name, count in sorted(led.items()))
    return Lineage(
        study=study,
        datasets=datasets,
        code_digest=trace.spec.code.hex(),
        rounds_accepted=len(accepted),
        masters=masters,
        model_digest=trace.model_root.hex(),
    )
