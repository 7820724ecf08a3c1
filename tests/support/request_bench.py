"""Requests on a bare state: four hospitals with persons, datasets and policies; a transaction is one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from hmchain.canonical import Record, encode
from hmchain.ledger import contracts, purposes
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.context import Acting, Context, Credential
from hmchain.ledger.contracts.data import permits, policies, requests
from hmchain.ledger.contracts.data.applying import CreateRequest, SaveDraft, SubmitRequest
from hmchain.ledger.contracts.data.datasets import PublishVersion, RegisterDataset
from hmchain.ledger.contracts.data.deciding import ApproveRequest
from hmchain.ledger.contracts.data.policies import SetPolicy, Terms
from hmchain.ledger.contracts.data.requests import (
    Content,
    DatasetVersion,
    DocumentKind,
    DocumentRef,
    Handling,
    Kind,
    Request,
    Resources,
)
from hmchain.ledger.contracts.data.transfers import TransferPlan
from hmchain.ledger.contracts.learning import studies
from hmchain.ledger.contracts.members import people
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.ledger.events import LedgerEvent
from hmchain.ledger.protocols import FOUNDING
from hmchain.ledger.state import State
from hmchain.ledger.transactions import Refusal
from support.ledger_network import CHAIN, SCHEMA, START_MS, genesis, signing_key
from support.study_bed import make_spec

DAY_MS = 86_400_000
UNTIL_MS = START_MS + 300 * DAY_MS
REQUEST = "lungs"
BRAIN = "brain"
CODE = bytes(range(32))
MANY_DISEASES: dict[str, Any] = {
    "purposes": (purposes.DISEASE_SPECIFIC,),
    "diseases": tuple(sorted(purposes.diseases())[: policies.JUDGED_MAX]),
}
"""As much to judge in a request as there may be."""


def ref(text: str) -> PersonRef:
    """`east/s1`: a person; `east` alone is the steward's office."""
    organisation, _, person = text.partition("/")
    return PersonRef(organisation, person or "steward")


PLAN = studies.plan_of(make_spec(tuple("abc"), code=CODE))
"""Of a training."""
PLANS = {Kind.TRAIN: PLAN, Kind.TRANSFER: encode(TransferPlan((), 90))}
"""Of kinds that have one; a count's is its query."""


def content(*hospitals: str, **changes: Any) -> Content:
    """What is asked of the dataset `brain` of these hospitals."""
    changes.setdefault("plan", PLANS.get(changes.get("kind", Kind.TRAIN), b""))
    datasets = tuple(DatasetVersion(hospital, BRAIN, 1) for hospital in hospitals)
    asked = Content(
        kind=Kind.TRAIN, purposes=("DUO:0000006",), diseases=(), datasets=datasets,
        fields=(), labels=(), plan=PLAN, code=CODE, colluders=1, resources=Resources(3, 1, 1024), regions=("DE",),
        commercial=False, publishes=True, until_ms=UNTIL_MS, documents=(DocumentRef(DocumentKind.FORM, bytes(32)),),
    )  # fmt: skip
    return replace(asked, **changes)


def terms(**changes: Any) -> Terms:
    """The default policy, changed."""
    return replace(Terms(policies.DEFAULT, 1, False, 0, 0, 0, 0, (), ()), **changes)


class RequestBench:
    """A state of a protocol, and whoever acts on it."""

    def __init__(self, names: str = "abcd", protocol: int = FOUNDING) -> None:
        self.state = State()
        genesis_file.initialise(self.state, genesis(names, protocol=protocol))
        self.height, self.ms = 1, START_MS + 1
        self.events: list[LedgerEvent] = []
        for name in names:
            for body in (RegisterDataset(BRAIN, SCHEMA), PublishVersion(BRAIN, 1, bytes(32), 512)):
                assert self.do(name, body) == "ok"

    def do(self, who: str, body: Record, blocks: int = 1) -> str:
        """Apply a body as this person, so many blocks later, and give the code of its receipt."""
        person = ref(who)
        self.height, self.ms = self.height + blocks, self.ms + blocks
        context = Context(self.state, CHAIN, self.height, self.ms, self.sender(person))
        mark = self.state.savepoint()
        try:
            contracts.apply(context, body)  # type: ignore[arg-type]
        except Refusal as refusal:
            if not refusal.kept:
                self.state.rollback(mark)
            return refusal.code
        self.events += context.events
        return "ok"

    def must(self, who: str, *bodies: Record) -> None:
        """Apply what nobody may refuse."""
        for body in bodies:
            code = self.do(who, body)
            assert code == "ok", f"{type(body).__name__} by {who}: {code}"

    def sender(self, person: PersonRef) -> Credential | Acting:
        if person.person in people.OFFICES:
            return Credential(person.organisation, person.person)
        return Acting(person.organisation, person.person, people.roles_of(self.state, person))

    def enrol(self, who: str, *roles: str, status: people.Status = people.Status.ACTIVE) -> PersonRef:
        """Let a person be known, or known anew."""
        person = ref(who)
        key = signing_key(person.organisation, person.person).public.raw
        entry = people.Person(person.organisation, person.person, tuple(sorted(roles)), key, status, self.height)
        people.keep(self.state, entry)
        return person

    def policy(self, hospital: str, **changes: Any) -> None:
        """Set a policy of its dataset; the one in force must ask for one person."""
        self.must(hospital, SetPolicy(BRAIN, terms(**changes)))

    # -- the usual steps -----------------------------------------------------------------------------------------------

    def submit(self, *hospitals: str, name: str = REQUEST, by: str = "a/scientist", **changes: Any) -> Request:
        """Ask the hospitals for their data."""
        asked = content(*hospitals, **changes)
        if requests.request(self.state, name) is None:
            self.must(by, CreateRequest(name))
        self.must(by, SaveDraft(name, asked), SubmitRequest(name, asked.digest))
        return self.request(name)

    def about(self, name: str = REQUEST) -> dict[str, Any]:
        """What a decision names: the request, its version and its content."""
        entry = self.request(name)
        return {"request": name, "version": entry.version, "content": entry.content}

    def approve(self, *who: str, name: str = REQUEST, until_ms: int = UNTIL_MS) -> None:
        for person in who:
            self.must(person, ApproveRequest(**self.about(name), dataset=BRAIN, until_ms=until_ms))

    # -- what stands ---------------------------------------------------------------------------------------------------

    def request(self, name: str = REQUEST) -> Request:
        return requests.require_request(self.state, name)

    def word(self, hospital: str, name: str = REQUEST) -> Handling:
        found = requests.handling(self.state, self.request(name), hospital, BRAIN)
        assert found is not None
        return found

    def allowed(self, name: str = REQUEST) -> list[str]:
        """The hospitals whose data may be used now."""
        found = permits.permit(self.state, name, self.ms)
        return [each.organisation for each in found.allowed] if found else []

    def authorised(self, hospital: str, name: str = REQUEST, **changes: Any) -> bool:
        asked: dict[str, Any] = {
            "kind": Kind.TRAIN,
            "plan": PLAN,
            "dataset": BRAIN,
            "version": 1,
            "purpose": "DUO:0000006",
        }
        return permits.authorised(self.state, hospital, name, self.ms, **(asked | changes))

    def kinds(self) -> Sequence[str]:
        """Kinds of all events, in order."""
        return [event.kind for event in self.events]
