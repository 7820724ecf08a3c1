"""Counts of people, and what members have, as the terminal shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hmchain.application.data.cohorts import CohortCheck
from hmchain.application.governance.counts import CountStanding, PlannedCount
from hmchain.application.models.counts import CountResult
from hmchain.interfaces.cli import output
from hmchain.ledger.readers.catalogue import BudgetView, DatasetOffer
from hmchain.plain import plain

_ANSWERS = {"yes": "yes", "no": "no", "look": "a person looks"}


def show_offers(found: Sequence[DatasetOffer]) -> None:
    """What members have."""
    if not found:
        output.say("No member has published a dataset. A steward publishes one: `hmchain data register DATASET`")
        return
    asked = any(each.answer for each in found)  # nobody is told what a policy says to nobody
    columns = (
        "hospital",
        "dataset",
        "records",
        "holds",
        "counts people",
        *(("may one ask?",) if asked else ()),
        "policy",
    )
    output.table(columns, [_offer(each, asked=asked) for each in found], drop=("policy", "records"))
    output.say("A policy in plain words: `hmchain policy show DATASET --of HOSPITAL`")


def _offer(each: DatasetOffer, *, asked: bool) -> tuple[object, ...]:
    answer = (_ANSWERS.get(each.answer, "-"),) if asked else ()
    held = (each.organisation, f"{each.dataset} v{each.version}", each.records, each.holds, _counts(each))
    return (*held, *answer, _policy(each))


def _counts(each: DatasetOffer) -> str:
    if not each.counts_people:
        return "no"
    return f"from {each.people_min}; {each.epsilon_left:g} left" if each.epsilon_left else "no budget left"


def show_budget(found: BudgetView) -> None:
    """A dataset's budget."""
    output.fields((
        ("dataset", f"{found.organisation}/{found.dataset}"),
        ("budget", f"{found.total:g}, of which {found.spent:g} is spent"),
    ))  # fmt: skip
    if found.paid:
        output.table(
            ("asked by", "in request", "epsilon", "at block"),
            ((each.applicant, each.request, f"{each.epsilon:g}", each.height) for each in found.paid),
        )
        output.say("What was paid for can be asked again for nothing; versions of a dataset share its budget.")


def _policy(each: DatasetOffer) -> str:
    if not each.policy.version:
        return "none: a person looks"
    decides = "decides by itself" if each.policy.automatic else f"{each.policy.approvers} decide"
    return f"version {each.policy.version}, {decides}"


def offer_value(each: DatasetOffer) -> dict[str, Any]:
    """An offer for programs: of the policy what is not Cedar."""
    value: dict[str, Any] = plain(each)
    policy = each.policy
    value["policy"] = {"version": policy.version, "approvers": policy.approvers, "automatic": policy.automatic}
    return value


def show_counts(found: Sequence[CountStanding]) -> None:
    """Counts that were asked for."""
    if not found:
        output.say(
            'Nobody has asked how many people there are: `hmchain cohort count "female" --dataset north/patients`'
        )
        return
    output.table(
        ("count", "query", "status", "waits for"),
        ((each.count, each.query, _status(each), output.listed(each.waits_for)) for each in found),
    )


def _status(each: CountStanding) -> str:
    return each.status + (f" ({each.reason})" if each.reason else "")


def ask(found: PlannedCount) -> None:
    """What is about to be counted."""
    output.fields((
        ("counts", found.words),
        ("hospitals", output.listed(found.hospitals)),
        ("epsilon", f"{found.epsilon:g} for one person, of each hospital's budget"),
    ))  # fmt: skip


def show_asked(found: CountStanding, result: CountResult | None) -> None:
    """What came of asking."""
    if result is not None:
        show_result(result)
        return
    output.fields((
        ("count", found.count),
        ("counts", found.words),
        ("status", _status(found)),
        ("allowed by", output.listed(found.allowed_by)),
        ("denied by", output.listed(found.denied_by)),
    ))  # fmt: skip
    if found.waits_for:
        who = output.listed(found.waits_for)
        output.say(
            f"A person decides at {who}: `hmchain request show {found.count}` there. Then give this command again."
        )
    elif found.is_done:
        output.say(f"The number is with the hospitals that took part: `hmchain cohort result {found.study}` there.")


def show_result(found: CountResult) -> None:
    """The number."""
    output.say(f"{str(found)[0].upper()}{str(found)[1:]}.")
    output.fields((
        ("counts", found.words),
        ("hospitals", output.listed(found.hospitals)),
        ("without", output.listed(name for name in found.asked if name not in found.hospitals)),
        ("epsilon", f"{found.epsilon:g}"),
        ("release", output.listed(found.releases, "none: the number stays inside the hospitals that were counted")),
    ))  # fmt: skip


def show_check(found: CohortCheck) -> None:
    """One's own number."""
    output.fields((
        ("counts", found.words),
        ("here", f"{found.people:,} of {found.of:,} people in {found.dataset} version {found.version}"),
        ("answer", "the number with noise, in a sum" if found.answers else "none: this hospital would sit out"),
    ))  # fmt: skip
    output.say("The exact number stays here; tell it to nobody outside.")
