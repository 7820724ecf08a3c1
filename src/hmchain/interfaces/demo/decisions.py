"""What the stewards decide: one request is refused, the other is allowed by everybody, and proposed."""

from __future__ import annotations

from dataclasses import dataclass

from hmchain.application.governance.proposals import under_permit
from hmchain.application.hospital.consortium import Consortium
from hmchain.application.learning.defaults import DEADLINES, HEALTH_RESEARCH
from hmchain.application.learning.description import TITLE_CHARACTERS_MAX, Description
from hmchain.application.learning.study import study_spec
from hmchain.application.learning.trainers.cnn import code_digest
from hmchain.interfaces.demo.preparation import DATASET, Prepared
from hmchain.interfaces.demo.settings import RunInUseError
from hmchain.ledger.contracts.data import requests
from hmchain.ledger.contracts.data.requests import Content, Decided
from hmchain.ledger.contracts.learning import studies
from hmchain.ledger.contracts.learning.studies import DatasetUse, Deadlines, StudySpec
from hmchain.ledger.contracts.members import parameters

UNWANTED_PURPOSE = "DUO:0000042"
"""General research use: wider than what the steward's patients agreed to."""
APPROVAL_MS = 7 * 86_400_000


@dataclass(frozen=True)
class Refused:
    """A request for a study that a steward refused, and what a scientist was told who proposed it all the same."""

    study: str
    steward: str
    reason: str
    scientist: str
    answer: str


def require_own_code(prepared: Prepared, consortium: Consortium) -> None:
    """Raise `RunInUseError` if a run that is to go on was begun by a version with other training code."""
    asked = (_content(consortium, name) for name in (prepared.unwanted_study, prepared.study))
    if any(content.code != code_digest() for content in asked if content is not None):
        what = f"{prepared.folder.path} holds a run of a version with other training code"
        raise RunInUseError(what, "go on with that version, or choose another --output")


def refuse_unwanted_study(prepared: Prepared, consortium: Consortium) -> Refused:
    """Ask for a study for a wider purpose; a steward refuses, and its scientist proposes it nevertheless."""
    name, (first, *_, last) = prepared.unwanted_study, prepared.names
    answer, asker = "not_permitted", consortium.hospitals[first]
    if _content(consortium, name) is None:
        spec = _spec(prepared, consortium, name, purpose=UNWANTED_PURPOSE, description=_unwanted(prepared))
        consortium.require(*asker.ask(spec, consortium.ledger.now_ms() + APPROVAL_MS))
        answer = consortium.submit(asker.propose(spec))[0]
    (said,) = requests.handlings(consortium.ledger.state, name, 1, last)
    if said.status is Decided.WAITING:
        consortium.require(*consortium.hospitals[last].disallow(name, "purpose"))
    return Refused(name, last, "purpose", first, answer)


def approve_study(prepared: Prepared, consortium: Consortium, deadlines: Deadlines) -> StudySpec:
    """Ask for the study; every steward allows its own dataset for it, and it is proposed under the permit."""
    name, asker = prepared.study, consortium.hospitals[prepared.names[0]]
    begun = studies.study(consortium.ledger.state, name)
    if begun is not None:
        return begun.spec
    content, until_ms = _content(consortium, name), consortium.ledger.now_ms() + APPROVAL_MS
    if content is None:
        spec = _spec(prepared, consortium, name, deadlines=deadlines, description=_asked(prepared))
        consortium.require(*asker.ask(spec, until_ms))
    else:  # the run was stopped before all had decided
        uses = tuple(DatasetUse(organisation, DATASET, 1) for organisation in prepared.names)
        spec, until_ms = _made(consortium, studies.of_plan(content.plan, name, uses)), content.until_ms
    for hospital in consortium.hospitals.values():
        consortium.require(*hospital.allow(name, until_ms))
    consortium.require(asker.propose(spec))
    return spec


def _content(consortium: Consortium, name: str) -> Content | None:
    """What a request of this name asks for; None if there is none."""
    entry = requests.request(consortium.ledger.state, name)
    return requests.content(consortium.ledger.state, name, entry.version) if entry is not None else None


def _made(consortium: Consortium, asked: StudySpec | None) -> StudySpec:
    assert asked is not None  # it is this program's own plan
    return under_permit(consortium.ledger.state, asked)


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
