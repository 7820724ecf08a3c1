"""Views of requests: one with all that a person reads before deciding, many in a list, what waits for somebody."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hmchain.application.governance.requests.listing import ListedRequest, Waiting
from hmchain.application.governance.requests.reading import Paper, Reading, RequestInWords, SaidInWords
from hmchain.interfaces.cli import output
from hmchain.ledger.readers.notices import DutyView
from hmchain.ledger.readers.requests import HospitalWord, RequestView
from hmchain.plain import size

COLUMNS = ("request", "title", "status", "for", "decisions", "by", "until (UTC)")
DROP = ("until (UTC)", "by", "for")
WORDS = ("hospital", "dataset", "said", "its policy", "yes#", "until (UTC)", "stage")
POLICY_SAYS = {"look": "ask a person"}
INBOX = ("who", "request", "title", "to do", "until (UTC)", "command")


def show_list(found: Sequence[ListedRequest]) -> None:
    """List requests."""
    output.table(COLUMNS, [_row(each) for each in found], drop=DROP)
    if found:
        output.say("Read one: `hmchain request show REQUEST`")


def _row(each: ListedRequest) -> tuple[object, ...]:
    view, content = each.view, each.view.content
    return (
        view.request, each.title or "-", view.status, content.kind if content else "-", _counted(view.decisions),
        view.applicant, output.when(content.until_ms) if content else "-",
    )  # fmt: skip


def _counted(words: Iterable[HospitalWord]) -> str:
    return ", ".join(f"{word.organisation}: {word.status}" for word in words) or "not asked yet"


def show_inbox(found: Sequence[Waiting], person: str = "") -> None:
    """One thing to do a line, of a person or of everybody; a person's commands act as that person."""
    if not found:
        output.say(f"Nothing waits for {person or 'anybody here'}.")
        return
    rows = [
        (
            output.listed(each.todo.who), each.todo.request or "-", each.title or "-", _late(each),
            output.when(each.todo.due_ms) if each.todo.due_ms else "-", f"`hmchain {each.todo.command_as(person)}`",
        )
        for each in found
    ]  # fmt: skip
    output.table(INBOX, rows, drop=("until (UTC)", "title"))


def _late(each: Waiting) -> str:
    return f"OVERDUE: {each.todo.words}" if each.todo.overdue else each.todo.words


def show_request(shown: RequestInWords) -> None:
    """All that a request asks, what people say of it, and what is to be done next."""
    view = shown.view
    output.fields((
        ("request", f"{view.request}, {view.status}, version {view.version}"),
        ("title", shown.title or "-"),
        ("asked by", ", ".join((view.applicant, *view.members))),
        *((("invited", ", ".join(view.invited)),) if view.invited else ()),
        *((("a copy of", view.copied_from),) if view.copied_from else ()),
        *((("outside", view.external),) if view.external else ()),
        ("next", shown.next),
    ))  # fmt: skip
    output.heading("Asked, and bound by a decision")
    output.fields(shown.asked)
    output.fields(("used here", f"{each.study}: {each}") for each in shown.machine)
    if shown.answers:
        output.heading("In the words of who asks")
        output.fields(shown.answers)
    _show_papers(view, shown.papers)
    output.heading("Each hospital's decision")
    output.table(WORDS, [_word(each) for each in view.decisions], drop=("stage", "its policy"))
    output.fields(shown.reasons)
    if view.unaccepted:
        output.heading("Terms to accept first")
        output.fields((person, f"{len(terms)}: `hmchain request accept {view.request}`")
                      for person, terms in view.unaccepted)  # fmt: skip
    if shown.duties:
        output.heading("Owed for it")
        output.fields((f"{each.kind} to {each.organisation}", _duty(each)) for each in shown.duties)
    if shown.said:
        output.heading("Said beside it")
        output.fields((each.word.by, _said(each, view.version)) for each in shown.said)
    if shown.plan:
        output.heading("What would be computed")
        output.fields(shown.plan)
    if shown.steps:
        output.heading("What you can do")
        output.fields((words, f"`hmchain {command}`") for words, command in shown.steps)
    if shown.is_lost and any(each.kind == "form" for each in view.documents):
        output.say(f"WHAT ITS APPLICANT SAYS CANNOT BE SHOWN: {shown.title}", style="bold red")


def _duty(each: DutyView) -> str:
    shown = f", shown by {', '.join(each.shown_by)}: {output.short(each.evidence)}" if each.evidence else ""
    return f"for {each.dataset}: {each.standing}, {output.when(each.due_ms)} UTC{shown}"


def _said(each: SaidInWords, version: int) -> str:
    private = "" if each.word.public else " (for this hospital alone)"
    said = f"{each.word.kind} {each.word.said}".strip() + _earlier(each.word.version, version)
    return said + private + (f": {each.text}" if each.text else "")


def _earlier(version: int, newest: int) -> str:
    """Of which version it is, where that is not the newest."""
    return f" on version {version}" if 0 < version < newest else ""


def _word(each: HospitalWord) -> tuple[object, ...]:
    said = f"{each.status} ({each.reason})" if each.reason else each.status
    yes = f"{len(each.approvals)} of {each.needed}" if each.answer != "no" else "-"
    until = output.when(each.until_ms) if each.until_ms else "-"
    policy, dataset = POLICY_SAYS.get(each.answer, each.answer), f"{each.dataset} v{each.version}"
    return (each.organisation, dataset, said, policy, yes, until, each.processing or "-")


def _show_papers(view: RequestView, papers: Sequence[Paper]) -> None:
    if not papers:
        return
    output.heading("Attached")
    output.fields(
        (f"{each.kind} {output.short(each.digest)}", _paper(each) + _earlier(each.version, view.version))
        for each in papers
    )
    output.say(f"Have one: `hmchain request document {view.request} DIGEST --output FILE`")


def _paper(each: Paper) -> str:
    if each.reading is not Reading.READ:
        return f"{each.reading}{f': {each.reason}' if each.reason else ''}"
    return f"{each.title or 'a text'}, {each.media}, {size(each.size)}, by {each.by}"


def days_from(now_ms: int, days: int) -> int:
    """The moment so many days after another."""
    return now_ms + days * 86_400_000
