"""Views of what data were used for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hmchain.application.data.uses import DutiesReport, UsesReport
from hmchain.application.governance.purposes import purpose_words
from hmchain.application.governance.reasons import reason_words
from hmchain.application.pages import patient as words
from hmchain.application.pages.patient import PatientReport
from hmchain.interfaces.cli import output
from hmchain.ledger.readers.explanations import Explanation
from hmchain.ledger.readers.notices import DutyView
from hmchain.ledger.readers.uses import Standing, UseView

_COLUMNS = ("request", "for", "of", "asked by", "how it stands", "on whose word", "until", "models")
_DROP = ("models", "asked by", "of")


def show_uses(found: UsesReport) -> None:
    """List uses, the purpose of each in words."""
    if not found.uses:
        output.say("Nothing was asked for.")
        return
    alone = len({use.organisation for use in found.uses}) == 1
    output.table(_COLUMNS, [_row(use, alone=alone) for use in found.uses], drop=_DROP)
    output.fields((f"{each.study} on this machine", each) for each in found.machine)
    output.say(f"As of {output.when(found.as_of_ms)[:16]} UTC; the ledger's state is {found.vouched}.")


def _row(use: UseView, *, alone: bool) -> tuple[object, ...]:
    """A use in a row; the hospital is named unless it is `alone` in the table."""
    why = use.reason or ("; ".join(map(reason_words, use.reasons)) if use.standing is Standing.DENIED else "")
    stands = f"{use.standing} ({why})" if why and not use.was_allowed else str(use.standing)
    stands += "".join(f"; left {each.study}: {each.left} used up" for each in use.made if each.left)
    made = [f"{each.study} ({output.short(each.model)})" for each in use.made if each.model]
    return (
        use.request,
        f"{use.kind}: {'; '.join(purpose_words(code).partition(', ')[2] for code in use.purposes)}",
        f"{'' if alone else f'{use.organisation}/'}{use.dataset} v{use.version}",
        ", ".join((use.applicant, *use.members)),
        stands,
        words.whose_word(use),
        output.when(use.ended_ms or use.until_ms)[:10] if use.ended_ms or use.until_ms else "-",
        output.listed(made),
    )


def show_why(found: Sequence[Explanation]) -> None:
    """Say what each policy said of each version, why, and whether it says the same again."""
    alike = all(each.agrees and each.again for each in found)
    columns = ("version#", "of", "policy#", "set by", "said", "why", *(() if alike else ("asked again",)))
    output.table(columns, [_why(each)[: len(columns)] for each in found], drop=("set by", "version#"))
    if found and alike:
        output.say("Asked again, each policy says the same.")


def _why(each: Explanation) -> tuple[object, ...]:
    again = each.again or "not asked: a yes had ended"
    return (
        each.submission,
        f"{each.organisation}/{each.dataset}",
        each.policy,
        output.listed(each.set_by),
        each.answer,
        "; ".join(map(reason_words, each.reasons)) or "-",
        "the same" if each.agrees and each.again else again,
    )


def show_duties(found: DutiesReport) -> None:
    """List duties, what is overdue first, and what should be seen to."""
    if found.duties:
        columns = ("duty", "of", "to", "how it stands", "due (UTC)", "shown by", "said by")
        output.table(columns, [_duty(each) for each in found.duties], drop=("said by", "shown by"))
    else:
        output.say("Nothing is owed.")
    for each in found.notices:
        output.say(f"{each}.")


def _duty(each: DutyView) -> tuple[object, ...]:
    return (
        each.kind,
        each.request,
        f"{each.organisation}/{each.dataset}",
        each.standing,
        output.when(each.due_ms)[:16],
        output.listed(each.shown_by),
        output.listed(each.settled_by),
    )


def show_patient(found: PatientReport, page: Path | None) -> None:
    """Answer a patient in plain words."""
    output.heading("What is there")
    for held in found.held:
        records = output.listed(f"{count} {kind}" for kind, count in sorted(held.records.items()))
        output.say(f"{held.title or held.dataset}, version {held.version}: {records}.")
    if not found.held:
        output.say("Nothing of this patient is prepared for research here.")
    output.heading("What it was used for")
    if found.unknown:
        output.say(f"This cannot be told: {found.unknown}.")
    elif not found.uses:
        output.say("Nobody has asked for it on this ledger.")
    for use in found.uses:
        output.say(f"{use.request}: {words.purpose(found, use)}; {use.dataset} version {use.version}.")
        output.say(f"  Asked by {use.applicant}; {words.stands(use)}, on the word of {words.whose_word(use)}.")
        output.say(f"  {words.when(use).capitalize()}.")
    output.heading("Studies that used records of this patient")
    for each in found.rounds:
        output.say(f"{each.study}: {each.words}, of {each.dataset} version {each.version}, last on {each.day}.")
    if not found.rounds:
        output.say("None.")
    output.heading("Models")
    output.say(f"Finished: {output.listed(found.models)}.")
    output.say(words.UNFORGOTTEN)
    output.heading("What this does not prove")
    for text in words.NOT_PROVEN:
        output.say(f"- {text}")
    if page is not None:
        output.say(f"The same to print: {page}")
