"""Policies: what a hospital lets be asked of a dataset, and what a person must look at first.

A policy has a part in Cedar (see `cedar`) and terms that every policy has: how many persons approve, how large a cohort
must be, for how long. Each version is kept for ever, so a decision names the version that judged and can be judged
again. A dataset for which none was set has version 0: whatever is asked, a person looks.

The answer has three values, as of the GA4GH Data Use Ontology's matching: yes, no, and that a person must look. Cedar
knows two, and is asked twice: what it denies though a person has looked is a no; what it allows only after that waits
for one.

Whoever replaces a policy needs as many persons as the policy in force asks for, or one person could relax it and then
decide alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

import cedarpy
import msgspec

from hmchain.canonical import Record, digest, encode
from hmchain.ledger import people_events as events
from hmchain.ledger import purposes
from hmchain.ledger.context import STEWARD, Context, require, require_digest
from hmchain.ledger.contracts.data import cedar, datasets
from hmchain.ledger.contracts.members import people
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.ledger.state import State, Table
from hmchain.ledger.transactions import Refusal

APPROVERS_MAX = 8
DAYS_MAX = 3660
DUTIES = ("delete", "moratorium", "publish", "report", "return")
"""What may be due after an approval, each within days: data and results deleted, nothing published before, results
published, progress reported, results returned."""
LICENCES_MAX = 8
COUNT_MAX = 1 << 40
"""Of records that a policy is told of, and may ask for at least: what is published may be more than Cedar can count."""
JUDGED_MAX = 16
"""So many purposes and diseases of one request are judged; with more a person would have to say which are meant."""

ANYTHING, PERSON_LOOKS = "anything", "person-looks"
NOTHING_PERMITS, POLICY_ERROR, TOO_MUCH = "nothing_permits", "policy_error", "too_much"
FEW_COLLUDERS, SMALL_COHORT, TOO_LONG = "few_colluders", "small_cohort", "too_long"
REASONS = (FEW_COLLUDERS, NOTHING_PERMITS, POLICY_ERROR, SMALL_COHORT, TOO_LONG, TOO_MUCH)
"""Reasons that are no policy's id; no policy may be called so."""


class Answer(StrEnum):
    """What a policy says to a request."""

    YES = "yes"
    NO = "no"
    LOOK = "look"
    """A person must look."""


class Duty(Record, frozen=True):
    """What follows from an approval."""

    kind: str
    """One of `DUTIES`."""
    days: int
    """Since the approval; of a moratorium the days until its end."""


class Terms(Record, frozen=True):
    """All of a policy that its hospital chooses."""

    cedar: bytes
    """Canonical JSON of a Cedar policy set."""
    approvers: int
    """So many persons approve a request, and replace this policy."""
    automatic: bool
    """Whether a yes decides by itself."""
    minimum_cohort: int
    """Fewest records, as published, of a dataset that may be asked about."""
    colluders_min: int
    """So many participants that pool what they know must learn nothing of one hospital."""
    days_max: int
    """Longest time of an approval in days; 0 for no limit."""
    epsilon_max_millionths: int
    """The whole privacy budget of counts over this dataset, in millionths; 0 for none."""
    duties: tuple[Duty, ...]
    licences: tuple[bytes, ...]
    """Digests of the terms that the applicant and each member accept: BLAKE3 of a file that the members' store has."""

    @property
    def digest(self) -> bytes:
        """What a second person confirms."""
        return digest("hmchain policy", encode(Terms(*(getattr(self, name) for name in Terms.__struct_fields__))))


class Policy(Terms, frozen=True):
    """One version of a dataset's policy."""

    organisation: str
    dataset: str
    version: int
    """0 where none was set."""
    height: int
    persons: tuple[PersonRef, ...]
    """Who set it, in order."""


class Standing(Record, frozen=True):
    """The newest version of a dataset's policy."""

    version: int


class Pending(Record, frozen=True):
    """A policy that waits for the word of other persons."""

    organisation: str
    dataset: str
    terms: Terms
    height: int
    persons: tuple[PersonRef, ...]
    """Who stands behind it so far, in order."""
    time_ms: int
    """When the last of them said so."""


class SetPolicy(Record, frozen=True, tag="set_policy"):
    """Transaction (steward): replace the policy of a dataset of one's own, or propose to."""

    dataset: str
    terms: Terms


class ConfirmPolicy(Record, frozen=True, tag="confirm_policy"):
    """Transaction (steward): stand behind what another person proposed, word for word."""

    dataset: str
    terms: bytes
    """`Terms.digest` of what was read."""


class WithdrawPolicy(Record, frozen=True, tag="withdraw_policy"):
    """Transaction (steward): a policy that waits for others is not to come."""

    dataset: str


Bodies = SetPolicy | ConfirmPolicy | WithdrawPolicy

_POLICIES = Table("policies", Policy)
_STANDINGS = Table("policy_standings", Standing)
_PENDING = Table("policies_pending", Pending)


# -- reading -----------------------------------------------------------------------------------------------------------


def current(state: State, organisation: str, dataset: str) -> Policy:
    """The policy in force; version 0 where none was set."""
    standing = _STANDINGS.get(state, organisation, dataset)
    found = at(state, organisation, dataset, standing.version if standing else 0)
    assert found is not None  # a standing is written with its policy
    return found


def at(state: State, organisation: str, dataset: str, version: int) -> Policy | None:
    """One version of a policy, or None; version 0 is the same of every dataset."""
    if version == 0:
        return default(organisation, dataset)
    return _POLICIES.get(state, organisation, dataset, version)


def history(state: State, organisation: str, dataset: str) -> list[Policy]:
    """All versions that were set, in order."""
    return _POLICIES.all(state, organisation, dataset)


def pending(state: State, organisation: str, dataset: str) -> Pending | None:
    """What waits for other persons, or None."""
    return _PENDING.get(state, organisation, dataset)


def all_pending(state: State, organisation: str) -> list[Pending]:
    """All of an organisation's that wait for other persons, in order of dataset."""
    return _PENDING.all(state, organisation)


_ALL = {"op": "All"}
_ANY = {"action": _ALL, "conditions": [], "effect": "permit", "principal": _ALL, "resource": _ALL}
_UNSEEN = {"!": {"arg": {".": {"attr": "reviewed", "left": {"Var": "context"}}}}}
DEFAULT = cedar.canonical(
    {
        ANYTHING: _ANY,
        PERSON_LOOKS: {**_ANY, "conditions": [{"body": _UNSEEN, "kind": "when"}], "effect": "forbid"},
    }
)
"""Whatever is asked, a person looks."""


@lru_cache(256)
def default(organisation: str, dataset: str) -> Policy:
    """The policy of a dataset for which none was set."""
    return Policy(DEFAULT, 1, False, 0, 0, 0, 0, (), (), organisation, dataset, 0, 0, ())


# -- judging -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """What a policy is asked about: a request, as far as it concerns one dataset."""

    organisation: str
    person: str
    roles: tuple[str, ...]
    members: tuple[PersonRef, ...]
    owner: str
    dataset: str
    kind: str
    purposes: tuple[str, ...]
    """DUO codes: what for, and what the applicant undertakes."""
    diseases: tuple[str, ...]
    """Mondo codes."""
    code: bytes
    fields: tuple[str, ...]
    labels: tuple[str, ...]
    commercial: bool
    publishes: bool
    regions: tuple[str, ...]
    documents: tuple[str, ...]
    """Their kinds."""
    days: int
    rounds: int
    colluders: int
    organisations: tuple[str, ...]
    """The hospitals that are asked."""
    count: int
    """Of the version, rounded, as published."""


@dataclass(frozen=True)
class Verdict:
    """A policy's answer, and why: ids of its Cedar policies, or codes of `REASONS`, in order."""

    answer: Answer
    reasons: tuple[str, ...]


@lru_cache(1024)
def judge(terms: Terms, asked: Asked) -> Verdict:
    """What a policy says to a request: of every purpose and disease in it, the strictest answer.

    The same on every machine: a policy that cannot be evaluated says no (`policy_error`).
    """
    if broken := _broken(terms, asked):
        return Verdict(Answer.NO, broken)
    cases = purposes.cases(asked.purposes, asked.diseases)
    if len(cases) > JUDGED_MAX:
        return Verdict(Answer.NO, (TOO_MUCH,))
    requests = [_request(asked, case, reviewed) for case in cases for reviewed in (True, False)]
    try:
        entities = _entities(asked, cedar.reads(terms.cedar))
        answers = cedar.asked(cedar.handle(terms.cedar), requests, entities, POLICY_ERROR)
    except ValueError:  # of Cedar, which does not read what it is told: no block may end with that
        return Verdict(Answer.NO, (POLICY_ERROR,))
    return _strictest([_combined(*answers[number : number + 2]) for number in range(0, len(answers), 2)])


def _broken(terms: Terms, asked: Asked) -> tuple[str, ...]:
    """The bounds that a request is beyond, which no Cedar policy can lift."""
    beyond = (
        (FEW_COLLUDERS, asked.colluders < terms.colluders_min),
        (SMALL_COHORT, asked.count < terms.minimum_cohort),
        (TOO_LONG, 0 < terms.days_max < asked.days),
    )
    return tuple(reason for reason, holds in beyond if holds)


def _combined(seen: tuple[bool, tuple[str, ...]], unseen: tuple[bool, tuple[str, ...]]) -> Verdict:
    """Three values of two: denied after a look, denied without one, allowed."""
    if not seen[0]:
        return Verdict(Answer.NO, seen[1] or (NOTHING_PERMITS,))
    if not unseen[0]:
        return Verdict(Answer.LOOK, unseen[1] or (NOTHING_PERMITS,))
    return Verdict(Answer.YES, unseen[1])


def _strictest(verdicts: list[Verdict]) -> Verdict:
    given = [verdict.answer for verdict in verdicts]
    answer = next(each for each in (Answer.NO, Answer.LOOK, Answer.YES) if each in given)
    reasons = {reason for verdict in verdicts if verdict.answer == answer for reason in verdict.reasons}
    return Verdict(answer, tuple(sorted(reasons)))


_THIS = ("Request", "asked")
"""The entity of what is asked: read once for all questions about it."""


def _attributes(asked: Asked) -> dict[str, Any]:
    everyone = sorted({PersonRef(asked.organisation, asked.person), *asked.members})
    return {
        "code": asked.code.hex(),
        "colluders": asked.colluders,
        "commercial": asked.commercial,
        "count": asked.count,
        "days": asked.days,
        "diseases": [cedar.reference("Disease", code) for code in asked.diseases],
        "documents": asked.documents,
        "fields": asked.fields,
        "institutions": [
            cedar.reference("Organisation", name) for name in sorted({each.organisation for each in everyone})
        ],
        "labels": asked.labels,
        "organisations": [cedar.reference("Organisation", name) for name in asked.organisations],
        "people": [cedar.reference("Person", str(each)) for each in everyone],
        "publishes": asked.publishes,
        "purposes": [cedar.reference("Purpose", code) for code in asked.purposes],
        "regions": asked.regions,
        "rounds": asked.rounds,
    }


def _request(asked: Asked, case: purposes.Case, reviewed: bool) -> dict[str, Any]:
    """One question: may this be done for this purpose, about this disease?"""
    context = {
        "asked": cedar.reference(*_THIS),
        "disease": cedar.reference("Disease", case[1]),
        "purpose": cedar.reference("Purpose", case[0]),
        "reviewed": reviewed,
    }
    return {
        "principal": {"type": "Person", "id": f"{asked.organisation}/{asked.person}"},
        "action": {"type": "Action", "id": asked.kind},
        "resource": {"type": "Dataset", "id": f"{asked.owner}/{asked.dataset}"},
        "context": context,
    }


def _entities(asked: Asked, reads: frozenset[str]) -> cedarpy.Entities:
    """Who asks, for which dataset, what that is read of it, and all that the purposes and diseases are kinds of."""
    roles = [("Role", role) for role in asked.roles]
    own = [
        cedar.entity("Person", f"{asked.organisation}/{asked.person}", [("Organisation", asked.organisation), *roles]),
        cedar.entity("Dataset", f"{asked.owner}/{asked.dataset}", [("Organisation", asked.owner)]),
        cedar.entity(*_THIS, attributes={name: value for name, value in _attributes(asked).items() if name in reads}),
    ]
    return _kinds(asked.purposes, asked.diseases).with_added_json_str(msgspec.json.encode(own).decode())


@lru_cache(256)
def _kinds(asked_purposes: tuple[str, ...], asked_diseases: tuple[str, ...]) -> cedarpy.Entities:
    """Purposes and diseases with all that they are kinds of, for `in`."""
    found = [
        cedar.entity(kind, code, [(kind, parent) for parent in purposes.ancestors(code)])
        for kind, codes in (("Purpose", asked_purposes), ("Disease", asked_diseases))
        for code in sorted(set(codes))
    ]
    return cedarpy.Entities.from_json_str(msgspec.json.encode(found).decode())


# -- transactions ------------------------------------------------------------------------------------------------------


def _set(context: Context, body: SetPolicy) -> None:
    context.require_role(STEWARD)
    organisation = context.sender.organisation
    require(datasets.dataset(context.state, organisation, body.dataset) is not None, "no_such_dataset")
    require_sound(body.terms)
    person = people.sender(context.sender)
    _enact(context, Pending(organisation, body.dataset, body.terms, context.height, (person,), context.time_ms))


def _confirm(context: Context, body: ConfirmPolicy) -> None:
    context.require_role(STEWARD)
    waiting = _pending(context, body.dataset)
    require(waiting.terms.digest == body.terms, "wrong_policy")
    person = people.sender(context.sender)
    behind = [each for each in waiting.persons if people.stands(context.state, each, waiting.time_ms)]
    require(person not in behind, "same_person")
    persons = tuple(sorted((*behind, person)))
    _enact(context, msgspec.structs.replace(waiting, persons=persons, time_ms=context.time_ms))


def _withdraw(context: Context, body: WithdrawPolicy) -> None:
    context.require_role(STEWARD)
    waiting = _pending(context, body.dataset)
    _PENDING.delete(context.state, waiting.organisation, waiting.dataset)
    context.emit(events.PolicyWithdrawn(waiting.organisation, waiting.dataset))


def _pending(context: Context, dataset: str) -> Pending:
    waiting = pending(context.state, context.sender.organisation, dataset)
    if waiting is None:
        raise Refusal("no_policy_waits")
    return waiting


def _enact(context: Context, waiting: Pending) -> None:
    """Put it in force if enough persons stand behind it, else keep it until they do."""
    state, organisation, dataset = context.state, waiting.organisation, waiting.dataset
    before = current(state, organisation, dataset)
    if sum(STEWARD in people.roles_of(state, person) for person in waiting.persons) < before.approvers:
        _PENDING.put(state, waiting, organisation, dataset)
        context.emit(events.PolicyProposed(organisation, dataset, waiting.terms.digest))
        return
    version = before.version + 1
    chosen = {name: getattr(waiting.terms, name) for name in Terms.__struct_fields__}
    made = Policy(**chosen, organisation=organisation, dataset=dataset, version=version, height=context.height,
                  persons=waiting.persons)  # fmt: skip
    _POLICIES.put(state, made, organisation, dataset, version)
    _STANDINGS.put(state, Standing(version), organisation, dataset)
    if pending(state, organisation, dataset) is not None:
        _PENDING.delete(state, organisation, dataset)
    context.emit(events.PolicySet(organisation, dataset, version))


def require_sound(terms: Terms) -> None:
    """Refuse (`bad_policy`) what no policy may say."""
    require(1 <= terms.approvers <= APPROVERS_MAX, "bad_policy")
    require(0 <= terms.minimum_cohort < COUNT_MAX and 0 <= terms.colluders_min < 1000, "bad_policy")
    require(0 <= terms.days_max <= DAYS_MAX and 0 <= terms.epsilon_max_millionths < 1 << 40, "bad_policy")
    kinds = [duty.kind for duty in terms.duties]
    require(kinds == sorted(set(kinds)) and set(kinds) <= set(DUTIES), "bad_policy")
    require(all(0 <= duty.days <= DAYS_MAX for duty in terms.duties), "bad_policy")
    require(len(terms.licences) <= LICENCES_MAX and list(terms.licences) == sorted(set(terms.licences)), "bad_policy")
    require_digest(*terms.licences)
    cedar.require_sound(terms.cedar)
    require(not set(cedar.parsed(terms.cedar)) & set(REASONS), "bad_policy")


HANDLERS = {SetPolicy: _set, ConfirmPolicy: _confirm, WithdrawPolicy: _withdraw}
