"""Audit: the whole record executed again, what made a model, the hospital's security events."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import Query
from starlette.responses import Response

from hmchain.application.access.permissions import AUDITOR, OFFICER, OPERATOR, STEWARD, Operation, Rule, Scope
from hmchain.application.governance import bundling
from hmchain.application.jobs.jobs import Job
from hmchain.application.node import bundle, event_audit
from hmchain.application.security.account import Account, kinds_named
from hmchain.interfaces.api import auditing
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import NAME_OF_MEMBER, NAME_OR_NONE, Hash, Nothing
from hmchain.interfaces.api.routes.jobs import JobId, own_job
from hmchain.interfaces.api.routing import Routes, Upload
from hmchain.ledger.readers.lineage import DatasetTrace, StudyTrace
from hmchain.ledger.readers.replay import TrustedHeader

VIEW = Rule(Operation.VIEW, Scope.NETWORK)
WORK = Rule(Operation.VIEW, Scope.HOSPITAL)
"""Hours of this machine's work, and it names the hospital's own files: others verify at a node of their own."""
SEE_EVENTS = Rule(Operation.VIEW, Scope.HOSPITAL, (AUDITOR, OFFICER, OPERATOR, STEWARD))
ANCHOR = Rule(Operation.OPERATE, Scope.HOSPITAL, (STEWARD, OPERATOR))

BUNDLE_BYTES_MAX = 4 << 30

routes = Routes("audit")

Study = Annotated[str, Query(pattern=NAME_OR_NONE, description="Of which study.")]
OfMember = Annotated[
    str,
    Query(alias="dataset", pattern=f"^({NAME_OF_MEMBER})?$", description="Or of which dataset: ORGANISATION/NAME."),
]
Since = Annotated[int, Query(ge=0, le=2**53, description="Milliseconds since 1970.")]
Genesis = Annotated[str, Query(pattern="^([0-9a-f]{64})?$", description="The digest that one noted elsewhere.")]
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


@routes.post("/audit/verification", WORK, job=True, commands=("audit verify", "node audit"), example=Anchors("0" * 64))
def verify_ledger(call: Call, body: Anchors) -> Job:
    """Replay the ledger from genesis: every signature, link, root and state, then every other file beside it."""
    genesis = bytes.fromhex(body.genesis) if body.genesis else None
    trusted = TrustedHeader(body.block[0], bytes.fromhex(body.block[1])) if body.block else None
    return auditing.begin_verification(call, genesis, trusted)


@routes.post("/audit/exports", SEE_EVENTS, job=True, commands=("node export-ledger",), example=Nothing())
def export_ledger(call: Call, body: Nothing) -> Job:
    """Write the ledger into one file that holds all that an audit needs: `/v1/audit/exports/{id}` gives it."""
    return auditing.begin_export(call)


@routes.post("/audit/bundles", SEE_EVENTS, job=True, commands=("audit bundle",), example=Nothing())
def make_bundle(call: Call, body: Nothing) -> Job:
    """The same with the hospital's security events, signed with the key of its validator: `audit check` reads it.

    It ends as the log does; `/v1/audit/anchors` anchors that before.
    """
    return auditing.begin_bundle(call)


@routes.get(
    "/audit/exports/{id}", SEE_EVENTS, answer="application/zip", commands=("node export-ledger", "audit bundle")
)
def take_export(call: Call, id: JobId) -> Response:
    """The file that one's own job wrote, as long as no other was made after it."""
    return auditing.exported(call, own_job(call, id))


@routes.post("/audit/bundles/check", WORK, job=True, commands=("audit check",), bytes_max=BUNDLE_BYTES_MAX)
def check_bundle(call: Call, upload: Upload, genesis: Genesis = "") -> Job:
    """Check a bundle that somebody handed over: signature, ledger, log. Nothing of this node is believed for it."""
    digest = bytes.fromhex(genesis) if genesis else None
    return call.begin_on_upload("audit check", "bundle", upload, bundle.judge, digest)


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
