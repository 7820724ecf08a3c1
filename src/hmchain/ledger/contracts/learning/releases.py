"""Releases: what a study made leaves the hospitals that made it only if each of them says so.

A model or a count tells something of the people whose records are in it. So whoever wants it outside asks, by the
digest of the very thing, for whom and where; and every hospital whose records went into it decides for itself, by
evidence of its own. One no leaves it inside, until that hospital says yes. What was released once stays released: no
word takes back what others have. Why a hospital said no is a code, and no code tells which of its checks said so.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from msgspec.structs import replace

from hmchain.canonical import Record, digest, encode
from hmchain.ledger import sharing_events as events
from hmchain.ledger.context import AGENT, SCIENTIST, STEWARD, Context, require, require_digest, require_name
from hmchain.ledger.contracts.data import cedar, contents, datasets, obligations, policies, requests
from hmchain.ledger.contracts.data.obligations import MORATORIUM
from hmchain.ledger.contracts.data.policies import Answer, Asked, Terms
from hmchain.ledger.contracts.learning import models, permitted, rounds, studies
from hmchain.ledger.contracts.learning.models import Model
from hmchain.ledger.contracts.learning.rounds import Round, Verdict
from hmchain.ledger.contracts.learning.studies import Study
from hmchain.ledger.contracts.members import people
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


class AskRelease(Record, frozen=True, tag="ask_release"):
    """Transaction (scientist of the request's applicant, or of a hospital whose records are in it): let it leave."""

    name: str
    """Of the release; given once."""
    study: str
    artefact: bytes
    """Digest of what is to leave (`artefact_of`): no other file has it."""
    audience: Audience
    regions: tuple[str, ...]
    """Where it goes: ISO 3166-1 alpha-2, in order; none for anywhere."""
    evidence: bytes
    """Digest of the evidence of whoever asks; empty for none."""

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


Bodies = AskRelease | DecideRelease | WithdrawRelease


class Release(Record, frozen=True):
    """What is to leave, and where that stands."""

    asked: AskRelease
    hospitals: tuple[str, ...]
    """Whose records are in it, in order: each decides."""
    by: PersonRef
    status: Status
    asked_height: int
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


_RELEASES = Table("releases", Release)
_WORDS = Table("release_words", Word)
"""By release and organisation."""
_OPEN = Table("open_releases", Entry)
"""By the organisation that asked, and release."""
_OF_STUDY = Table("releases_of_studies", Entry)
"""By study and release."""


# -- reading -----------------------------------------------------------------------------------------------------------


def release(state: State, name: str) -> Release | None:
    """A release, or None."""
    return _RELEASES.get(state, name)


def require_release(state: State, name: str) -> Release:
    """A release; refuse `no_such_release`."""
    found = release(state, name)
    if found is None:
        raise Refusal("no_such_release")
    return found


def releases(state: State) -> list[Release]:
    """All that were ever asked for, in order of name."""
    return _RELEASES.all(state)


def releases_of(state: State, study: str) -> list[Release]:
    """All that were asked for of what one study made, in order of name."""
    return [require_release(state, entry.release) for entry in _OF_STUDY.all(state, study)]


def open_releases(state: State) -> list[Release]:
    """Those that wait for hospitals, in order of name."""
    return [require_release(state, name) for name in sorted(entry.release for entry in _OPEN.all(state))]


def words(state: State, name: str) -> list[Word]:
    """What hospitals said of a release, in order of organisation; those that said nothing are not among them."""
    return _WORDS.all(state, name)


def word(state: State, name: str, organisation: str) -> Word | None:
    """What a hospital said of a release, or None."""
    return _WORDS.get(state, name, organisation)


def counts(state: State, said: Word) -> bool:
    """Whether a hospital's yes is one: who gave it may have been a thief, whose key was cut off since."""
    standing = all(people.stands(state, person, said.time_ms) for person in said.persons)
    return said.decision is Decision.GRANTED and standing


def waits_for(state: State, entry: Release) -> tuple[str, ...]:
    """The hospitals without whose yes it does not leave, in order."""
    given = {said.organisation for said in words(state, entry.name) if counts(state, said)}
    return tuple(name for name in entry.hospitals if name not in given)


def involved(state: State, entry: Release) -> tuple[PersonRef, ...]:
    """Who may not say yes to it for any hospital: whoever asked for it, or ever for what made it."""
    under = permitted.under(state, studies.require_study(state, entry.asked.study).progress.specification)
    request = requests.request(state, under.request) if under is not None else None
    return (entry.by, *(request.involved if request is not None else ()))


def is_automatic(state: State, entry: Release, organisation: str) -> bool:
    """Whether a hospital's policy lets its agent answer: of counts alone, by rules that name the release.

    As for requests it lets nothing happen by itself that those asked for who set it.
    """
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


# -- transactions ------------------------------------------------------------------------------------------------------


def _ask(context: Context, body: AskRelease) -> None:
    context.require_role(SCIENTIST)
    state, person = context.state, people.sender(context.sender)
    require_name(body.name)
    require(release(state, body.name) is None, "release_exists")
    study = studies.require_study(state, body.study)
    require_digest(body.artefact, *((body.evidence,) if body.evidence else ()))
    in_order = list(body.regions) == sorted(set(body.regions)) and len(body.regions) <= REGIONS_MAX
    require(in_order and all(map(contents.REGION.fullmatch, body.regions)), "bad_regions")
    made = artefact_of(state, body.study)
    require(made is not None, "nothing_made")
    require(body.artefact == made, "wrong_artefact")
    hospitals = contributors(state, study)
    _require_own(context, study, hospitals)
    _require_as_allowed(context, study, body)
    waiting = _OPEN.all(state, person.organisation)
    require(len(waiting) < OPEN_MAX, "too_many_releases")
    height, time_ms = context.height, context.time_ms
    _RELEASES.put(state, Release(body, hospitals, person, Status.ASKED, height, height, time_ms), body.name)
    _OPEN.put(state, Entry(body.name), person.organisation, body.name)
    _OF_STUDY.put(state, Entry(body.name), body.study, body.name)
    context.emit(events.ReleaseAsked(body.name, *_ref(person), body.study, body.artefact))


def _require_own(context: Context, study: Study, hospitals: Sequence[str]) -> None:
    """Refuse (`not_the_applicant`) whoever neither asked for the study nor gave records to it."""
    if context.sender.organisation in hospitals:
        return
    under = permitted.under(context.state, study.progress.specification)
    if under is not None:
        permitted.require_own_request(context, under.request)
        return
    require(context.sender.organisation == study.progress.proposer, "not_the_applicant")


def _require_as_allowed(context: Context, study: Study, body: AskRelease) -> None:
    """Refuse what the request did not name (`other_regions`), or what is not to be published yet (`moratorium`)."""
    under = permitted.under(context.state, study.progress.specification)
    entry = requests.request(context.state, under.request) if under is not None else None
    if entry is None:
        return
    content = requests.content(context.state, entry.name, entry.version)
    named = content.regions if content is not None else ()
    require(not named or (bool(body.regions) and set(body.regions) <= set(named)), "other_regions")
    if body.audience is Audience.PUBLIC:
        owed = (
            obligations.obligation(context.state, use.organisation, entry.name, use.dataset, MORATORIUM)
            for use in study.spec.uses
        )
        require(not any(each is not None and each.is_owed(context.time_ms) for each in owed), "moratorium")


def _decide(context: Context, body: DecideRelease) -> None:
    context.require_role(STEWARD, AGENT)
    state, organisation = context.state, context.sender.organisation
    entry = _open(state, body.release)
    require(body.asked == entry.asked.digest, "wrong_release")
    require(organisation in entry.hospitals, "not_in_release")
    if body.decision is Decision.GRANTED:
        require(not body.reason, "bad_reason")
        require_digest(body.evidence)
        _grant(context, entry, body)
        return
    require(body.decision is Decision.REFUSED and body.reason in REASONS, "bad_reason")
    if body.evidence:
        require_digest(body.evidence)
    said = word(state, entry.name, organisation)
    if STEWARD not in context.sender.roles:
        _require_automatic(context, entry)
        require(said is None, "already_decided")
    persons = (people.sender(context.sender),) if STEWARD in context.sender.roles else ()
    _say(context, body, Decision.REFUSED, persons)
    context.emit(events.ReleaseRefused(entry.name, organisation, context.sender.person, body.reason))


def _grant(context: Context, entry: Release, body: DecideRelease) -> None:
    """Keep a yes; with as many persons' as the hospital's policy asks for it counts, and all hospitals' release it."""
    state, organisation = context.state, context.sender.organisation
    said = word(state, entry.name, organisation)
    require(said is None or not counts(state, said), "already_decided")
    if STEWARD in context.sender.roles:
        persons = _yes_so_far(context, entry, said)
        dataset = studies.require_study(state, entry.asked.study).spec.use(organisation).dataset
        is_whole = len(persons) >= policies.current(state, organisation, dataset).approvers
    else:
        _require_automatic(context, entry)
        require(said is None, "already_decided")  # what people said is theirs to change
        persons, is_whole = (), True
    _say(context, body, Decision.GRANTED if is_whole else Decision.WAITING, persons)
    context.emit(events.ReleaseGranted(entry.name, organisation, context.sender.person, int(is_whole)))
    if is_whole and not waits_for(state, entry):
        _end(context, entry, Status.RELEASED)
        asked = entry.asked
        context.emit(events.Released(entry.name, asked.study, asked.artefact, asked.audience, asked.regions))


def _yes_so_far(context: Context, entry: Release, said: Word | None) -> tuple[PersonRef, ...]:
    """Who says yes, the sender the last; refuse (`own_release`) whoever asked for it, or for what made it."""
    state, person = context.state, people.sender(context.sender)
    require(person not in involved(state, entry), "own_release")
    before = said.persons if said is not None and said.decision is Decision.WAITING else ()
    standing = tuple(
        each
        for each in before
        if said is not None and STEWARD in people.roles_of(state, each) and people.stands(state, each, said.time_ms)
    )
    require(person not in standing, "already_approved")
    return (*standing, person)


def _require_automatic(context: Context, entry: Release) -> None:
    """Refuse (`not_automatic`) an agent's word where the hospital's policy leaves the release to its people."""
    require(is_automatic(context.state, entry, context.sender.organisation), "not_automatic")


def _say(context: Context, body: DecideRelease, decision: Decision, persons: tuple[PersonRef, ...]) -> None:
    organisation = context.sender.organisation
    said = Word(
        body.release, organisation, decision, body.reason, body.evidence, persons, context.height, context.time_ms
    )
    _WORDS.put(context.state, said, body.release, organisation)


def _withdraw(context: Context, body: WithdrawRelease) -> None:
    context.require_role(SCIENTIST)
    entry = _open(context.state, body.release)
    require(context.sender.organisation == entry.by.organisation, "not_the_applicant")
    _end(context, entry, Status.WITHDRAWN)
    context.emit(events.ReleaseWithdrawn(entry.name, *_ref(people.sender(context.sender))))


def _open(state: State, name: str) -> Release:
    entry = require_release(state, name)
    require(entry.status is Status.ASKED, "release_over")
    return entry


def _end(context: Context, entry: Release, status: Status) -> None:
    ended = replace(entry, status=status, height=context.height, time_ms=context.time_ms)
    _RELEASES.put(context.state, ended, entry.name)
    _OPEN.delete(context.state, entry.by.organisation, entry.name)


def _ref(person: PersonRef) -> tuple[str, str]:
    return person.organisation, person.person


HANDLERS = {AskRelease: _ask, DecideRelease: _decide, WithdrawRelease: _withdraw}
