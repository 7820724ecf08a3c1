"""What the hospitals decide: a policy denies one request; the other is given back once, then allowed by everybody."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from hmchain.application.governance.policies.file import PolicyFile, terms_of
from hmchain.application.governance.proposals import under_permit
from hmchain.application.governance.reasons import reason_words
from hmchain.application.governance.requests.documents import Documents, text_document
from hmchain.application.hospital.consortium import Consortium
from hmchain.application.hospital.hospital import Hospital
from hmchain.application.learning.defaults import DEADLINES, HEALTH_RESEARCH
from hmchain.application.learning.description import TITLE_CHARACTERS_MAX, Description
from hmchain.application.learning.study import study_spec
from hmchain.application.learning.study_request import study_content
from hmchain.application.learning.trainers.architecture import code_digest
from hmchain.clock import utc
from hmchain.interfaces.demo.preparation import DATASET, Prepared
from hmchain.interfaces.demo.settings import RunInUseError
from hmchain.ledger.contracts.data import policies, requests
from hmchain.ledger.contracts.data.applying import CreateRequest, SaveDraft, SubmitRequest
from hmchain.ledger.contracts.data.deciding import ReturnRequest
from hmchain.ledger.contracts.data.policies import SetPolicy, Terms
from hmchain.ledger.contracts.data.requests import Content, DocumentKind, DocumentRef, Status
from hmchain.ledger.contracts.learning import studies
from hmchain.ledger.contracts.learning.studies import DatasetUse, Deadlines, StudySpec
from hmchain.ledger.contracts.members import membership, parameters
from hmchain.ledger.reputation import faults_tolerated

UNWANTED_PURPOSE = "DUO:0000042"
"""General research use: wider than what the hospital's patients agreed to."""
APPROVAL_MS = 7 * 86_400_000
INCOMPLETE = "documents"
"""The reason for which the other request is given back, as a code."""
_LETTER = "No ethics committee is asked: the images are public, the hospitals and their people simulated. %s."


@dataclass(frozen=True)
class Denied:
    """A request that a hospital's policy denied, and what a scientist was told who proposed its study all the same."""

    request: str
    hospital: str
    because: str
    """The policy's reasons, in words."""
    policy: int
    scientist: str
    answer: str


@dataclass(frozen=True)
class Allowed:
    """A request that was given back to be changed, and then allowed by all."""

    request: str
    returned_by: str
    version: int
    hospitals: tuple[str, ...]
    until_ms: int


def require_own_code(prepared: Prepared, consortium: Consortium) -> None:
    """Raise `RunInUseError` if a run that is to go on was begun by a version with other training code."""
    asked = (_content(consortium, name) for name in (prepared.unwanted_study, prepared.study))
    if any(content.code != code_digest() for content in asked if content is not None):
        what = f"{prepared.folder.path} holds a run of a version with other training code"
        raise RunInUseError(what, "go on with that version, or choose another --output")


def deny_unwanted_study(prepared: Prepared, consortium: Consortium) -> Denied:
    """Ask for a study for a wider purpose: a policy that was set before says no, though its scientist proposes it."""
    name, (first, *_, last) = prepared.unwanted_study, prepared.names
    answer, asker = "not_permitted", consortium.hospitals[first]
    if policies.current(consortium.ledger.state, last, DATASET).version == 0:
        consortium.require(consortium.hospitals[last].as_steward(SetPolicy(DATASET, _policy(len(prepared.names)))))
    if _content(consortium, name) is None:
        spec = _spec(prepared, consortium, name, purpose=UNWANTED_PURPOSE, description=_unwanted(prepared))
        _submit(consortium, asker, name, study_content(spec, _until_ms(consortium)))
        answer = consortium.submit(asker.propose(spec))[0]
    (said,) = requests.handlings(consortium.ledger.state, name, 1, last)
    return Denied(name, last, "; ".join(map(reason_words, said.reasons)), said.policy, first, answer)


def _policy(hospitals: int) -> Terms:
    """What the last hospital answers beforehand: health research, and a person who looks."""
    return terms_of(PolicyFile(dataset=DATASET, colluders=min(1, faults_tolerated(hospitals))))


def allow_study(prepared: Prepared, consortium: Consortium, deadlines: Deadlines) -> Allowed:
    """Ask for the study; one steward gives it back once, then all allow it, and it is proposed under the permit."""
    name, (first, second, *_) = prepared.study, prepared.names
    asker = consortium.hospitals[first]
    content = _content(consortium, name)
    if content is None:
        spec = _spec(prepared, consortium, name, deadlines=deadlines, description=_asked(prepared))
        content = study_content(spec, _until_ms(consortium))
        _submit(consortium, asker, name, content)
    else:  # the run was stopped before all had decided
        uses = tuple(DatasetUse(organisation, DATASET, 1) for organisation in prepared.names)
        spec = _made(consortium, studies.of_plan(content.plan, name, uses))
    if not content.documents:
        content = _completed(prepared, consortium, content)
    for hospital in consortium.hospitals.values():
        consortium.require(*hospital.allow(name, content.until_ms))
    if studies.study(consortium.ledger.state, name) is None:
        consortium.require(asker.propose(spec))
    version = requests.require_request(consortium.ledger.state, name).version
    return Allowed(name, second, version, prepared.names, content.until_ms)


def _completed(prepared: Prepared, consortium: Consortium, content: Content) -> Content:
    """A steward misses the ethics letter and gives the request back; it is submitted again, with the letter."""
    name, (first, second, *_) = prepared.study, prepared.names
    asker = consortium.hospitals[first]
    entry = requests.require_request(consortium.ledger.state, name)
    if entry.status is Status.SUBMITTED:
        given_back = ReturnRequest(name, entry.version, entry.content, INCOMPLETE, b"")
        consortium.require(consortium.hospitals[second].as_steward(given_back))
    papers = Documents(asker.folder, lambda: asker.agent.objects, asker.keys.opening)
    letter = text_document(_LETTER % utc(consortium.ledger.now_ms())[:10])
    digest = papers.put(consortium.ledger.chain_id, name, letter, membership.active_members(consortium.ledger.state))
    whole = replace(content, documents=(DocumentRef(DocumentKind.ETHICS, digest),))
    _submit(consortium, asker, name, whole)
    return whole


def _submit(consortium: Consortium, asker: Hospital, name: str, content: Content) -> None:
    """Put a content before the hospitals that it names, as a new version where there is one."""
    if requests.request(consortium.ledger.state, name) is None:
        consortium.require(asker.as_scientist(CreateRequest(name)))
    consortium.require(asker.as_scientist(SaveDraft(name, content)))
    consortium.require(asker.as_scientist(SubmitRequest(name, content.digest)))


def _until_ms(consortium: Consortium) -> int:
    return consortium.ledger.now_ms() + APPROVAL_MS


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
