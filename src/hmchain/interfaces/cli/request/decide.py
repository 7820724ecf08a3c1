"""`hmchain request approve|reject|return|revoke|ask|review|...`: what a hospital's people decide, and say beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from hmchain.application.governance.requests import applying, decisions
from hmchain.application.governance.requests import licences as terms_files
from hmchain.application.governance.requests.decisions import ADVICE, REVIEW
from hmchain.application.governance.requests.reading import RequestInWords, in_words, require_read
from hmchain.interfaces.cli import output, remote
from hmchain.interfaces.cli.acting import PersonCommand, PortalPersonCommand
from hmchain.interfaces.cli.asking import YesOption, confirm
from hmchain.interfaces.cli.options import DEFAULT_FOLDER, PersonOption, UnreadOption, example
from hmchain.interfaces.cli.request import acting, remotely
from hmchain.interfaces.cli.request.acting import LetterOption, OneDataset, PersonArgument, RequestName, Speaker
from hmchain.interfaces.cli.request.show import days_from, show_request
from hmchain.interfaces.cli.request.terms_view import show_unread
from hmchain.interfaces.client import requests as ask_requests
from hmchain.ledger.readers.requests import HospitalWord, RequestView

app = typer.Typer()

_REASONS = "code, data-quality, documents, ethics, incomplete, privacy, purpose, too-broad or other."
ReasonOption = Annotated[str, typer.Option("--reason", help=_REASONS)]
Answer = Annotated[str, typer.Argument(metavar="ANSWER", help="What you say, as a code: the command's help has them.")]
HospitalOption = Annotated[
    str, typer.Option("--hospital", metavar="NAME", help="The hospital that asked you, where several did.")
]


@app.command(cls=PortalPersonCommand, epilog=example("hmchain request approve relapse --days 90"))
def approve(
    request: RequestName,
    node: PersonOption = DEFAULT_FOLDER,
    days: Annotated[
        int | None,
        typer.Option("--days", min=1, max=3650, help="How long the approval holds.", show_default="as asked for"),
    ] = None,
    of: OneDataset = "",
    unread: UnreadOption = False,
    yes: YesOption = False,
) -> None:
    """Steward: allow what a request asks of this hospital, and nothing else, until a day.

    Where the hospital's policy asks for several persons, the last one's yes allows it.
    """
    if url := remote.address(node):
        remotely.approve(url, request, days=days, of=of, unread=unread, yes=yes)
        return
    with acting.steward(node, yes=yes) as who:
        shown = _in_words(who, request)
        words = decisions.own_words(shown.view, who.user.organisation, of, "waiting")
        ends = [_until(who, shown.view, word, days) for word in words]
        if shown.is_lost and yes and not unread:
            require_read(shown)
        unseen = f"Nobody here could read what {request} says of itself. " if shown.is_lost else ""
        question = f"{unseen}Allow the use of {_named(words)} until {output.when(min(ends))} UTC?"
        confirm(question, yes=yes, about=lambda: show_request(shown))
        for word, until_ms in zip(words, ends, strict=True):
            decisions.approve(who.user, shown.view, until_ms, word.dataset)
        done = applying.view(who.user, request)
    output.tell(done, _allowed(done.of(who.user.organisation), request))


def _until(who: Speaker, shown: RequestView, word: HospitalWord, days: int | None) -> int:
    longest = decisions.longest_ms(who.user, shown, word.dataset)
    return longest if days is None else min(longest, days_from(who.user.ledger.now_ms(), days))


def _allowed(words: tuple[HospitalWord, ...], request: str) -> str:
    """What became of a yes, a sentence a dataset."""
    said = []
    for word in words:
        if word.status == "approved":
            until = output.when(word.until_ms)
            terms = "" if word.holds else ", once its terms are accepted"
            said.append(f"{word.dataset} may be used for {request} until {until} UTC{terms}.")
        elif word.status == "waiting":
            said.append(f"{word.dataset}: {len(word.approvals)} of {word.needed} persons said yes.")
    if any(word.status == "waiting" for word in words):
        said.append(f"Another steward says yes, too: `hmchain request approve {request} --as NAME`")
    if any(word.status == "approved" for word in words):
        said.append(f"Take it back with: `hmchain request revoke {request}`")
    return " ".join(said)


@app.command(cls=PortalPersonCommand, epilog=example("hmchain request reject relapse --reason ethics --letter why.txt"))
def reject(
    request: RequestName,
    reason: ReasonOption,
    letter: LetterOption = "",
    of: OneDataset = "",
    node: PersonOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Steward: say no to this version of a request. The other hospitals decide for themselves."""
    text = acting.written(letter)

    def decide(who: Speaker, shown: RequestView) -> RequestView:
        return decisions.reject(who.user, who.papers, shown, reason, text, of)

    question = f"Reject it, with the reason {reason!r} on the ledger for ever?"
    if url := remote.address(node):
        remotely.said(url, request, question, ask_requests.reject, reason, yes=yes, letter=text, dataset=of)
        return
    done = _asked(node, request, question, decide, yes=yes)
    output.tell(done, f"{request} is rejected here ({reason}).")


@app.command("return", cls=PortalPersonCommand, epilog=example("hmchain request return relapse --reason incomplete"))
def return_(
    request: RequestName,
    reason: ReasonOption,
    letter: LetterOption = "",
    node: PersonOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Steward: give a request back to be changed, for all hospitals; a letter says what is to be changed."""
    text = acting.written(letter)

    def decide(who: Speaker, shown: RequestView) -> RequestView:
        return decisions.return_(who.user, who.papers, shown, reason, text)

    question = "Give it back to be changed?"
    if url := remote.address(node):
        remotely.said(url, request, question, ask_requests.return_, reason, yes=yes, letter=text)
        return
    done = _asked(node, request, question, decide, yes=yes)
    output.tell(done, f"{request} is with {done.applicant} again, to be changed ({reason}).")


@app.command(cls=PortalPersonCommand, epilog=example("hmchain request revoke relapse --reason consent"))
def revoke(
    request: RequestName,
    reason: Annotated[
        str, typer.Option("--reason", help="consent, misuse, person, policy, security or other.")
    ] = "other",
    letter: LetterOption = "",
    of: OneDataset = "",
    node: PersonOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Steward: take a yes back for good, from the next step of whatever runs. What was made before stays made."""
    text = acting.written(letter)

    def decide(who: Speaker, shown: RequestView) -> RequestView:
        return decisions.revoke(who.user, who.papers, shown, reason, text, of)

    question = "Take the approval back, for good?"
    if url := remote.address(node):
        remotely.said(url, request, question, ask_requests.revoke, reason, yes=yes, letter=text, dataset=of)
        return
    done = _asked(node, request, question, decide, yes=yes)
    output.tell(done, f"{request} may use nothing more of this hospital.")


@app.command(cls=PersonCommand, epilog=example("hmchain request vote relapse accept"))
def vote(
    request: RequestName,
    answer: Answer,
    of: OneDataset = "",
    node: PersonOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Steward: say what you think to those who decide: accept, reject or abstain. It decides nothing."""
    with acting.steward(node, yes=yes) as who:
        done = decisions.vote(who.user, applying.view(who.user, request), answer, of)
    output.tell(done, f"Your vote on {request} is {answer}.")


@app.command(cls=PersonCommand, epilog=example("hmchain request ask relapse rita"))
def ask(
    request: RequestName,
    person: PersonArgument,
    advice: Annotated[bool, typer.Option("--advice", help="Ask what to decide, in the place of a review.")] = False,
    node: PersonOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Steward: ask a reviewer for a review, or a steward what to decide; those of other members may accept."""
    deed = ADVICE if advice else REVIEW
    with acting.steward(node, yes=yes) as who:
        named = applying.person_named(person, who.user.organisation)
        done = decisions.ask(who.user, applying.view(who.user, request), named, deed)
    output.tell(done, f"{named} is asked, and answers with: `hmchain request {deed} {request} ANSWER`")


@app.command(cls=PersonCommand, epilog=example("hmchain request review relapse favourable --letter review.txt"))
def review(
    request: RequestName,
    answer: Answer,
    letter: LetterOption = "",
    hospital: HospitalOption = "",
    node: PersonOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Whoever was asked for a review: favourable, unfavourable or no-view."""
    _answer(request, answer, REVIEW, letter, hospital, node, yes=yes)


@app.command(cls=PersonCommand, epilog=example("hmchain request decide relapse approve"))
def decide(
    request: RequestName,
    answer: Answer,
    letter: LetterOption = "",
    hospital: HospitalOption = "",
    node: PersonOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Whoever was asked what to decide: approve or reject. The hospital's own stewards decide."""
    _answer(request, answer, ADVICE, letter, hospital, node, yes=yes)


def _answer(request: str, answer: str, deed: str, letter: str, hospital: str, node: Path, *, yes: bool) -> None:
    text = acting.written(letter)
    with acting.steward(node, yes=yes) as who:
        shown = applying.view(who.user, request)
        done = decisions.answer(who.user, who.papers, shown, answer, deed, text, hospital)
    output.tell(done, f"You said of {request}: {answer}.")


@app.command(cls=PortalPersonCommand, epilog=example("hmchain request comment relapse --letter -"))
def comment(
    request: RequestName,
    letter: LetterOption = "-",
    private: Annotated[bool, typer.Option("--private", help="For your own organisation alone.")] = False,
    node: PersonOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Write something beside a request: for all who take part, or for your own organisation. It decides nothing."""
    text = acting.written(letter)
    if url := remote.address(node):
        remotely.said(url, request, "Write it?", ask_requests.comment, text, yes=True, private=private)
        return
    with acting.of_request(node, request, yes=yes) as who:
        done = decisions.comment(who.user, who.papers, request, text, private=private)
    output.tell(done, f"It stands beside {request}{', for your own organisation alone' * private}.")


@app.command(cls=PersonCommand, epilog=example("hmchain request licences relapse terms.pdf"))
def licences(
    request: RequestName,
    terms: Annotated[list[str], typer.Argument(metavar="FILE", help="Files of terms, or their digests (BLAKE3).")],
    of: OneDataset = "",
    node: PersonOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Steward: ask that applicant and members accept more terms than the policy's; until then nothing is allowed.

    Files go into the store that members share, in clear: who is to accept them reads them there.
    """
    named = [terms_files.named(each) for each in terms]
    with acting.steward(node, yes=yes) as who:
        unread = terms_files.put(who.papers.objects(), named)
        done = decisions.add_licences(who.user, applying.view(who.user, request), [each.digest for each in named], of)
    show_unread(unread)
    output.tell(done, f"{len(named)} terms more. They are accepted with: `hmchain request accept {request}`")


@app.command(cls=PersonCommand, epilog=example("hmchain request state relapse in-ethics"))
def state(
    request: RequestName,
    answer: Annotated[
        str,
        typer.Argument(
            metavar="STATE",
            help="received, in-ethics, in-protection, in-code, in-committee, waits-for-applicant or ready.",
        ),
    ],
    of: OneDataset = "",
    node: PersonOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Steward: say how far this hospital is with a request."""
    with acting.steward(node, yes=yes) as who:
        done = decisions.set_processing(who.user, applying.view(who.user, request), answer, of)
    output.tell(done, f"{request} is {answer} here.")


@app.command(cls=PersonCommand, epilog=example("hmchain request outside relapse ek-2026-17"))
def outside(
    request: RequestName,
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="As an office outside keeps it; a short name.")],
    node: PersonOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Steward: keep the number under which an office outside has a request."""
    with acting.steward(node, yes=yes) as who:
        done = decisions.assign_external(who.user, request, number)
    output.tell(done, f"{request} is {number} outside.")


@app.command(cls=PersonCommand, epilog=example("hmchain request notices relapse"))
def notices(request: RequestName, node: PersonOption = DEFAULT_FOLDER, yes: YesOption = False) -> None:
    """Say on the ledger that the applicant was told of an end that comes near: 30 days before, or later."""
    with acting.of_request(node, request, yes=yes) as who:
        done = decisions.note_expiry(who.user, request)
    output.tell(done, f"It is noted that {done.applicant} was told.")


def _asked(
    node: Path, request: str, question: str, decide: Callable[[Speaker, RequestView], RequestView], *, yes: bool
) -> RequestView:
    """Show a request, and go on only if the answer is yes."""
    with acting.steward(node, yes=yes) as who:
        shown = applying.view(who.user, request)
        confirm(question, yes=yes, about=lambda: show_request(_in_words(who, request)))
        return decide(who, shown)


def _in_words(who: Speaker, request: str) -> RequestInWords:
    user = who.user
    return in_words(who.papers, user.ledger.chain_id, user.state, applying.view(user, request))


def _named(words: tuple[HospitalWord, ...]) -> str:
    return output.listed(f"{word.dataset} version {word.version}" for word in words)
