"""What the stewards decide: one study is refused, the other is approved by everybody."""

from __future__ import annotations

from dataclasses import dataclass

from hmchain.application.hospital.consortium import Consortium
from hmchain.application.hospital.hospital import Hospital
from hmchain.application.learning.defaults import DEADLINES, HEALTH_RESEARCH
from hmchain.application.learning.description import TITLE_CHARACTERS_MAX, Description
from hmchain.application.learning.study import study_spec
from hmchain.application.learning.trainers.cnn import code_digest
from hmchain.interfaces.demo.preparation import DATASET, Prepared
from hmchain.interfaces.demo.settings import RunInUseError
from hmchain.keys import WrappingKey
from hmchain.ledger.contracts.learning import approvals, studies
from hmchain.ledger.contracts.learning.approvals import ApproveStudy, RefuseStudy
from hmchain.ledger.contracts.learning.opening import JoinStudy
from hmchain.ledger.contracts.learning.studies import DatasetUse, Deadlines, ProposeStudy, StudySpec
from hmchain.ledger.contracts.members import parameters
from hmchain.ledger.engines.ledger import signed

UNWANTED_PURPOSE = "DUO:0000042"
"""General research use: wider than what the steward's patients agreed to."""
APPROVAL_MS = 7 * 86_400_000


@dataclass(frozen=True)
class Refused:
    """A study that a steward refused, and what an agent that tried anyway was told."""

    study: str
    steward: str
    reason: str
    agent: str
    answer: str


def require_own_code(prepared: Prepared, consortium: Consortium) -> None:
    """Raise `RunInUseError` if a run that is to go on was begun by a version with other training code."""
    begun = (studies.study(consortium.ledger.state, name) for name in (prepared.unwanted_study, prepared.study))
    if any(study.spec.code != code_digest() for study in begun if study is not None):
        what = f"{prepared.folder.path} holds a run of a version with other training code"
        raise RunInUseError(what, "go on with that version, or choose another --output")


def refuse_unwanted_study(prepared: Prepared, consortium: Consortium) -> Refused:
    """Propose a study for a wider purpose; an agent tries to join without approval, and a steward refuses."""
    name, (first, *_, last) = prepared.unwanted_study, prepared.names
    answer = "not_approved"
    if studies.study(consortium.ledger.state, name) is None:
        spec = _spec(prepared, consortium, name, purpose=UNWANTED_PURPOSE, description=_unwanted(prepared))
        consortium.require(consortium.hospitals[first].as_scientist(ProposeStudy(spec)))
        answer = consortium.submit(_join(consortium.hospitals[last], name))[0]
    unwanted = studies.require_study(consortium.ledger.state, name).progress.specification
    if approvals.approval(consortium.ledger.state, unwanted, last) is None:
        consortium.require(consortium.hospitals[last].as_steward(RefuseStudy(name, "purpose")))
    return Refused(name, last, "purpose", last, answer)


def _join(hospital: Hospital, study: str) -> bytes:
    body = JoinStudy(study, WrappingKey.generate().public, bytes(32))
    return signed(hospital.keys.agent, hospital.node, body)


def approve_study(prepared: Prepared, consortium: Consortium, deadlines: Deadlines) -> StudySpec:
    """Propose the study; every steward approves its own dataset for it."""
    name, first = prepared.study, prepared.names[0]
    begun = studies.study(consortium.ledger.state, name)
    spec = begun.spec if begun else _spec(prepared, consortium, name, deadlines=deadlines, description=_asked(prepared))
    if begun is None:
        consortium.require(consortium.hospitals[first].as_scientist(ProposeStudy(spec)))
    specification = spec.digest
    for organisation, hospital in consortium.hospitals.items():
        if approvals.approval(consortium.ledger.state, specification, organisation) is None:
            expires_ms = consortium.ledger.now_ms() + APPROVAL_MS
            consortium.require(hospital.as_steward(ApproveStudy(name, specification, expires_ms)))
    return spec


def _spec(
    prepared: Prepared,
    consortium: Consortium,
    name: str,
    *,
    description: Description,
    purpose: str = HEALTH_RESEARCH,
    deadlines: Deadlines = DEADLINES,
) -> StudySpec:
    uses = tuple(DatasetUse(organisation, DATASET, 1) for organisation in prepared.names)
    salt = parameters.founding(consortium.ledger.state).salt
    words = consortium.hospitals[prepared.names[0]].describe(name, description)
    return study_spec(
        name, prepared.schema, uses, prepared.arch, prepared.plan, salt,
        purpose=purpose, deadlines=deadlines, words=words,
    )  # fmt: skip


def _asked(prepared: Prepared) -> Description:
    classes = " and ".join(prepared.schema.classes) if len(prepared.schema.classes) < 3 else "the classes"
    return Description(
        title=f"Telling {classes} apart, together and alone"[:TITLE_CHARACTERS_MAX],
        text="Does one model that all hospitals train together serve each of them better than its own? The hospitals "
        "are simulated, and so are their people. Images stay where they are; masked updates are summed.",
        contact=f"the simulated scientist of {prepared.names[0]}",
        ethics_number="none: public images, simulated hospitals",
        code="the files of this installation; their digest is pinned below",
    )


def _unwanted(prepared: Prepared) -> Description:
    return Description(
        title="The same images, for whatever comes up",
        text="A study that asks for more than the patients agreed to: general research, with no question named.",
        contact=f"the simulated scientist of {prepared.names[0]}",
    )
