"""Audit: the whole record executed again, what made a model, the hospital's security events."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import Query

from hmchain.application.access.permissions import AUDITOR, OFFICER, OPERATOR, STEWARD, Operation, Rule, Scope
from hmchain.application.governance import bundling
from hmchain.application.jobs.jobs import Job
from hmchain.application.node import event_audit, folder_audit
from hmchain.application.security.account import Account, kinds_named
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import NAME_OR_NONE, Hash, Nothing
from hmchain.interfaces.api.routing import Routes
from hmchain.interfaces.report.reader import ReportReader
from hmchain.ledger.readers.lineage import DatasetTrace, StudyTrace
from hmchain.ledger.readers.replay import TrustedHeader
from hmchain.plain import Progress

VIEW = Rule(Operation.VIEW, Scope.NETWORK)
SEE_EVENTS = Rule(Operation.VIEW, Scope.HOSPITAL, (AUDITOR, OFFICER, OPERATOR, STEWARD))
ANCHOR = Rule(Operation.OPERATE, Scope.HOSPITAL, (STEWARD, OPERATOR))

routes = Routes("audit")

Study = Annotated[str, Query(pattern=NAME_OR_NONE, description="Of which study.")]
OfMember = Annotated[
    str, Query(alias="dataset", pattern="^([a-z0-9][a-z0-9._-]{0,47}/[a-z0-9][a-z0-9._-]{0,47})?$",
               description="Or of which dataset: ORGANISATION/NAME."),
]  # fmt: skip
Since = Annotated[int, Query(ge=0, le=2**53, description="Milliseconds since 1970.")]
Kinds = Annotated[list[str], Query(max_length=40, description="Only of this kind: key.changed; key for all of them.")]


class AnchoredEvents(msgspec.Struct, frozen=True):
    """A log of security events, as far as the ledger knows it."""

    size: int
    """Events."""
    height: int


class Anchors(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an auditor knows by another way."""

    genesis: Hash | None = None
    """Digest of the genesis, as it was printed when the network was made."""
    block: tuple[Annotated[int, msgspec.Meta(ge=1, le=2**53)], Hash] | None = None
    """Height and hash of a block that a member vouches for."""


@routes.post("/audit/verification", VIEW, job=True, commands=("audit verify", "node audit"), example=Anchors("0" * 64))
def verify_ledger(call: Call, body: Anchors) -> Job:
    """Replay the ledger from genesis: every signature, link, root and state, then every other file beside it."""
    genesis = bytes.fromhex(body.genesis) if body.genesis else None
    trusted = TrustedHeader(body.block[0], bytes.fromhex(body.block[1])) if body.block else None
    place, ledger = call.site.place, call.ledger_folder

    def work(progress: Progress) -> object:
        return folder_audit.verify(
            place, ledger, ReportReader(), genesis, trusted=trusted, progress=progress, passphrase=call.passphrase
        )

    return call.begin("audit verify", "ledger", work)


@routes.get("/audit/trace", VIEW, commands=("audit trace",))
def trace(call: Call, study: Study = "", dataset: OfMember = "") -> StudyTrace | DatasetTrace:
    """Which data, decisions, code, updates and masters made a model; or who used a dataset, on whose word."""
    with call.whole_ledger() as ledger:
        return ledger.trace(study or None, dataset or None)


@routes.get("/audit/events", SEE_EVENTS, commands=("audit events",))
def list_events(call: Call, since_ms: Since = 0, kinds: Kinds = []) -> Account:  # noqa: B006
    """The hospital's security events, checked against themselves and their anchors on the ledger."""
    with call.ledger() as ledger:
        return event_audit.examine(call.folder, ledger, since_ms=since_ms, kinds=kinds_named(kinds))


@routes.post("/audit/anchors", ANCHOR, signs=True, commands=("audit anchor",), example=Nothing())
def anchor_events(call: Call, body: Nothing) -> AnchoredEvents:
    """Anchor the log of security events on the ledger now, as the agent does from time to time."""
    with call.user() as user:
        made = bundling.anchor(user, call.node)
    return AnchoredEvents(made.size, made.height)
