"""Collect what the portal's pages say into the catalogues of its languages: `python scripts/texts.py` (`make texts`).

A room of the portal has a file in each language. Translations are kept, new texts stand there empty, and what no page
says any more goes.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import write_po

from hmchain.interfaces import portal
from hmchain.interfaces.portal.texts.catalogue import catalogues
from hmchain.interfaces.portal.texts.languages import ENGLISH, LANGUAGES

ROOT = Path(portal.__file__).parent
OWN_ROOM = "portal"
APART = "texts"
"""What says nothing itself."""
REVIEW = "review"
KEYWORDS = {"say": None, "compose": None, "later": None, "say_n": (1, 2)}


def collected() -> dict[str, Catalog]:
    """What the pages of each room say, in order of the texts."""
    rooms: dict[str, Catalog] = {}
    for path in sorted(ROOT.rglob("*.py")):
        if path.relative_to(ROOT).parts[0] == APART:
            continue
        for _, text, _, _ in extract_from_file("python", path, keywords=KEYWORDS):
            rooms.setdefault(room_of(path), Catalog()).add(text)
    return rooms


def room_of(path: Path) -> str:
    """The room that a file of pages is in: `pages/steward/inbox.py` is in `steward`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    if parts[0] == REVIEW:
        return REVIEW
    return parts[1] if parts[0] == "pages" and len(parts) > 1 and parts[1] != "__init__" else OWN_ROOM


def written(code: str) -> dict[str, bytes]:
    """The catalogues of a language as they should be, by the names of the files."""
    rooms = {
        room: {message.id: message.string for message in each if message.id} for room, each in catalogues(code).items()
    }
    anywhere = {id: string for each in rooms.values() for id, string in each.items()}
    files = {}
    for room, texts in collected().items():
        whole, known = Catalog(locale=code), anywhere | rooms.get(room, {})
        for message in texts:
            if message.id:
                whole.add(message.id, known.get(message.id, ("", "") if message.pluralizable else ""))
        out = BytesIO()
        write_po(out, whole, omit_header=True, sort_output=True, width=120, no_location=True)
        files[f"{room}.po"] = _HEAD.format(code=code).encode() + out.getvalue()
    return files


_HEAD = (
    'msgid ""\nmsgstr ""\n"Language: {code}\\n"\n"Content-Type: text/plain; charset=utf-8\\n"\n'
    '"Plural-Forms: nplurals=2; plural=(n != 1);\\n"\n\n'
)


def main() -> None:
    """Write them."""
    for code in LANGUAGES:
        if code != ENGLISH:
            folder = ROOT / "texts" / code
            folder.mkdir(exist_ok=True)
            files = written(code)
            for name, content in files.items():
                (folder / name).write_bytes(content)
            for path in folder.glob("*.po"):
                if path.name not in files:
                    path.unlink()


if __name__ == "__main__":
    main()
