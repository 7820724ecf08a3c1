"""Drafts since protocol 4: a request for a transfer has a plan as well."""

from __future__ import annotations

from hmchain.ledger.context import Context, require
from hmchain.ledger.contracts.data import applying, transfers
from hmchain.ledger.contracts.data.applying import SaveDraft
from hmchain.ledger.contracts.data.requests import Kind
from hmchain.ledger.contracts.learning import planning


def _save(context: Context, body: SaveDraft) -> None:
    if body.content.kind is not Kind.TRANSFER:
        planning.save(context, body)
        return
    transfers.plan_of(body.content.plan)
    require(not body.content.fields, "bad_fields")  # records travel whole
    applying.save(context, body, is_planned=True)


HANDLERS = {SaveDraft: _save}
