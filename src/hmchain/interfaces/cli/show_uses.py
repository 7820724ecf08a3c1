"""Views of what data were used for."""

from __future__ import annotations

from pathlib import Path

from hmchain.application.data.uses import UsesReport
from hmchain.application.governance.purposes import purpose_words
from hmchain.application.pages import patient as words
from hmchain.application.pages.patient import PatientReport
from hmchain.interfaces.cli import output
from hmchain.ledger.readers.uses import UseView

_COLUMNS = ("request", "for", "of", "asked by", "how it stands", "on whose word", "until (UTC)", "models")
_DROP = ("models", "until (UTC)", "asked by")


def show_uses(found: UsesReport) -> None:
    """List uses, the purpose of each in words."""
    if not found.uses:
        output.say("Nothing was asked for.")
        return
    output.table(_COLUMNS, [_row(use) for use in found.uses], drop=_DROP)
    output.say(f"As of {output.when(found.as_of_ms)[:16]} UTC; the ledger's state is {found.vouched}.")


def _row(use: UseView) -> tuple[object, ...]:
    why = use.reason or ", ".join(use.reasons)
    stands = f"{use.standing} ({why})" if why and not use.was_allowed else str(use.standing)
    made = [f"{each.study} ({output.short(each.model)})" for each in use.made if each.model]
    return (
        use.request,
        f"{use.kind}: {'; '.join(map(purpose_words, use.purposes))}",
        f"{use.organisation}/{use.dataset} v{use.version}",
        ", ".join((use.applicant, *use.members)),
        stands,
        words.whose_word(use),
        output.when(use.ended_ms or use.until_ms)[:16] if use.ended_ms or use.until_ms else "-",
        output.listed(made),
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
    output.heading("Models")
    output.say(f"Finished: {output.listed(found.models)}.")
    output.say(words.UNFORGOTTEN)
    output.heading("What this does not prove")
    for text in words.NOT_PROVEN:
        output.say(f"- {text}")
    if page is not None:
        output.say(f"The same to print: {page}")
