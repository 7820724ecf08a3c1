"""Plans of requests for training: what a permit will allow is a study's specification, and nothing that people write.

Decisions bind a plan by its digest, so any bytes would do for them. But a draft stands on the ledger, and what stands
there can never be taken back; so a plan is what its kind says before it is kept.
"""

from __future__ import annotations

from msgspec.structs import replace

from hmchain.canonical import encode
from hmchain.ledger import phrases
from hmchain.ledger.context import Context, require
from hmchain.ledger.contracts.data import applying, datasets, describing
from hmchain.ledger.contracts.data.applying import SaveDraft
from hmchain.ledger.contracts.data.requests import Kind
from hmchain.ledger.contracts.learning import studies
from hmchain.ledger.contracts.learning.studies import DatasetUse
from hmchain.ledger.contracts.members import parameters
from hmchain.ledger.transactions import Refusal

TEXT_MAX = 4096
"""Characters in a plan's words: names of a model's arrays, above all."""
_ANYBODY = tuple(DatasetUse(f"{number}", "", 1) for number in range(studies.PARTICIPANTS_MIN))
"""Who takes part is no part of a plan, and is checked once a study is proposed."""


def require_plan(context: Context, plan: bytes) -> None:
    """Refuse (`bad_plan`) what is no study's plan or holds text, or with its own code what no study may pin."""
    spec = studies.of_plan(plan, "", _ANYBODY)
    if spec is None or studies.plan_of(spec) != plan:
        raise Refusal("bad_plan")
    whole = replace(spec, initial_root=bytes(32), initial_weights=bytes(32))
    studies.require_sound(whole, parameters.current(context.state).deadline_ms_min)
    require(datasets.is_sound(spec.schema) and describing.is_plain(spec.schema), "bad_schema")
    pinned = (spec.architecture, spec.training, encode(spec.rule.layers))
    require(all(phrases.holds_no_text(each, TEXT_MAX) for each in pinned), "bad_plan")


def save(context: Context, body: SaveDraft) -> None:
    """Keep a draft whose plan is what its kind says."""
    if body.content.kind is Kind.TRAIN:
        require_plan(context, body.content.plan)
    applying.save(context, body)


HANDLERS = {SaveDraft: save}
