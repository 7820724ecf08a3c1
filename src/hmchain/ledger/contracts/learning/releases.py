"""Releases: what a study made leaves the hospitals that made it only if each of them says so.

A model or a count tells something of the people whose records are in it. So whoever wants it outside asks, by the
digest of the very thing, for whom and where; and every hospital whose records went into it decides for itself, by
evidence of its own. One no leaves it inside, until that hospital says yes. What was released once stays released: no
word takes back what others have. Why a hospital said no is a code, and no code tells which of its checks said so.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from hmchain.canonical import Record, digest, encode
from hmchain.ledger.context import AGENT, require_digest
from hmchain.ledger.contracts.data import cedar, datasets, policies, requests
from hmchain.ledger.contracts.data.policies import Answer, Asked, Terms
from hmchain.ledger.contracts.learning import models, permitted, rounds, studies
from hmchain.ledger.contracts.learning.models import Model
from hmchain.ledger.contracts.learning.rounds import Round, Verdict
from hmchain.ledger.contracts.learning.studies import Study
from hmchain.ledger.contracts.members import people, refounded
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.ledger.state import State, Table
from hmchain.ledger.transactions import Refusal

ACTION = "release"
"""What a policy's rule calls it that lets a hospital's agent answer for counts: `action == Action::"release"`."""
OPEN_MAX = 16
"""Releases that one organisation asks for at a time."""
REGIONS_MAX = 64
REASONS = ("disclosure", "ethics", "other", "purpose", "quality", "recipients")
"""Why a hospital says no. Whatever its evidence and its guard against differences find is `disclosure`."""


class Audience(StrEnum):
    """For whom it is; on the ledger it is the word."""

    APPLICANT = "applicant"
    """The people of the request that it was made for."""
    MEMBERS = "members"
    """The members of the network."""
    PUBLIC = "public"


class Status(StrEnum):
    """Where a release stands; on the ledger it is the word."""

    ASKED = "asked"
    RELEASED = "released"
    WITHDRAWN = "withdrawn"
    """By whoever asked, before it was released."""


class Decision(StrEnum):
    """Where it stands with one hospital; on the ledger it is the word."""

    WAITING = "waiting"
    GRANTED = "granted"
    REFUSED = "refused"


class TableOf(Record, frozen=True):
    """What a table is of: a version of a dataset of whoever asks."""

    dataset: str
    version: int


class AskRelease(Record, frozen=True, tag="ask_release"):
    """Transaction (scientist of the request's applicant, or of a hospital whose records are in it): let it leave."""

    name: str
    """Of the release; given once."""
    study: str
    """That made it; empty for a table."""
    table: TableOf | None
    artefact: bytes
    """Digest of what is to leave (`artefact_of`; of a table of all its bytes): no other file has it."""
    audience: Audience
    regions: tuple[str, ...]
    """Where it goes: ISO 3166-1 alpha-2, in order; none for anywhere."""

    @property
    def digest(self) -> bytes:
        """What every decision binds (32 bytes)."""
        return digest("hmchain release", encode(self))


class DecideRelease(Record, frozen=True, tag="decide_release"):
    """Transaction (steward of a hospital whose records are in it; its agent where its policy says so): yes or no."""

    release: str
    asked: bytes
    """`AskRelease.digest` of what was read."""
    decision: Decision
    reason: str
    """One of `REASONS`; empty of a yes."""
    evidence: bytes
    """Digest of the hospital's own evidence. A no needs none."""


class WithdrawRelease(Record, frozen=True, tag="withdraw_release"):
    """Transaction (scientist of the organisation that asked): it is not to leave."""

    release: str


class Release(Record, frozen=True):
    """What is to leave, and where that stands."""

    asked: AskRelease
    hospitals: tuple[str, ...]
    """Whose records are in it, in order: each decides."""
    by: PersonRef
    status: Status
    height: int
    """Of its last change: once it is released, of the block that proves it."""
    time_ms: int

    @property
    def name(self) -> str:
        """Shorthand for `asked.name`."""
        return self.asked.name


class Word(Record, frozen=True):
    """One hospital's word on a release."""

    release: str
    organisation: str
    decision: Decision
    reason: str
    evidence: bytes
    persons: tuple[PersonRef, ...]
    """Who said so, in order of time; nobody where the hospital's agent did by its policy."""
    height: int
    time_ms: int


class Entry(Record, frozen=True):
    """A release's place in an index."""

    release: str


RELEASES = Table("releases", Release)
WORDS = Table("release_words", Word)
"""By release and organisation."""
OPEN = Table("open_releases", Entry)
"""By the organisation that asked, and release."""
OF_STUDY = Table("releases_of_studies", Entry)
"""By study and release."""


# -- reading -----------------------------------------------------------------------------------------------------------


def release(state: State, name: str) -> Release | None:
    """A release, or None."""
    return RELEASES.get(state, name)


def require_release(state: State, name: str) -> Release:
    """A release; refuse `no_such_release`."""
    found = release(state, name)
    if found is None:
        raise Refusal("no_such_release")
    return found


def releases(state: State) -> list[Release]:
    """All that were ever asked for, in order of name."""
    return RELEASES.all(state)


def releases_of(state: State, study: str) -> list[Release]:
    """All that were asked for of what one study made, in order of name."""
    return [require_release(state, entry.release) for entry in OF_STUDY.all(state, study)]


def open_releases(state: State) -> list[Release]:
    """Those that wait for hospitals, in order of name."""
    return [require_release(state, name) for name in sorted(entry.release for entry in OPEN.all(state))]


def words(state: State, name: str) -> list[Word]:
    """What hospitals said of a release, in order of organisation; those that said nothing are not among them."""
    return WORDS.all(state, name)


def word(state: State, name: str, organisation: str) -> Word | None:
    """What a hospital said of a release, or None."""
    return WORDS.get(state, name, organisation)


def counts(state: State, entry: Release, said: Word) -> bool:
    """Whether a hospital's yes is one: who gave it may have been a thief, whose key was cut off since.

    An agent's is one as long as its key and the policy by which it spoke are what they were.
    """
    if said.decision is not Decision.GRANTED:
        return False
    if said.persons:
        return all(people.stands(state, person, said.time_ms) for person in said.persons)
    policy = policies.current(state, said.organisation, dataset_of(state, entry, said.organisation))
    agent = PersonRef(said.organisation, AGENT)
    return policy.height <= said.height and people.stands(state, agent, said.time_ms)


def agent_may_answer(state: State, entry: Release, organisation: str) -> bool:
    """Whether a hospital's agent answers: where its policy says so, nobody has, and no yes of its own still counts."""
    said = word(state, entry.name, organisation)
    is_void = said is not None and said.decision is Decision.GRANTED and not said.persons
    if said is not None and (not is_void or counts(state, entry, said)):
        return False
    return is_automatic(state, entry, organisation)


def dataset_of(state: State, entry: Release, organisation: str) -> str:
    """The dataset of a hospital whose records are in it."""
    if entry.asked.table is not None:
        return entry.asked.table.dataset
    return studies.require_study(state, entry.asked.study).spec.use(organisation).dataset


def waits_for(state: State, entry: Release) -> tuple[str, ...]:
    """The hospitals without whose yes it does not leave, in order."""
    given = {said.organisation for said in words(state, entry.name) if counts(state, entry, said)}
    return tuple(name for name in entry.hospitals if name not in given and not is_lost(state, entry, name))


def is_lost(state: State, entry: Release, organisation: str) -> bool:
    """Whether a hospital was left out when the chain was founded again, so that nobody can ask it any more.

    One that ever said no to a release of what that study made has said so for good.
    """
    if not any(organisation in each.left_out for each in refounded.foundings(state)):
        return False
    said = (word(state, each.name, organisation) for each in releases_of(state, entry.asked.study))
    return not any(each is not None and each.decision is Decision.REFUSED for each in said)


def involved(state: State, entry: Release) -> tuple[PersonRef, ...]:
    """Who may not say yes to it for any hospital: whoever asked for it, or ever for what made it."""
    if entry.asked.table is not None:
        return (entry.by,)
    under = permitted.under(state, studies.require_study(state, entry.asked.study).progress.specification)
    request = requests.request(state, under.request) if under is not None else None
    return (entry.by, *(request.involved if request is not None else ()))


def is_automatic(state: State, entry: Release, organisation: str) -> bool:
    """Whether a hospital's policy lets its agent answer: of counts alone, by rules that name the release.

    As for requests it lets nothing happen by itself that those asked for who set it.
    """
    if entry.asked.table is not None:
        return False
    spec = studies.require_study(state, entry.asked.study).spec
    if not spec.is_count or organisation not in entry.hospitals:
        return False
    use = spec.use(organisation)
    policy = policies.current(state, organisation, use.dataset)
    rules = cedar.naming(policy.cedar, ACTION)
    if not rules or not set(policy.persons).isdisjoint(involved(state, entry)):
        return False
    version = datasets.version(state, organisation, use.dataset, use.version)
    asked = Asked(
        organisation=entry.by.organisation, person=entry.by.person, roles=people.roles_of(state, entry.by), members=(),
        owner=organisation, dataset=use.dataset, kind=ACTION, purposes=(spec.purpose,), diseases=(), code=b"",
        fields=(), labels=(), commercial=False, publishes=entry.asked.audience is Audience.PUBLIC,
        regions=entry.asked.regions, documents=(), days=0, rounds=0, colluders=spec.colluders,
        organisations=entry.hospitals, count=min(version.count, policies.COUNT_MAX) if version is not None else 0,
    )  # fmt: skip
    return policies.judge(Terms(rules, 1, False, 0, 0, 0, 0, (), ()), asked).answer is Answer.YES


def artefact_of(state: State, name: str) -> bytes | None:
    """Digest of what a study made, as a release names it (32 bytes); None if it made nothing."""
    study = studies.study(state, name)
    if study is None:
        return None
    if study.spec.is_count:
        entry = rounds.round_(state, name, 0)
        if entry is None or entry.posted is None or entry.outcome is not Verdict.ACCEPTED:
            return None
        return count_artefact(name, study.spec.training, entry.posted.model_root, entry.frozen)
    made = models.model(state, name)
    return model_artefact(made) if made is not None and made.round > 0 else None


def model_artefact(made: Model) -> bytes:
    """Digest of a model: of all its weights, of all that gives them a meaning, and of the round that made it."""
    require_digest(made.root, made.weights, made.meaning)
    origin = made.study.encode(), made.round.to_bytes(8, "big")
    return digest("hmchain released model", *origin, made.root, made.weights, made.meaning)


def count_artefact(study: str, plan: bytes, root: bytes, hospitals: Sequence[str]) -> bytes:
    """Digest of a count: of its question, of the root of its sum, and of the hospitals that it sums."""
    require_digest(root)
    return digest("hmchain released count", study.encode(), plan, root, encode(tuple(hospitals)))


def contributors(state: State, study: Study) -> tuple[str, ...]:
    """The hospitals whose records are in what a study made, in order: of all its accepted rounds, class counts too."""
    found = set[str]()
    for number in _made_by(state, study):
        found |= _summed(rounds.round_(state, study.spec.name, number))
        if len(found) == len(study.spec.uses):  # nearly always after the first
            break
    return tuple(name for name in study.spec.participants if name in found)


def rounds_with(state: State, study: Study, organisation: str) -> frozenset[int]:
    """The accepted rounds of what a study made in which a hospital's records are."""
    name = study.spec.name
    return frozenset(
        number for number in _made_by(state, study) if organisation in _summed(rounds.round_(state, name, number))
    )


def _made_by(state: State, study: Study) -> range:
    """The rounds that what a study made is of."""
    made = models.model(state, study.spec.name)
    return range((made.round if made is not None else 0) + 1)


def _summed(entry: Round | None) -> set[str]:
    return set(entry.frozen) if entry is not None and entry.outcome is Verdict.ACCEPTED else set()
