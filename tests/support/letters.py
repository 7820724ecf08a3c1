"""A source of letters, a de-identifier that blackens them, and a hospital that takes them in."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest

from hmchain.keys import SecretKey, WrappingKey
from hmchain.records.catalogue import Catalogue, Dataset
from hmchain.records.deidentification.outcome import REMOVED, Action, Clean, Edition, Held, Outcome
from hmchain.records.deidentification.profile import load_profile
from hmchain.records.objects import ObjectStore
from hmchain.records.pipeline.extraction import Extraction
from hmchain.records.sources.item import Item, ItemUnavailableError, SourceError
from hmchain.records.sources.marks import mark
from hmchain.records.vault import Vault

LETTERS = "letters"
BOOK = Dataset("book", "A book", "library", load_profile("basic"), 0)


@dataclass
class Letters:
    """A source of short texts; `damage` maps a name to what happens when the item is opened or given."""

    texts: dict[str, bytes]
    stop_before: str = ""
    gone: frozenset[str] = frozenset()
    marked: bool = False
    """Whether its items have marks: what an earlier run knew by name is then not known."""
    opened: list[str] = field(default_factory=list)

    def items(self, done: Callable[[str], bool]) -> Iterator[Item]:
        for name in self.texts:
            if name == self.stop_before:
                raise SourceError("the archive went away", "run it again")
            known = mark(name, self.texts[name]) if self.marked else name
            if not done(known):
                yield Item(name, LETTERS, partial(self._open, name), mark=known)

    def count(self) -> int | None:
        return len(self.texts)

    def _open(self, name: str) -> io.BytesIO:
        if name in self.gone:
            raise ItemUnavailableError("this one cannot be had", "run it again")
        self.opened.append(name)
        return io.BytesIO(self.texts[name])


class Redact:
    """Takes the first line as the author, the second as the record's id, and keeps the rest in upper case."""

    def deidentify(self, item: Item, *, reviewed: bool = False) -> Iterator[Outcome]:
        with item.open() as file:
            author, number, *rest = file.read().split(b"\n")
        if b"SECRET" in rest and not reviewed:
            yield Held("secret", "it says that it is secret", releasable=True)
        elif b"DAMAGED" in rest:
            yield Held("damaged", "it is damaged", releasable=False)
        else:
            text = b"\n".join(rest).upper()
            yield Clean(
                number.decode(), f"s{len(author)}", "text/plain", lambda: [text],
                {"length": str(len(text))}, (Action("author", REMOVED),),
            )  # fmt: skip


def letter(number: int, text: str = "dear reader", author: str = "Jane Roe") -> bytes:
    return f"{author}\n{number}\n{text}".encode()


class Bed:
    """A catalogue, a vault and a dataset with an open version."""

    def __init__(self, folder: Path) -> None:
        self.store = ObjectStore.directory(folder / "objects", durable=False)
        self.vault = Vault.create(folder / "vault", self.store, WrappingKey.generate())
        self.catalogue = Catalogue(folder / "catalogue.db", SecretKey.generate())
        self.catalogue.add_dataset(BOOK)
        self.catalogue.open_version("book", "letters", 0)

    def extraction(self) -> Extraction:
        return Extraction(self.catalogue, self.vault, BOOK, 1, {LETTERS: Redact()})

    def close(self) -> None:
        self.vault.close()
        self.catalogue.close()

    def texts(self) -> dict[str, bytes]:
        return dict(self.vault.read("book", 1))


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    made = Bed(tmp_path)
    yield made
    made.close()


def edition(number: int, text: str, day: int | None = None) -> bytes:
    """A letter that says its edition: by a number, or a day."""
    return f"Jane Roe\n1\n{'day' if day else 'edition'} {day or number}\n{text}".encode()


class Editions(Redact):
    """As `Redact`, for letters whose third line says their edition."""

    def deidentify(self, item: Item, *, reviewed: bool = False) -> Iterator[Outcome]:
        with item.open() as file:
            said, number = file.read().split(b"\n")[2].decode().split(" ")
        made = Edition(number=int(number)) if said == "edition" else Edition(f"2024-01-{int(number):02}")
        for outcome in super().deidentify(item, reviewed=reviewed):
            text = b"".join(outcome.pieces()).split(b"\n", 1)[1] if isinstance(outcome, Clean) else b""
            yield replace(outcome, edition=made, pieces=partial(tuple, [text])) if text else outcome
