"""Views of what a study asks and pins, in the words of its scientists and in ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hmchain.application.governance.purposes import purpose_words
from hmchain.application.governance.terms import Term, terms
from hmchain.application.governance.words import Reading, StudyInWords, StudyWords
from hmchain.interfaces.cli import output
from hmchain.ledger.readers.studies import REQUESTED, StudyRequest

ASKED_COLUMNS = (
    "study", "title", "status", "this hospital said", "asks for", "proposed by", "purpose", "rounds#", "until (UTC)",
)  # fmt: skip
COLUMNS = ("study", "title", "status", "answers", "proposed by", "purpose", "rounds#")
DROP = ("rounds#", "until (UTC)", "purpose", "proposed by")


def show_list(found: Sequence[StudyInWords], *, asks: bool) -> None:
    """List studies; `asks` where they are put to one hospital, and not shown of a run, which is nobody's."""
    rows = [(_asked_row if asks else _row)(each) for each in found]
    output.table(ASKED_COLUMNS if asks else COLUMNS, rows, drop=DROP)
    if any(each.words.reading is Reading.UNREAD for each in found):
        output.say("Read a description: `hmchain study show STUDY`")


def show_proposal(shown: StudyInWords, *, asks: bool = True) -> None:
    """All that a study pins, its description, and what it asks of this hospital; `asks` as for `show_list`."""
    asked = shown.proposal.asked
    wants = f"{asked.dataset} version {asked.version}" if asked.dataset else "nothing of this hospital"
    output.fields((
        ("study", f"{asked.study}, proposed by {asked.proposer}, {asked.status}"),
        *_words(shown.words, asked.request),
    ))  # fmt: skip
    output.heading("Asked and answered")
    output.fields((*((("asks for", wants),) if asks else ()), ("said so far", _answers_by_name(asked))))
    output.fields((("used here", shown.machine),) if shown.machine else ())
    output.heading("Pinned, and bound by an approval")
    output.fields((*terms(shown.proposal.specification), *_request(asked)))
    if shown.words.is_lost:
        output.say(f"THE DESCRIPTION CANNOT BE SHOWN: {shown.words.reason}", style="bold red")


_UNSAID = {
    Reading.NONE: "none: this study came without title, text and contact",
    Reading.MEMBERS: "its members have it, sealed; the ledger pins its digest",
}


def _request(asked: StudyRequest) -> tuple[Term, ...]:
    if not asked.request:
        return ()
    return (("request", f"{asked.request}{f', {asked.specification.hex()}: what a decision binds' * _waits(asked)}"),)


def _waits(asked: StudyRequest) -> bool:
    return asked.status == REQUESTED


def _words(words: StudyWords, request: str) -> tuple[Term, ...]:
    found = words.description
    if found is None and words.reading is Reading.NONE and request:
        return (("description", f"what its applicant says stands in the request: `hmchain request show {request}`"),)
    if found is None:
        return (("description", _UNSAID.get(words.reading, words.title)),)
    ethics = ", ".join(part for part in (found.ethics_number, found.ethics_committee) if part)
    return (
        ("title", found.title),
        ("text", found.text),
        ("contact", found.contact),
        ("ethics", ethics or "no number given"),
        ("code at", found.code or "no link given"),
        *((("funding", found.funding),) if found.funding else ()),
        *((("ends", found.ends),) if found.ends else ()),
        ("these words", "are those whose digest the study pins"),
    )


def _title(each: StudyInWords) -> str:
    """The title; a study of a request has it there, sealed."""
    has_none = each.words.reading is Reading.NONE and each.proposal.asked.request
    return "see its request" if has_none else each.words.title


def _asked_row(each: StudyInWords) -> tuple[object, ...]:
    asked = each.proposal.asked
    said = f"{asked.decision} ({asked.reason})" if asked.reason else asked.decision
    return (
        asked.study,
        _title(each),
        asked.status,
        said if asked.dataset else "-",
        f"{asked.dataset} v{asked.version}" if asked.dataset else "nothing",
        asked.proposer,
        purpose_words(asked.purpose),
        asked.rounds,
        output.when(asked.until_ms) if asked.until_ms else "-",
    )


def _row(each: StudyInWords) -> tuple[object, ...]:
    asked = each.proposal.asked
    return (
        asked.study,
        _title(each),
        asked.status,
        _answers(asked),
        asked.proposer,
        purpose_words(asked.purpose),
        asked.rounds,
    )


def _answers(asked: StudyRequest) -> str:
    counted = Counter(answer.decision for answer in asked.answers)
    return ", ".join(f"{count} {decision}" for decision, count in sorted(counted.items()))


def _answers_by_name(asked: StudyRequest) -> str:
    return ", ".join(f"{answer.organisation} {answer.decision}" for answer in asked.answers)
