"""Which page answers what a reviewer's browser asks."""

from __future__ import annotations

from collections.abc import Callable

from hmchain.application.data.reviewing import SCOPES, Desk, RectanglesError
from hmchain.interfaces.portal.review import gallery, layout
from hmchain.interfaces.portal.review.exchange import CSS, JS, PNG, SVG, Request, Response, go_to, page, values
from hmchain.interfaces.portal.review.gallery import FILTERS, Setting
from hmchain.interfaces.portal.review.gate import Door
from hmchain.interfaces.portal.review.item import item
from hmchain.interfaces.portal.review.lasting import lasting
from hmchain.records.catalogue.entries import REJECTED, RELEASED
from hmchain.records.catalogue.held_filter import HeldFilter
from hmchain.records.sources.item import Rectangles

_THUMB, _SIDE = 224, 2048
_NUMBER_MAX = 1e9
_TEXT_MAX = 200
_DIGITS_MAX = 16
_FILES = {layout.STYLE: CSS, layout.SCRIPT: JS, layout.ICON: SVG}
_STATES = {
    "released": RELEASED, "blanked": RELEASED, "found": RELEASED, "taken": RELEASED, "rejected": REJECTED, "": "",
}  # fmt: skip
"""What a page says of items: blanked where somebody drew, and, of many, where writing was found in each; taken in place
of another content."""
_REFUSED = Response(404, b"Nothing is here.", "text/plain")


class QuarantinePages:
    """The pages of one desk, behind a gate."""

    def __init__(self, desk: Desk, gate: Door, portal: str = "") -> None:
        """`portal` is the page of a portal that leads here."""
        self._desk, self._gate, self._portal = desk, gate, portal
        self._told = ""
        """What came of the last button, until it is shown."""
        self._get: dict[str, Callable[[Request, list[int]], Response]] = {
            "": self._gallery,
            "item": self._item,
            "thumb": self._thumb,
            "frame": self._frame,
            "other": self._other,
            "decisions": self._decisions,
            "state": self._state,
        }
        self._post: dict[str, Callable[[Request], Response]] = {
            "filter": self._filter,
            "mark": self._mark,
            "apply": self._apply,
            "undo": self._undo,
            "back": self._back,
        }

    def answer(self, request: Request) -> Response:
        """Answer a request; who was not let in learns nothing, not even that there is a page."""
        if entered := self._gate.enter(request):
            return entered
        path = self._gate.path(request)
        if path is None:
            return _REFUSED
        name, *rest = path.split("/")
        if request.method == "GET" and path in _FILES:
            return Response(200, layout.file(path).encode(), _FILES[path])
        given = gallery.numbers(rest)
        if len(given) != len(rest):
            return _REFUSED
        if request.method == "GET" and name in self._get:
            return self._get[name](request, given)
        if request.method == "POST" and name in self._post and not rest:
            return self._post[name](request)
        return _REFUSED

    # Looking

    def _gallery(self, request: Request, given: list[int]) -> Response:
        after = gallery.numbers([request.asked("after")])
        found = self._desk.page(after[0] if after else None)
        return page(gallery.gallery(found, self._setting(), is_first=not after))

    def _item(self, request: Request, given: list[int]) -> Response:
        entry = self._desk.entry(given[0]) if len(given) == 1 else None
        if entry is None:
            return go_to(self._gate.root)  # somebody decided about it meanwhile
        number = entry.number
        shown = item(
            entry,
            self._desk.view(number),
            self._setting(),
            name=self._desk.name(number),
            found=self._desk.findings(number),
            rival=self._desk.rival(number),
            persons=self._desk.persons(number),
            reach={scope: self._desk.count(number, scope) for scope in SCOPES},
            beside=self._desk.beside(number),
            marks=self._desk.marks(),
        )
        return page(shown)

    def _thumb(self, request: Request, given: list[int]) -> Response:
        if len(given) != 1:
            return _REFUSED
        return _picture(self._desk.thumb(given[0], _THUMB))

    def _frame(self, request: Request, given: list[int]) -> Response:
        if len(given) != 2:
            return _REFUSED
        window = _window(request.asked("centre"), request.asked("width"))
        return _picture(self._desk.png(given[0], given[1], window, _SIDE))

    def _other(self, request: Request, given: list[int]) -> Response:
        rival = self._desk.rival(given[0]) if len(given) == 2 else None
        if rival is None:
            return _REFUSED
        window = _window(request.asked("centre"), request.asked("width"))
        return _picture(rival.kept.png(given[1], window=window, side=_SIDE))

    def _decisions(self, request: Request, given: list[int]) -> Response:
        told, self._told = self._told, ""
        return page(lasting(self._desk.lasting(), self._setting(), self._desk.marks(), told))

    def _state(self, request: Request, given: list[int]) -> Response:
        found = self._desk.progress
        progress = {"running": found.running, "done": found.done, "of": found.total, "said": list(found.said)}
        return values({**self._marks(), **progress})

    def _marks(self) -> dict[str, object]:
        marks = self._desk.marks()
        return {"marks": layout.said(marks), "total": layout.decisions(marks)}

    # Saying

    def _filter(self, request: Request) -> Response:
        chosen = {name: "" if request.field("clear") else request.field(name)[:_TEXT_MAX] for name in FILTERS}
        self._desk.filter(HeldFilter(version=0, state="", **chosen))
        return go_to(self._gate.root)

    def _mark(self, request: Request) -> Response:
        numbers = gallery.numbers(request.form.get("number", ()))
        regions, said = _regions(request.field("regions")), request.field("state")
        scope = request.field("scope", "item")
        state = _STATES.get(said)
        found = said == "found" or (said == "blanked" and scope != "item")
        if state is None or scope not in SCOPES or (said == "blanked" and not regions):
            return Response(400, b"That cannot be said of an item.", "text/plain")
        if scope == "filter" and request.field("filter", self._setting().filter) != self._setting().filter:
            return Response(409, b"The filter was changed in another tab: load this page again.", "text/plain")
        try:
            if said == "blanked" and request.field("from_now_on") and numbers:
                self._desk.from_now_on(numbers[0], regions)
            drawn = regions if said in ("blanked", "taken") else ()
            keep = [place[:_TEXT_MAX] for place in request.form.get("keep", ())]
            changed = self._desk.mark(numbers, state, drawn, scope, found=found, replacing=said == "taken", keep=keep)
        except RectanglesError as error:
            return Response(400, f"{error.what}: {error.hint}.".encode(), "text/plain")
        if request.header("accept") != "application/json":
            is_item = bool(numbers) and bool(request.field("scope"))  # the gallery's form does not say a scope
            return go_to(f"{self._gate.root}item/{numbers[0]}" if is_item else self._gate.root)
        shown = gallery.numbers(request.form.get("shown", ()))
        states = self._desk.states({*numbers, *shown})
        return values({"changed": changed, **self._marks(), "states": states})

    def _apply(self, request: Request) -> Response:
        self._desk.apply()
        return self._said(request)

    def _undo(self, request: Request) -> Response:
        self._desk.undo_all()
        return self._said(request)

    def _back(self, request: Request) -> Response:
        device = gallery.numbers([request.field("device")])
        since = request.field("since")
        since_ms = int(since) if since.isascii() and since.isdigit() and len(since) < _DIGITS_MAX else 0
        self._told = self._desk.take_back(request.field("content")[:_TEXT_MAX], device[0] if device else 0, since_ms)
        return go_to(f"{self._gate.root}decisions")

    def _said(self, request: Request) -> Response:
        if request.header("accept") == "application/json":
            return self._state(request, [])
        return go_to(self._gate.root)

    def _setting(self) -> Setting:
        desk = self._desk
        return Setting(self._gate.root, desk.organisation, desk.names, desk.wanted, desk.progress.running, self._portal)


def _picture(png: bytes | None) -> Response:
    return Response(200, png, PNG) if png else _REFUSED


def _window(centre: str, width: str) -> tuple[float, float] | None:
    try:
        found = float(centre), float(width)
    except ValueError:
        return None
    return found if all(abs(value) < _NUMBER_MAX for value in found) and found[1] > 0 else None


def _regions(text: str) -> Rectangles:
    """Read rectangles: four numbers each, commas between them, spaces between rectangles; others are left out."""
    found = []
    for part in text.split():
        numbers = gallery.numbers(part.split(","))
        if len(numbers) == 4 and numbers[2] and numbers[3]:
            found.append((numbers[0], numbers[1], numbers[2], numbers[3]))
    return tuple(found)
