"""The canary gate: nothing planted comes out, and the gate itself would notice."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hmchain.records.deidentification.canary import Canaries, PlantedItem, selftest, survivors
from hmchain.records.deidentification.canary.gate import KINDS, KindReport, check
from hmchain.records.deidentification.canary.survivors import scan
from hmchain.records.deidentification.outcome import Action, Clean, Held, Outcome
from hmchain.records.sources.item import DICOM, IMAGE, Item

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")

LEAST = {DICOM: 300, IMAGE: 40}


@pytest.mark.parametrize("kind", KINDS)
def test_no_canary_of_any_kind_comes_out(kind: str) -> None:
    found = selftest((kind,))
    assert found.passed, (found.survivors, found.kinds[kind].surprises)
    assert found.kinds[kind].clean and found.canaries >= LEAST.get(kind, 5)


@pytest.mark.parametrize("kind", KINDS)
def test_every_canary_can_be_found_where_it_was_planted(kind: str) -> None:
    for entry in KINDS[kind]().plant():
        with entry.item.open() as file:
            found = scan(file.read(), entry.canaries)
        missing = [canary.place for canary in entry.canaries if canary not in found]
        assert not missing, f"{entry.item.name}: {missing}"


def zipped(data: bytes) -> bytes:
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("inner", data)
        return file.getvalue()


WRAPPINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "hex": lambda data: data.hex().encode(),
    "base64": base64.b64encode,
    "base64 of more": lambda data: base64.b64encode(b"x" + data + b"yz"),
    "base64 for addresses": base64.urlsafe_b64encode,
    "zlib": zlib.compress,
    "gzip": gzip.compress,
    "zip": zipped,
    "zlib in base64 in gzip": lambda data: gzip.compress(base64.b64encode(zlib.compress(data))),
    "upper case": bytes.upper,
}


@pytest.mark.parametrize("wrap", WRAPPINGS.values(), ids=WRAPPINGS)
@pytest.mark.parametrize("charset", ["utf-8", "utf-16-le", "utf-16-be"])
def test_a_survivor_is_found_in_any_wrapping(wrap: Callable[[bytes], bytes], charset: str) -> None:
    canaries = Canaries("item")
    values = [canaries.word("a"), canaries.number("b"), canaries.uid("c"), f"{canaries.day('d'):%d.%m.%Y}"]
    for value, canary in zip(values, canaries.minted, strict=True):
        data = b"\x89 before " + wrap(f" {value} ".encode(charset)) + b" after \xff"
        assert scan(data, canaries.minted) == [canary]


@given(st.binary(max_size=2000))
def test_nothing_is_found_where_nothing_is(data: bytes) -> None:
    canaries = Canaries("item")
    canaries.word("a"), canaries.number("b"), canaries.day("c"), canaries.uid("d")
    assert scan(data, canaries.minted) == []


def test_hashes_without_a_key_count_as_survivors() -> None:
    canaries = Canaries("item")
    number = canaries.number("record number")
    assert scan(hashlib.sha256(number.encode()).hexdigest().encode(), canaries.minted)


def clean(data: bytes = b"", **changed: object) -> Clean:
    return replace(Clean("record", "subject", "text/plain", lambda: (data[:3], data[3:])), **changed)  # type: ignore[arg-type]


def test_a_survivor_is_found_in_whatever_an_outcome_shows() -> None:
    canaries = Canaries("item")
    word = canaries.word("name")
    planted = canaries.planted("x", word.encode())
    shown = {
        "record": clean(word.encode()),
        "record id": clean(record=word),
        "subject": clean(subject=word),
        "attributes": clean(attributes={"a": word}),
        "actions": clean(actions=(Action(word, "removed"),)),
        "reason": Held("code", f"{word} is held", False),
    }
    for where, outcome in shown.items():
        assert [(entry.where, entry.canary.place) for entry in survivors(planted, (outcome,))] == [(where, "name")]
    assert survivors(planted, (clean(b"nobody"), Held("code", "reason", True))) == []


class Leaky:
    """Lets everything through, or holds everything."""

    def __init__(self, held: Held | None = None) -> None:
        self.held = held

    def deidentify(self, item: Item, *, reviewed: bool = False) -> Iterator[Outcome]:
        yield self.held if self.held and not reviewed else clean(item.open().read())


def planted(held: str = "") -> PlantedItem:
    canaries = Canaries("item")
    return canaries.planted("x", canaries.word("name").encode(), held)


def test_the_gate_notices_what_leaks_at_once_or_after_a_review() -> None:
    for deidentifier in (Leaky(), Leaky(Held("burned_in_text", "why", True))):
        found = KindReport()
        check(planted(deidentifier.held.code if deidentifier.held else ""), deidentifier, "basic", found)
        assert len(found.survivors) == 1 and not found.surprises


def test_the_gate_notices_what_is_held_against_expectation_and_the_other_way_round() -> None:
    for deidentifier, expected in ((Leaky(Held("damaged", "why", False)), ""), (Leaky(), "damaged")):
        found = KindReport()
        check(planted(expected), deidentifier, "basic", found)
        assert found.surprises


def test_identifiers_are_the_same_at_every_run_and_differ_between_items() -> None:
    first, again, other = Canaries("a"), Canaries("a"), Canaries("b")
    assert [c.word("x") for c in (first, again)] == [first.minted[0].forms[0]] * 2
    assert other.word("x") != first.minted[0].forms[0] != first.word("y")
