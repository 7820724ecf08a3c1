"""What the editor's buttons do: keep a draft, attach to it, hand it in."""

from __future__ import annotations

from hmchain.application.governance.requests import applying
from hmchain.application.governance.requests.applying import RequestReasonError
from hmchain.application.governance.requests.documents import FILE_BYTES_MAX
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.portal.pages.codes.requests import KINDS
from hmchain.interfaces.portal.pages.scientist.drafts import begun, table_of
from hmchain.interfaces.portal.pages.scientist.editor import EDIT, PATH, desk_of, today
from hmchain.interfaces.portal.pages.words import at
from hmchain.interfaces.portal.registry import Fields, Next, Pages
from hmchain.interfaces.portal.texts import say

pages = Pages("scientist")


@pages.do(f"{PATH}/new", EDIT)
def new(call: Call, fields: Fields) -> Next:
    """Begin a draft; one of the name that is there already is opened."""
    desk, name, kind = desk_of(call), fields.text("name").strip(), fields.text("kind")
    applying.require_code(kind, KINDS, "kind of request")
    if not desk.has(name):
        desk.write(name, begun(name, kind, today(call)))
    return Next(at("scientist", "editor", name))


@pages.do(f"{PATH}/{{name}}/save", EDIT)
def save(call: Call, name: str, fields: Fields) -> Next:
    """Keep what was written."""
    desk = desk_of(call)
    desk.write(name, table_of(fields, desk.read(name)))
    return Next(at("scientist", "editor", name), say("The draft is kept."))


@pages.do(f"{PATH}/{{name}}/attach", EDIT, file_bytes=FILE_BYTES_MAX)
def attach(call: Call, name: str, fields: Fields) -> Next:
    """Put a file beside a draft."""
    sent = fields.file("file")
    desk_of(call).attach(name, fields.text("kind"), sent.filename or "", sent.file.read())
    return Next(f"{at('scientist', 'editor', name)}#attached", say("It is attached."))


@pages.do(f"{PATH}/{{name}}/detach", EDIT)
def detach(call: Call, name: str, fields: Fields) -> Next:
    """Take a file away from a draft."""
    desk_of(call).detach(name, fields.text("file"))
    return Next(f"{at('scientist', 'editor', name)}#attached", say("It is taken away."))


@pages.do(f"{PATH}/{{name}}/delete", EDIT)
def delete(call: Call, name: str, fields: Fields) -> Next:
    """Forget a draft."""
    desk_of(call).delete(name)
    return Next(PATH, say("The draft is deleted."))


@pages.do(f"{PATH}/{{name}}/hand-in", EDIT)
def hand_in(call: Call, name: str, fields: Fields) -> Next:
    """Put it before the hospitals; the same form goes on with what was begun."""
    is_meant = fields.text("same") == "yes"

    def agreed(version: int) -> None:
        if not is_meant:
            what = f"nothing of {name} was changed since version {version}, which came back"
            raise RequestReasonError(what, "change it, or say that it is meant")

    asked = desk_of(call).load(name)
    with call.user() as user:
        done = applying.submit(user, asked, call.papers, agreed)
    return Next(at("requests", done.request), say("It is before the hospitals."))
