"""A run's report, as an audit of the run's folder reads it: what it says of the ledger, and the page that it gives."""

from __future__ import annotations

from hmchain.interfaces.report.page import render
from hmchain.interfaces.report.summary import RunSummary, from_json
from hmchain.ledger.readers.claims import DecisionClaim, LedgerClaims, OriginClaim


class ReportReader:
    """Reads summaries; the `Reports` of `application.node.folder_audit`."""

    def claims(self, summary: bytes) -> LedgerClaims:
        """All that a summary says of its ledger. Raises `SummaryError`."""
        return claims(from_json(summary))

    def page(self, summary: bytes) -> str:
        """The page that shows a summary. Raises `SummaryError`."""
        return render(from_json(summary))


def claims(summary: RunSummary) -> LedgerClaims:
    """All that a summary says of its ledger."""
    identity, lineage = summary.identity, summary.lineage
    return LedgerClaims(
        genesis=identity.genesis_digest,
        chain_id=identity.chain_id,
        model=identity.model_digest,
        origin=OriginClaim(lineage.study, lineage.code_digest, lineage.model_digest) if lineage else None,
        decisions=tuple(DecisionClaim(e.hospital, e.study, e.decision, e.reason) for e in summary.approvals),
    )
