"""Items that were held back: what waits and why, and what people decide about it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import Query

from hmchain.application.access.permissions import STEWARD, Operation, Rule, Scope
from hmchain.application.data import quarantine
from hmchain.application.data.quarantine import Choice, QuarantinePage
from hmchain.application.jobs.jobs import Job
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import like
from hmchain.interfaces.api.routing import Routes
from hmchain.records.catalogue.entries import PENDING
from hmchain.records.catalogue.held_filter import HeldFilter
from hmchain.records.pipeline.review import Reviewer

VIEW = Rule(Operation.VIEW, Scope.HOSPITAL, (STEWARD,))
DECIDE = Rule(Operation.DECIDE, Scope.HOSPITAL, (STEWARD,))

routes = Routes("quarantine")

Limit = Annotated[int, Query(ge=1, le=1000, description="At most so many.")]
Word = Annotated[str, Query(max_length=64, pattern="^[A-Za-z0-9_.-]*$")]
ItemId = Annotated[str, like("[0-9a-f]{4,64}")]
Short = Annotated[str, like("[A-Za-z0-9_.-]*", max_length=64)]


class HeldChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Items that wait: by the first letters of their ids, or by what is known of them."""

    items: Annotated[tuple[ItemId, ...], msgspec.Meta(max_length=1000)] = ()
    dataset: Short = ""
    reason: Short = ""
    kind: Short = ""
    modality: Short = ""
    series: Short = ""
    device: Short = ""
    everything: bool = False
    """Said where nothing narrows it down."""

    @property
    def choice(self) -> Choice:
        """The same as the service takes it."""
        wanted = HeldFilter(
            dataset=self.dataset, code=self.reason, kind=self.kind, modality=self.modality.upper(),
            series=self.series, device=self.device,
        )  # fmt: skip
        return Choice(self.items, wanted, self.everything)


class TakenBack(msgspec.Struct, frozen=True):
    """Decisions that hold no more for what comes later."""

    decisions: int


@routes.get("/quarantine", VIEW, commands=("data quarantine list", "data quarantine review"))
def list_held(
    call: Call, dataset: Word = "", reason: Word = "", kind: Word = "", modality: Word = "", limit: Limit = 100
) -> QuarantinePage:
    """What waits, and why it was held; never what a source calls it, which may tell who it is."""
    wanted = HeldFilter(dataset=dataset, code=reason, kind=kind, modality=modality.upper(), state=PENDING)
    with call.records() as records:
        return quarantine.waiting(records, wanted, limit=limit)


@routes.post("/quarantine/release", DECIDE, job=True, commands=("data quarantine release",),
             example=HeldChoice(items=("3f2a",)))  # fmt: skip
def release_held(call: Call, body: HeldChoice) -> Job:
    """Let items through after one looked at them; where the profile wants two people, the second's counts."""
    who = (Reviewer(call.person.name),)
    return call.begin_on_records(
        "data quarantine release", body.dataset, quarantine.release, body.choice, who, alone=True
    )


@routes.post("/quarantine/rejection", DECIDE, job=True, commands=("data quarantine reject",),
             example=HeldChoice(reason="damaged"))  # fmt: skip
def reject_held(call: Call, body: HeldChoice) -> Job:
    """Keep items out for good; their copies here are erased, at their source they stay."""
    who = (Reviewer(call.person.name),)
    return call.begin_on_records(
        "data quarantine reject", body.dataset, quarantine.reject, body.choice, who, alone=True
    )


@routes.post("/quarantine/asking-again", DECIDE, commands=("data quarantine ask-again",),
             example=HeldChoice(reason="damaged"))  # fmt: skip
def ask_again(call: Call, body: HeldChoice) -> TakenBack:
    """Take decisions back for what comes later: the same content waits for a person again in the next version."""
    with call.records_alone() as records:
        return TakenBack(quarantine.ask_again(records, body.choice.wanted))
