"""A hospital's policies at its node: read in words, set by one person or confirmed by another, looked back at."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.governance.policies.file import PolicyFileError, licences_of, load_policy, terms_of
from hmchain.application.governance.policies.words import (
    Difference,
    RuleInWords,
    bounds_in_words,
    difference,
    rules_in_words,
)
from hmchain.application.governance.reasons import reason_words
from hmchain.application.governance.requests import licences
from hmchain.application.governance.requests.licences import Wording
from hmchain.application.site.node import NodeFolder
from hmchain.errors import InputError
from hmchain.ledger.context import STEWARD
from hmchain.ledger.contracts.data import datasets, judging, policies, requests
from hmchain.ledger.contracts.data.policies import (
    Answer,
    Asked,
    ConfirmPolicy,
    Pending,
    Policy,
    SetPolicy,
    Terms,
    WithdrawPolicy,
)
from hmchain.ledger.contracts.members import people
from hmchain.ledger.state import State
from hmchain.records.objects import ObjectStore


class NoPolicyError(InputError):
    """There is no such dataset, no such version of its policy, or nothing that waits."""

    code = "no_policy"


@dataclass(frozen=True)
class PolicyView:
    """A policy in words."""

    hospital: str
    dataset: str
    version: int
    """0 where none was set; of a file the version that it would have is not known, and this is -1."""
    height: int
    persons: tuple[str, ...]
    digest: bytes
    rules: tuple[RuleInWords, ...]
    bounds: tuple[str, ...]
    waiting: WaitingPolicy | None = None


@dataclass(frozen=True)
class WaitingPolicy:
    """A policy that waits for other persons' words."""

    dataset: str
    digest: bytes
    persons: tuple[str, ...]
    """Who stands behind it so far."""
    needed: int
    """Persons who must, in all."""
    gone: tuple[str, ...]
    """What the policy in force says and this one does not."""
    new: tuple[str, ...]


@dataclass(frozen=True)
class PolicyChange:
    """What setting a policy would change."""

    hospital: str
    dataset: str
    terms: Terms
    before: int
    """The version in force."""
    gone: tuple[str, ...]
    new: tuple[str, ...]
    needed: int
    """Persons who must stand behind it."""
    too_few: bool
    """The hospital has fewer stewards than the policy would ask for."""
    denied: tuple[DeniedPermit, ...]
    """Approvals in force that it would not give."""
    is_in_force: bool = False
    """It is what is in force already, and nothing else waits."""


@dataclass(frozen=True)
class PolicySet:
    """What became of it."""

    hospital: str
    dataset: str
    version: int
    """In force now."""
    waiting: WaitingPolicy | None


def own_hospital(place: Path) -> str:
    """The hospital whose node's folder this is. Raises `NoPolicyError` for a ledger alone, which is everybody's."""
    node = NodeFolder(place)
    if not node.toml.is_file():
        raise NoPolicyError(f"{place} is no hospital's node", "say whose policy is meant: --of HOSPITAL")
    return node.settings().organisation


def of_file(path: Path) -> tuple[str, Terms]:
    """The dataset and the policy of a file. Raises `PolicyFileError`."""
    file = load_policy(path)
    return file.dataset, terms_of(file, path.parent)


def hand_out_terms(path: Path, terms: Terms, objects: Callable[[], ObjectStore]) -> tuple[bytes, ...]:
    """Put the files of terms that a policy's file names where the members read them; no store is opened for none.

    Returns the digests of terms that nobody can read there. Raises `StorageError`, and `PolicyFileError` where they are
    no longer those of the policy that was read before: nobody said yes to handing these out.
    """
    named = licences_of(load_policy(path), path.parent)
    if tuple(each.digest for each in named) != terms.licences:
        what = f"the terms that {path} names were changed meanwhile"
        raise PolicyFileError(what, "nothing was sent: give the same command again, and read them")
    return licences.put(objects(), named) if named else ()


def terms_to_accept(state: State, objects: ObjectStore, organisation: str, dataset: str) -> tuple[Wording, ...]:
    """What the terms say that a policy in force asks for. Raises `NoPolicyError`."""
    _require_dataset(state, organisation, dataset)
    asked = policies.current(state, organisation, dataset).licences
    return tuple(licences.wording(objects, digest) for digest in asked)


def in_words(terms: Terms, dataset: str) -> PolicyView:
    """A policy of a file, in words."""
    return PolicyView("", dataset, -1, 0, (), terms.digest, rules_in_words(terms), bounds_in_words(terms))


def shown(state: State, organisation: str, dataset: str, version: int | None = None) -> PolicyView:
    """A policy in force, or an older version of it, and what waits beside it. Raises `NoPolicyError`."""
    _require_dataset(state, organisation, dataset)
    current = policies.current(state, organisation, dataset)
    found = current if version is None else policies.at(state, organisation, dataset, version)
    if found is None:
        what = f"the policy of {dataset} has no version {version}"
        raise NoPolicyError(what, f"`hmchain policy history {dataset}` lists those that there are")
    waiting = policies.pending(state, organisation, dataset) if found.version == current.version else None
    return _view(found, _waiting(waiting, current))


def _view(policy: Policy, waiting: WaitingPolicy | None = None) -> PolicyView:
    return PolicyView(
        policy.organisation, policy.dataset, policy.version, policy.height, tuple(map(str, policy.persons)),
        policy.digest, rules_in_words(policy), bounds_in_words(policy), waiting,
    )  # fmt: skip


def history(state: State, organisation: str, dataset: str) -> tuple[PolicyView, ...]:
    """All versions of a policy, the newest first, down to what holds where none was set. Raises `NoPolicyError`."""
    _require_dataset(state, organisation, dataset)
    found = [policies.default(organisation, dataset), *policies.history(state, organisation, dataset)]
    return tuple(map(_view, reversed(found)))


def compared(state: State, organisation: str, dataset: str, before: int, after: int) -> Difference:
    """The sentences of which two versions differ. Raises `NoPolicyError`."""
    _require_dataset(state, organisation, dataset)
    found = [policies.at(state, organisation, dataset, number) for number in (before, after)]
    if found[0] is None or found[1] is None:
        missing = before if found[0] is None else after
        what = f"the policy of {dataset} has no version {missing}"
        raise NoPolicyError(what, f"`hmchain policy history {dataset}` lists those that there are")
    return difference(found[0], found[1])


def change(state: State, organisation: str, dataset: str, terms: Terms, time_ms: int) -> PolicyChange:
    """What setting a policy would change. Raises `NoPolicyError` for a dataset that the hospital has not."""
    _require_dataset(state, organisation, dataset)
    current = policies.current(state, organisation, dataset)
    between = difference(current, terms)
    few = len(people.with_role(state, organisation, STEWARD)) < terms.approvers
    return PolicyChange(
        organisation, dataset, terms, current.version, between.gone, between.new, current.approvers, few,
        denied(state, organisation, terms, dataset, time_ms),
        terms.digest == current.digest and policies.pending(state, organisation, dataset) is None,
    )  # fmt: skip


@dataclass(frozen=True)
class DeniedPermit:
    """A request that was approved, and that a policy would deny."""

    request: str
    until_ms: int
    reasons: tuple[str, ...]
    """In words."""
    revoke: str
    """The command that takes the approval back."""


def denied(state: State, organisation: str, terms: Terms, dataset: str, time_ms: int) -> tuple[DeniedPermit, ...]:
    """The approvals in force that a policy would not give: setting it leaves them as they are."""
    found = []
    for entry, word in _words(state, organisation, dataset, requests.Decided.APPROVED):
        verdict = policies.judge(terms, _asked(state, entry, dataset, organisation))
        if word.until_ms >= time_ms and verdict.answer is Answer.NO:
            revoke = f"hmchain request revoke {entry.name} --dataset {dataset} --reason policy"
            found.append(DeniedPermit(entry.name, word.until_ms, tuple(map(reason_words, verdict.reasons)), revoke))
    return tuple(found)


@dataclass(frozen=True)
class Foreseen:
    """What a policy would answer to a request that waits."""

    request: str
    before: Answer
    """Of the policy in force."""
    after: Answer
    reasons: tuple[str, ...]
    """In words."""


def foreseen(state: State, organisation: str, terms: Terms, dataset: str) -> tuple[Foreseen, ...]:
    """What a policy would answer to the requests that wait for this hospital's word on a dataset; none is changed."""
    current, found = policies.current(state, organisation, dataset), []
    for entry, _ in _words(state, organisation, dataset, requests.Decided.WAITING):
        if entry.status is not requests.Status.SUBMITTED:
            continue
        asked = _asked(state, entry, dataset, organisation)
        verdict = policies.judge(terms, asked)
        reasons = tuple(map(reason_words, verdict.reasons))
        found.append(Foreseen(entry.name, policies.judge(current, asked).answer, verdict.answer, reasons))
    return tuple(found)


def _words(
    state: State, organisation: str, dataset: str, status: requests.Decided
) -> Iterator[tuple[requests.Request, requests.Handling]]:
    """The requests for a dataset of which the hospital's word stands so."""
    for name in requests.asked_of(state, organisation, dataset):
        entry = requests.require_request(state, name)
        word = requests.handling(state, entry, organisation, dataset)
        if word is not None and word.status is status:
            yield entry, word


def _asked(state: State, entry: requests.Request, dataset: str, organisation: str) -> Asked:
    made = requests.submission(state, entry.name, entry.version)
    content = requests.content(state, entry.name, entry.version)
    assert made is not None and content is not None  # a word is on what was submitted
    use = next(each for each in content.of(organisation) if each.dataset == dataset)
    return judging.asked(state, made, content, use)


def put(steward: LedgerUser, dataset: str, terms: Terms) -> PolicySet:
    """Steward: set a policy, or propose it to others where the one in force asks for more than one person."""
    steward.send(SetPolicy(dataset, terms))
    return became(steward, dataset)


def waiting(state: State, organisation: str, dataset: str) -> WaitingPolicy:
    """What another person proposed. Raises `NoPolicyError` where nothing waits."""
    current = policies.current(state, organisation, dataset)
    found = _waiting(policies.pending(state, organisation, dataset), current)
    if found is None:
        raise NoPolicyError(f"no policy of {dataset} waits", f"in force: `hmchain policy show {dataset}`")
    return found


def all_waiting(state: State, organisation: str) -> tuple[str, ...]:
    """The datasets of a hospital of which a policy waits for another person."""
    return tuple(each.dataset for each in policies.all_pending(state, organisation))


def confirm(steward: LedgerUser, found: WaitingPolicy) -> PolicySet:
    """Steward: stand behind what another person proposed, just as it was read."""
    steward.send(ConfirmPolicy(found.dataset, found.digest))
    return became(steward, found.dataset)


def withdraw(steward: LedgerUser, dataset: str) -> PolicySet:
    """Steward: let a policy that waits go."""
    waiting(steward.state, steward.organisation, dataset)
    steward.send(WithdrawPolicy(dataset))
    return became(steward, dataset)


def became(steward: LedgerUser, dataset: str) -> PolicySet:
    """What is in force of a dataset's policy, and what waits."""
    state, organisation = steward.state, steward.organisation
    current = policies.current(state, organisation, dataset)
    waits = _waiting(policies.pending(state, organisation, dataset), current)
    return PolicySet(organisation, dataset, current.version, waits)


def _waiting(found: Pending | None, current: Policy) -> WaitingPolicy | None:
    if found is None:
        return None
    between = difference(current, found.terms)
    return WaitingPolicy(
        found.dataset, found.terms.digest, tuple(map(str, found.persons)), current.approvers, between.gone, between.new
    )  # fmt: skip


def _require_dataset(state: State, organisation: str, dataset: str) -> None:
    if datasets.dataset(state, organisation, dataset) is None:
        held = datasets.datasets(state)
        known = ", ".join(each.name for each in held if each.organisation == organisation)
        near = difflib.get_close_matches(organisation, sorted({each.organisation for each in held}), n=1)
        hint = f"it has {known}" if known else "a dataset is registered first: `hmchain data register DATASET`"
        hint = hint if known or not near else f"did you mean {near[0]}? {hint}"
        raise NoPolicyError(f"{organisation} has no dataset {dataset}", hint)
