"""A run's report, as an audit of the run's folder reads it: what it says of the ledger, and the page that it gives."""

from __future__ import annotations

from hmchain.interfaces.report.page import render
from hmchain.interfaces.report.summary import Claimed, OtherSchemaError, RunSummary, claimed, from_json
from hmchain.ledger.readers.claims import DecisionClaim, LedgerClaims, OriginClaim


class ReportReader:
    """Reads summaries; the `Reports` of `application.node.folder_audit`."""

    def claims(self, summary: bytes) -> LedgerClaims:
        """All that a summary says of its ledger. Raises `SummaryError`."""
        return claims(summary)

    def page(self, summary: bytes) -> str:
        """The page that shows a summary, empty if another version wrote it. Raises `SummaryError`."""
        try:
            return render(from_json(summary))
        except OtherSchemaError:
            return ""


def claims(data: bytes) -> LedgerClaims:
    """All that a summary says of its ledger, of an earlier schema too. Raises `SummaryError`."""
    summary: RunSummary | Claimed
    try:
        summary = from_json(data)
    except OtherSchemaError:
        summary = claimed(data)
    identity, lineage = summary.identity, summary.lineage
    return LedgerClaims(
        genesis=identity.genesis_digest,
        chain_id=identity.chain_id,
        model=identity.model_digest,
        origin=OriginClaim(lineage.study, lineage.code_digest, lineage.model_digest) if lineage else None,
        decisions=tuple(DecisionClaim(e.hospital, e.study, e.decision, e.reason) for e in summary.approvals),
    )
