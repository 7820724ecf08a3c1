"""What hospitals' policies say of a request, and where it stands with each hospital from its submission on.

A policy may be made to be slow, and every node has it judge in the same block. So an organisation has a share of a
block's judging.
"""

from __future__ import annotations

from msgspec.structs import replace

from hmchain.canonical import Record
from hmchain.ledger import purposes
from hmchain.ledger import request_events as events
from hmchain.ledger.context import Context, require
from hmchain.ledger.contracts.data import contents, datasets, obligations, permits, policies, requests
from hmchain.ledger.contracts.data.policies import Answer, Asked, Policy, Verdict
from hmchain.ledger.contracts.data.requests import (
    Content,
    DatasetVersion,
    Decided,
    Entry,
    Handling,
    LastAsked,
    Submission,
)
from hmchain.ledger.contracts.members import people
from hmchain.ledger.reputation import DAY_MS
from hmchain.ledger.state import State, Table

JUDGED_A_BLOCK_MAX = contents.DATASETS_MAX * (1 + policies.JUDGED_MAX)
"""Of one organisation: what the largest submission costs. A judgement costs 1, and 1 for each use and disease in it."""


class Lately(Record, frozen=True):
    """What an organisation had policies judge in the last block in which it did."""

    height: int
    cost: int


_LATELY = Table("judged_lately", Lately)
"""By organisation."""


def take_share(context: Context, content: Content, datasets: int) -> None:
    """Charge the sender's organisation for judging a content of so many datasets; refuse (`too_many_at_once`)."""
    cases = purposes.cases(content.purposes, content.diseases)
    charge(context, datasets * (1 + min(len(cases), policies.JUDGED_MAX)))


def charge(context: Context, cost: int) -> None:
    """Charge the sender's organisation for judging that costs so much; refuse (`too_many_at_once`)."""
    organisation, last = context.sender.organisation, _LATELY.get(context.state, context.sender.organisation)
    cost += last.cost if last is not None and last.height == context.height else 0
    require(cost <= JUDGED_A_BLOCK_MAX, "too_many_at_once")
    _LATELY.put(context.state, Lately(context.height, cost), organisation)


def open_handling(context: Context, made: Submission, content: Content, use: DatasetVersion) -> None:
    """Have the hospital's policy answer: no ends it there, a yes may decide, else a person does.

    A yes to an earlier version that ended does not come back: who wants to go on copies the request. Nor does a
    hospital's part that is over begin again with another dataset, since keys were erased by that.
    """
    state = context.state
    earlier = _earlier(state, made.request, use)
    is_over = permits.is_over(state, made.request, use.organisation, context.time_ms)
    _note_asked(state, made, use)
    if earlier is not None and permits.has_ended(earlier, context.time_ms):
        # Nobody said anything of this content; who revoked what was before still did, who let it expire did not.
        revoked_by = earlier.decided_by if earlier.status is Decided.REVOKED else ()
        _end_before(
            context,
            replace(earlier, version=made.version, content=made.content, approvals=(), decided_by=revoked_by),
        )
        return
    policy = policies.current(state, use.organisation, use.dataset)
    word = _first_word(context, made, content, use, policy)
    if is_over:
        _end_before(context, word)
        return
    if word.answer == Answer.NO:
        word = replace(word, status=Decided.DENIED)
    elif word.answer == Answer.YES and policy.automatic and _is_disinterested(state, policy, made, content):
        until_ms = longest_ms(policy, content, context.time_ms)
        word = replace(word, status=Decided.APPROVED, since_ms=context.time_ms, until_ms=until_ms)
    requests.put_handling(state, word)
    tell_answer(context, word)
    if word.status is Decided.APPROVED:
        take_effect(context, word, policy, "")


def _note_asked(state: State, made: Submission, use: DatasetVersion) -> None:
    place = (use.organisation, use.dataset)
    requests.ASKED_OF.put(state, Entry(made.request), *place, made.request)
    requests.LAST_ASKED.put(state, LastAsked(*place, made.version), made.request, *place)


def _first_word(context: Context, made: Submission, content: Content, use: DatasetVersion, policy: Policy) -> Handling:
    """A hospital's word before anybody but its policy said something."""
    verdict = judge(context.state, policy, made, content, use)
    return Handling(
        made.request, use.organisation, use.dataset, Decided.WAITING, made.version, made.content,
        answer=verdict.answer, reasons=verdict.reasons, policy=policy.version, approvals=(), since_ms=0, until_ms=0,
        licences=policy.licences, processing="", reason="", document=b"", decided_by=(),
        time_ms=context.time_ms, height=context.height,
    )  # fmt: skip


def _end_before(context: Context, word: Handling) -> None:
    """Let a word be over as it is given, since what it would go on with has ended."""
    requests.put_handling(context.state, replace(word, status=Decided.REVOKED))
    context.emit(events.RequestEndedBefore(word.request, word.organisation, word.dataset, word.version))


def _is_disinterested(state: State, policy: Policy, made: Submission, content: Content) -> bool:
    """Whether a policy may decide by itself: nobody who set it may be one who could not decide in person."""
    involved = requests.require_request(state, made.request).involved
    return set(policy.persons).isdisjoint({*involved, requests.registrant(state, content.code)})


def judge(state: State, policy: Policy, made: Submission, content: Content, use: DatasetVersion) -> Verdict:
    """What a policy says of a submission."""
    return policies.judge(policy, asked(state, made, content, use))


def asked(state: State, made: Submission, content: Content, use: DatasetVersion) -> Asked:
    """What a policy is asked about."""
    version = datasets.version(state, use.organisation, use.dataset, use.version)
    return Asked(
        organisation=made.applicant.organisation,
        person=made.applicant.person,
        roles=people.roles_of(state, made.applicant),
        members=made.members,
        owner=use.organisation,
        dataset=use.dataset,
        kind=str(content.kind),
        purposes=content.purposes,
        diseases=content.diseases,
        code=content.code,
        fields=content.fields,
        labels=content.labels,
        commercial=content.commercial,
        publishes=content.publishes,
        regions=content.regions,
        documents=tuple(sorted({str(document.kind) for document in content.documents})),
        days=-((made.time_ms - content.until_ms) // DAY_MS),
        rounds=content.resources.rounds,
        colluders=content.colluders,
        organisations=tuple(sorted({each.organisation for each in content.datasets})),
        count=min(version.count, policies.COUNT_MAX) if version is not None else 0,
    )


def longest_ms(policy: Policy, content: Content, time_ms: int) -> int:
    """Until when a yes of now may last."""
    return min(content.until_ms, time_ms + policy.days_max * DAY_MS) if policy.days_max else content.until_ms


def tell_answer(context: Context, word: Handling) -> None:
    """Emit what the policy answered."""
    context.emit(
        events.RequestJudged(
            word.request, word.organisation, word.dataset, word.version, word.policy, word.answer, word.reasons
        )
    )


def take_effect(context: Context, word: Handling, policy: Policy, person: str) -> None:
    """Let a hospital's yes, now complete, take effect: emit it, and let begin what is owed for it."""
    place = (word.request, word.organisation, word.dataset, word.version)
    context.emit(events.RequestApproved(*place, person, word.until_ms))
    for duty in policy.duties:
        obligations.incur(context, word, duty)


def _earlier(state: State, request: str, use: DatasetVersion) -> Handling | None:
    """The hospital's word on the last version that asked for the dataset."""
    last = requests.LAST_ASKED.get(state, request, use.organisation, use.dataset)
    return requests.HANDLINGS.get(state, request, last.version, use.organisation, use.dataset) if last else None
