"""`hmchain request submit|takeback|renew|close|...`: what the people of a request do with it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.governance.requests import acceptance, applying
from hmchain.application.governance.requests.applying import Agreed
from hmchain.application.governance.requests.documents import file_document
from hmchain.application.governance.requests.file import ATTACHED, RequestFileError, end_of, load_request
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.acting import PersonCommand
from hmchain.interfaces.cli.asking import YesOption, confirm
from hmchain.interfaces.cli.options import DEFAULT_FOLDER, PersonOption, UnreadOption, example
from hmchain.interfaces.cli.request import acting
from hmchain.interfaces.cli.request.acting import PersonArgument, RequestName
from hmchain.interfaces.cli.request.terms_view import show_terms
from hmchain.ledger.readers.requests import RequestView, UnknownRequestError

app = typer.Typer()


@app.command(cls=PersonCommand, epilog=example("hmchain request submit relapse.toml"))
def submit(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The request, in TOML; or the name of a draft.")],
    node: PersonOption = DEFAULT_FOLDER,
    draft: Annotated[bool, typer.Option("--draft", help="Keep it as a draft that no hospital is asked yet.")] = False,
    yes: YesOption = False,
) -> None:
    """Put a request before the hospitals that it names, its documents sealed to them; changed, a new version of it."""
    path = Path(file)
    is_file = path.suffix == ".toml" or path.is_file()
    if draft and not is_file:
        raise RequestFileError(f"there is no file {file} to keep as a draft", "without --draft, a draft is handed in")
    asked = load_request(path) if is_file else None
    with acting.scientist(node, yes=yes) as who:
        if asked is None:
            done = _handed_in(who.user, file, yes=yes)
        elif draft:
            done = applying.draft(who.user, asked, who.papers)
        else:
            done = applying.submit(who.user, asked, who.papers, _asked_again(asked.name, yes=yes))
    hospitals = output.listed(dict.fromkeys(word.organisation for word in done.decisions))
    kept = f"{done.request} is a draft. Hand it in: `hmchain request submit {done.request}`"
    before = f"{done.request}, version {done.version}, is before {hospitals}. " \
             f"Follow it: `hmchain request show {done.request}`"  # fmt: skip
    output.tell(done, before if done.status == "submitted" else kept)


def _asked_again(name: str, *, yes: bool) -> Agreed:
    """Say that nothing was changed since a request came back, which asks for changes, and ask whether it is meant."""

    def agreed(version: int) -> None:
        output.say(f"Nothing of {name} was changed since version {version}, which came back.", stderr=True)
        confirm("Put the very same before all hospitals again, to be decided on anew?", yes=yes)

    return agreed


def _handed_in(user: LedgerUser, name: str, *, yes: bool) -> RequestView:
    """The draft of this name, handed in; whoever means a file that is not handed in yet is told so."""
    try:
        return applying.hand_in(user, name, _asked_again(name, yes=yes))
    except UnknownRequestError as error:
        if (file := Path(f"{name}.toml")).is_file():
            hint = f"hand its file in: `hmchain request submit {file}`"
            raise UnknownRequestError(f"there is no draft {name} on the ledger", hint) from error
        if Path(name).suffix or "/" in name:
            raise UnknownRequestError(f"there is no file {name}", "check the path: it ends in .toml") from error
        raise


@app.command(cls=PersonCommand, epilog=example("hmchain request takeback relapse"))
def takeback(request: RequestName, node: PersonOption = DEFAULT_FOLDER, yes: YesOption = False) -> None:
    """Applicant: take a submitted request back to change it; what was decided stands until it is submitted anew."""
    with acting.scientist(node, yes=yes) as who:
        done = applying.take_back(who.user, request)
    output.tell(done, f"{request} is yours to change. Then: `hmchain request submit FILE`")


@app.command(cls=PersonCommand, epilog=example("hmchain request renew relapse relapse-2 --until 2028-06-30"))
def renew(
    request: RequestName,
    new: Annotated[str, typer.Argument(metavar="NEW", help="Name of the copy.")],
    until: Annotated[
        datetime, typer.Option("--until", metavar="DAY", formats=["%Y-%m-%d"], help="The last day of use: 2028-06-30.")
    ],
    node: PersonOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Begin a draft that asks for the same again, of the newest versions, until another day."""
    with acting.scientist(node, yes=yes) as who:
        done = applying.renew(who.user, who.papers, request, new, end_of(until.date()))
    left = f" Attach anew what could not be copied: {', '.join(done.left_out)}." if done.left_out else ""
    said = f"{new} is a draft like {request}.{left} Hand it in: `hmchain request submit {new}`"
    output.show(done, lambda _: output.say(said))


@app.command(cls=PersonCommand, epilog=example("hmchain request close relapse --reason finished"))
def close(
    request: RequestName,
    reason: Annotated[
        str, typer.Option("--reason", help="finished, withdrawn, superseded, applicant-gone or other.")
    ] = "finished",
    node: PersonOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """End a request and all that it allows, for good; what is owed for it stays owed. A draft is forgotten."""
    with acting.of_request(node, request, yes=yes) as who:
        shown = applying.view(who.user, request)
        if is_draft := shown.status == "draft":
            confirm(f"Forget the draft {request}?", yes=yes)
            applying.delete(who.user, request)
        else:
            confirm(f"End {request} for all hospitals, and what it allows?", yes=yes)
            shown = applying.close(who.user, request, reason)
    closed = f"{request} is closed: nothing is allowed by it any more."
    output.tell(shown, f"The draft {request} is forgotten." if is_draft else closed)


@app.command(cls=PersonCommand, epilog=example("hmchain request invite relapse south/s1"))
def invite(
    request: RequestName, person: PersonArgument, node: PersonOption = DEFAULT_FOLDER, yes: YesOption = False
) -> None:
    """Applicant: ask a person to take part; one of your own organisation takes part at once.

    Hospitals decide on the people who stood in a submission: who comes later counts from the next one on.
    """
    with acting.scientist(node, yes=yes) as who:
        named = applying.person_named(person, who.user.organisation)
        done = applying.invite(who.user, request, named)
    waits = f"{named} is invited, and joins with: `hmchain request join {request}`"
    output.tell(done, waits if str(named) in done.invited else f"{named} takes part from the next submission on.")


@app.command(cls=PersonCommand, epilog=example("hmchain request uninvite relapse south/s1"))
def uninvite(
    request: RequestName, person: PersonArgument, node: PersonOption = DEFAULT_FOLDER, yes: YesOption = False
) -> None:
    """Take an invitation back, or end a person's part: it counts no more at once."""
    with acting.of_request(node, request, yes=yes) as who:
        named = applying.person_named(person, who.user.organisation)
        confirm(f"Let {named} take no part in {request} any more?", yes=yes)
        done = applying.uninvite(who.user, request, named)
    output.tell(done, f"{named} takes no part in {request}.")


@app.command(cls=PersonCommand, epilog=example("hmchain request join relapse"))
def join(request: RequestName, node: PersonOption = DEFAULT_FOLDER, yes: YesOption = False) -> None:
    """Take part in a request, as you were invited to. Who takes part never decides on it."""
    with acting.scientist(node, yes=yes) as who:
        done = applying.join(who.user, request)
    output.tell(done, f"You take part in {request}, from its next submission on.")


@app.command(cls=PersonCommand, epilog=example("hmchain request handover relapse south/s1"))
def handover(
    request: RequestName, person: PersonArgument, node: PersonOption = DEFAULT_FOLDER, yes: YesOption = False
) -> None:
    """Let a member answer for a request that is not submitted, in the applicant's place."""
    with acting.scientist(node, yes=yes) as who:
        named = applying.person_named(person, who.user.organisation)
        confirm(f"Let {named} answer for {request} from now on?", yes=yes)
        done = applying.change_applicant(who.user, request, named)
    output.tell(done, f"{named} answers for {request}.")


@app.command(cls=PersonCommand, epilog=example("hmchain request accept relapse"))
def accept(
    request: RequestName,
    own: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE", help="Files of them that hospitals gave you: held against the digests."),
    ] = None,
    unread: UnreadOption = False,
    node: PersonOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Applicant or member: keep to the terms that hospitals ask for; before all do, nothing is allowed.

    They are shown first. Of terms that cannot be read, the question says so; --yes needs --unread then.
    """
    with acting.scientist(node, yes=yes) as who:
        left = acceptance.left(who.user, who.papers.objects(), request, own or ())
        if yes and not unread:
            acceptance.require_read(left, request)
        lost = sum(each.is_lost for each in left)
        unseen = f"{lost} of them CANNOT BE READ here. " if lost else ""
        confirm(f"{unseen}Keep to these {len(left)} terms?", yes=yes or not left,
                about=lambda: show_terms(left, request))  # fmt: skip
        done = acceptance.accept(who.user, request, left)
    output.tell(done, f"{len(left)} terms of {request} are accepted." if left else "There are no terms left to accept.")


@app.command(cls=PersonCommand, epilog=example("hmchain request attach relapse ethics letter.pdf"))
def attach(
    request: RequestName,
    kind: Annotated[str, typer.Argument(metavar="KIND", help=f"What it is: {', '.join(ATTACHED)}.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A PDF, a text, a PNG or JPEG.")],
    node: PersonOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Applicant: add a document to what is submitted next; a submitted request is taken back for it."""
    applying.require_code(kind, ATTACHED, "kind of document")
    found = file_document(file)
    with acting.scientist(node, yes=yes) as who:
        done = applying.attach(who.user, who.papers, request, kind, found)
    output.tell(done, f"{file.name} is attached. Hospitals see it with: `hmchain request submit {request}`")


@app.command(cls=PersonCommand, epilog=example("hmchain request redact relapse 3f9a"))
def redact(
    request: RequestName,
    digest: Annotated[str, typer.Argument(metavar="DIGEST", help="Of the document, or its first digits.")],
    node: PersonOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Destroy the key of a document of yours: nobody can open it any more. Who has read it keeps what they know."""
    with acting.of_request(node, request, yes=yes) as who:
        found = applying.document_of(applying.view(who.user, request), digest)
        confirm(f"Destroy the key of this {found.kind}, by {found.by}, for good?", yes=yes)
        done = applying.redact(who.user, who.papers, request, found.digest.hex())
    output.tell(done, f"The {found.kind} {output.short(found.digest)} opens for nobody any more.")
