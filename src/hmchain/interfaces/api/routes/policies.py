"""Policies of datasets: read in words, compared, tried before they are set, and put in force."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import Path, Query

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.governance.policies import file as policy_file
from hmchain.application.governance.policies import setting, trials
from hmchain.application.governance.policies.file import PolicyFile
from hmchain.application.governance.policies.setting import PolicyChange, PolicySet, PolicyView, WaitingPolicy
from hmchain.application.governance.policies.trials import Trial
from hmchain.application.governance.policies.words import Difference
from hmchain.application.governance.purposes import found_by_word
from hmchain.application.governance.requests import file as request_file
from hmchain.application.governance.requests.file import RequestFile
from hmchain.application.governance.requests.licences import Wording
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import Dataset, DatasetName, Hash, Nothing, Organisation, Version
from hmchain.interfaces.api.routing import Routes
from hmchain.ledger.context import STEWARD

VIEW = Rule(Operation.VIEW, Scope.NETWORK)
DECIDE = Rule(Operation.DECIDE, Scope.HOSPITAL, (STEWARD,))

routes = Routes("policies")

At = Annotated[int, Path(ge=0, le=2**31, description="A version; 0 where none was set.")]
Word = Annotated[str, Query(alias="word", min_length=2, max_length=80, description="A part of the name.")]
EXAMPLE = PolicyFile(dataset="brain", uses=("health-research",), kinds=("count", "train"), approvers=2)


class PolicyTrial(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A policy, and requests to try it on; requests that are typical, if there are none."""

    policy: PolicyFile
    requests: Annotated[tuple[RequestFile, ...], msgspec.Meta(max_length=20)] = ()
    applicant: Annotated[str, msgspec.Meta(max_length=100)] = str(trials.SOMEBODY)
    """ORGANISATION/PERSON."""
    hospital: DatasetName = ""
    """Whose dataset it is."""
    cohort: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """Records of the dataset."""


class SeenPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The policy that somebody read who stands behind it."""

    digest: Hash


@routes.get("/policies/{organisation}/{dataset}", VIEW, commands=("policy show",))
def show_policy(call: Call, organisation: Organisation, dataset: Dataset, version: Version = None) -> PolicyView:
    """A policy in plain words: every rule is a sentence, read back from what the ledger has."""
    with call.ledger() as ledger:
        return setting.shown(ledger.verified.state, organisation, dataset, version)


@routes.get("/policies/{organisation}/{dataset}/terms", VIEW, commands=("policy terms",))
def list_policy_terms(call: Call, organisation: Organisation, dataset: Dataset) -> tuple[Wording, ...]:
    """The terms that whoever asks for a dataset accepts, before anybody asks for it."""
    with call.ledger() as ledger:
        return setting.terms_to_accept(ledger.verified.state, call.objects, organisation, dataset)


@routes.get("/policies/{organisation}/{dataset}/versions", VIEW, commands=("policy history",))
def list_policy_versions(call: Call, organisation: Organisation, dataset: Dataset) -> list[PolicyView]:
    """All versions of a policy: whatever was decided under one can be looked up for ever."""
    with call.ledger() as ledger:
        return list(setting.history(ledger.verified.state, organisation, dataset))


@routes.get("/policies/{organisation}/{dataset}/versions/{before}/{after}", VIEW, commands=("policy diff",))
def compare_policies(call: Call, organisation: Organisation, dataset: Dataset, before: At, after: At) -> Difference:
    """The sentences in which two versions of a policy differ."""
    with call.ledger() as ledger:
        return setting.compared(ledger.verified.state, organisation, dataset, before, after)


@routes.get("/codes", VIEW, commands=("policy codes",))
def find_codes(call: Call, word: Word) -> dict[str, str]:
    """Codes of purposes and conditions (DUO) and of diseases (Mondo), by a word of their names."""
    return found_by_word(word)


@routes.post(
    "/policies/trials", VIEW, commands=("policy test", "policy show", "policy new"),
    example=PolicyTrial(policy=EXAMPLE),
)  # fmt: skip
def try_policy(call: Call, body: PolicyTrial) -> tuple[Trial, ...]:
    """Yes, no, or a person must look, to each request, with the reasons. Nothing is sent."""
    policy_file.require_alone(body.policy)
    for each in body.requests:
        request_file.require_alone(each)
    terms, dataset, owner = policy_file.terms_of(body.policy), body.policy.dataset, body.hospital or trials.OWN
    if not body.requests:
        return trials.usual(terms, owner, dataset)
    return trials.of_requests(terms, body.requests, owner, dataset, body.applicant, body.cohort)


@routes.post("/policies/changes", VIEW, commands=("policy show", "policy set"), example=EXAMPLE)
def preview_policy(call: Call, body: PolicyFile) -> PolicyChange:
    """What setting a policy would change, in words; nothing is sent."""
    policy_file.require_alone(body)
    terms = policy_file.terms_of(body)
    with call.ledger() as ledger:
        return setting.change(ledger.verified.state, call.organisation, body.dataset, terms, call.now_ms())


@routes.post("/policies", DECIDE, signs=True, commands=("policy set",), example=EXAMPLE)
def set_policy(call: Call, body: PolicyFile) -> PolicySet:
    """Put a policy in force for a dataset of this hospital; where the one in force asks for two, another confirms it.

    What was approved before stays approved: `/v1/policies/changes` lists what it would not give.
    """
    policy_file.require_alone(body)
    terms = policy_file.terms_of(body)
    with call.user() as user:
        change = setting.change(user.state, user.organisation, body.dataset, terms, user.ledger.now_ms())
        return setting.became(user, body.dataset) if change.is_in_force else setting.put(user, body.dataset, terms)


@routes.post(
    "/policies/{dataset}/confirmation", DECIDE, signs=True, commands=("policy confirm",),
    example=SeenPolicy("00" * 32),
)  # fmt: skip
def confirm_policy(call: Call, dataset: Dataset, body: SeenPolicy) -> PolicySet:
    """Stand behind a policy that another person of this hospital proposed, just as it was read."""
    with call.user() as user:
        return setting.confirm(user, _waiting(setting.waiting(user.state, user.organisation, dataset), body))


def _waiting(found: WaitingPolicy, seen: SeenPolicy) -> WaitingPolicy:
    """What waits, if it is what was read. Raises `NoPolicyError`."""
    if found.digest.hex() != seen.digest:
        raise setting.NoPolicyError(f"another policy of {found.dataset} waits than was read", "read it first")
    return found


@routes.post("/policies/{dataset}/withdrawal", DECIDE, signs=True, commands=("policy withdraw",), example=Nothing())
def withdraw_policy(call: Call, dataset: Dataset, body: Nothing) -> PolicySet:
    """Let a policy go that waits for another person. What is in force stays."""
    with call.user() as user:
        return setting.withdraw(user, dataset)
