"""The portal's texts: each is in the catalogue, translated, with the same places; nothing else is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import htpy as h
import pytest
from scripts import texts

from hmchain.interfaces import portal
from hmchain.interfaces.portal.texts import (
    amount,
    compose,
    day,
    language,
    later,
    moment,
    of_later,
    say,
    say_n,
    share,
    speaking,
    theirs,
    wanted,
)  # fmt: skip
from hmchain.interfaces.portal.texts.catalogue import catalogues

ROOT = Path(portal.__file__).parent


def test_the_catalogues_are_what_the_pages_say() -> None:
    for name, content in texts.written("de").items():
        found = (ROOT / "texts" / "de" / name).read_bytes()
        assert found == content, f"`make texts` writes {name}; then translate what is empty"
    here = {path.name for path in (ROOT / "texts" / "de").glob("*.po")}
    assert here == set(texts.written("de")), "`make texts` removes the rest"


def test_every_text_is_translated_with_its_places() -> None:
    for room, catalogue in catalogues("de").items():
        for message in catalogue:
            if not message.id:
                continue
            assert not message.fuzzy, message.id
            said = message.id if isinstance(message.id, tuple) else (message.id,)
            translated = message.string if isinstance(message.string, tuple) else (message.string,)
            assert len(said) == len(translated) and all(translated), f"{room}: {message.id!r} is not translated"
            places = {place for each in said for place in re.findall(r"\{\w+\}", each)}
            for one in translated:
                assert set(re.findall(r"\{\w+\}", one)) == places, f"{room}: {one!r}"


def literals() -> Iterator[tuple[Path, int, str | None]]:
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in texts.KEYWORDS:
                first = node.args[0] if node.args else None
                is_text = isinstance(first, ast.Constant) and isinstance(first.value, str)
                yield path, node.lineno, first.value if is_text else None


def test_a_text_stands_where_it_is_said() -> None:
    collected = {
        text for room in texts.collected().values() for message in room
        for text in (message.id if isinstance(message.id, tuple) else (message.id,))
    }  # fmt: skip
    for path, line, text in literals():
        if path.is_relative_to(ROOT / "texts"):
            continue
        where = f"{path.relative_to(ROOT)}:{line}"
        assert text is not None, f"{where}: write the text out, it is looked for in the sources"
        assert text in collected, f"{where}: inside an f-string it is not found"


def test_texts_are_said_in_the_language_of_whoever_reads() -> None:
    title = later("Sign in")
    assert (say("Sign in"), of_later(title)) == ("Sign in", "Sign in")
    with speaking("de"):
        assert (language(), say("Sign in"), of_later(title)) == ("de", "Anmelden", "Anmelden")
        assert say("block {height}", height="1 <2>{height}") == "Block 1 <2>{height}"
        assert say_n("{count} waits", "{count} wait", 1) == "1 wartet"
        assert say_n("{count} waits", "{count} wait", 2000) == "2.000 warten"
        assert str(compose("As of {block}:", block=h.a(href="/x")["<b>"])) == 'Stand <a href="/x">&lt;b&gt;</a>:'
        assert str(theirs("the key is <gone>")) == '<span lang="en">the key is &lt;gone&gt;</span>'
        assert theirs("network") == "Netz"
    with speaking("xx"):
        assert language() == "en"
    assert theirs("the key is gone") == "the key is gone"


def test_numbers_and_times_are_written_as_the_language_does() -> None:
    at = 1_754_000_000_000
    assert (amount(12_000), share(0.0466), day(at)) == ("12,000", "4.7%", "Jul 31, 2025")
    with speaking("de"):
        assert (amount(12_000), share(0.0466), day(at)) == ("12.000", "4,7\u202f%", "31.07.2025")
        assert moment(at) == "31.07.2025, 22:13:20 UTC"
    assert moment(1 << 62) == f"{1 << 62} ms"


@pytest.mark.parametrize(
    ("chosen", "accepted", "setting", "found"),
    [
        ("de", "en", "en", "de"),
        ("", "fr, de-AT;q=0.8, en;q=0.5", "en", "de"),
        ("", "en-GB,de;q=0.9", "de", "en"),
        ("", "fr", "de", "de"),
        ("xx", "", "yy", "en"),
        ("../../etc", "*;q=1, \x00, de;q=nan", "en", "en"),
        ("", ",".join(["zz"] * 1000 + ["de"]), "en", "en"),
    ],
)
def test_the_language_is_chosen_asked_for_or_set(chosen: str, accepted: str, setting: str, found: str) -> None:
    assert wanted(chosen, accepted, setting) == found
