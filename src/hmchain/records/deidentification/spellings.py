"""Names as people write them: without diacritics, in digraphs, in Latin letters, cut off, glued and turned round.

Everything is compared in lower case ASCII. A name becomes the set of all that is likely to be made of it; a text is
only folded, letter by letter, so that a search is a look into sets and one pass over the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product

from anyascii import anyascii

from hmchain.records.deidentification.terms import PARTICLES

LETTERS_MIN = 4
"""A word of at least so many letters that is met by itself is no coincidence."""
INSIDE_LETTERS_MIN = 6
"""Words of so many letters are looked for inside others too, and so are their first so many: `anna` is not found inside
`savannah`, `konstantinopoulo` is what 16 letters leave of a name."""
SHORT_LETTERS_MIN = 2
_INITIALED_MIN = 5
_SPELLINGS_MAX = 32

_DIGRAPHS = {
    "ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ő": "oe", "ű": "ue", "ø": "oe", "å": "aa", "æ": "ae", "œ": "oe",
    "þ": "th", "ð": "dh", "đ": "dj", "ş": "sh", "š": "sh", "č": "ch", "ž": "zh", "ñ": "ny",
}  # fmt: skip
_GERMANIC = frozenset("äöüßøåæ")
_SIMPLE = {"ß": "s", "æ": "a", "œ": "o", "þ": "t"}
"""What some write where anyascii has two letters."""
_SHORTENED = re.compile(r"(?<=[aou])e|(?<=a)a|(?<=s)s")
_LOOKALIKES = str.maketrans("aceopxykmtbhi", "асеорхукмтвні")
"""Latin letters within a Cyrillic word."""
_CJK = re.compile(r"[\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]+")
_CYRILLIC, _ABJAD = re.compile(r"[\u0400-\u052f]"), re.compile(r"[\u0590-\u06ff]")
_PARTS = re.compile(r"[^\W\d_]+")
_BETWEEN_WORDS = re.compile(r"[\s,;/()]+")
_NOT_LETTERS = re.compile(r"[^a-z0-9]+")
_TITLES = ("herr", "frau", "mr", "mrs", "ms", "dr", "prof", "pat", "patient", "name")

_COARSE = [
    (re.compile(pattern), letters)
    for pattern, letters in (
        (r"shch|sch|sh|ch|zh", "s"), (r"kh", "h"), (r"t[sz]|tch", "c"), (r"ks|cs", "x"), (r"ph", "f"), (r"th", "t"),
        (r"[yij]+(?=[aeou])", ""), (r"o[uy]", "u"), (r"[ei]?[yij]+", "i"), (r"w", "v"), (r"ou|oo|oh", "o"),
        (r"uu", "u"), (r"g", "k"), (r"b", "p"), (r"d", "t"), (r"q", "k"), (r"(.)\1+", r"\1"),
    )
]  # fmt: skip


@dataclass
class NameForms:
    """The forms that one name may take."""

    words: set[str] = field(default_factory=set)
    """Its words, in all spellings."""
    glued: set[str] = field(default_factory=set)
    """Two of its parts together, or a part and an initial or a title."""
    coarse: set[str] = field(default_factory=set)
    """Keys of names from other scripts, of which there are many romanisations."""
    skeletons: set[str] = field(default_factory=set)
    """Consonants of names from scripts that write no vowels."""

    def add(self, other: NameForms) -> None:
        """Take in the forms of another name."""
        self.words |= other.words
        self.glued |= other.glued
        self.coarse |= other.coarse
        self.skeletons |= other.skeletons


def fold(text: str) -> str:
    """A text in lower case ASCII."""
    return text.lower() if text.isascii() else anyascii(unicodedata.normalize("NFC", text)).lower()


def folded_with_places(text: str) -> tuple[str, list[int]]:
    """A text in lower case ASCII, and for each of its letters the place that it has in the text."""
    if text.isascii():
        return text.lower(), list(range(len(text)))
    letters, places = [], []
    for place, letter in enumerate(text):
        for plain in anyascii(letter).lower():
            letters.append(plain)
            places.append(place)
    return "".join(letters), places


def spellings(word: str) -> set[str]:
    """A word in all ways in which it is likely to be written in ASCII letters and digits."""
    word = unicodedata.normalize("NFC", word).lower()
    if _CYRILLIC.search(word):
        word = word.translate(_LOOKALIKES)
    options = [_letter(letter) for letter in word]
    count = 1
    for letters in options:
        count *= len(letters)
    if count > _SPELLINGS_MAX:  # nobody mixes so many
        core = (_DIGRAPHS[letter] if letter in _GERMANIC else _letter(letter)[0] for letter in word)
        found = {"".join(core), *("".join(letters[index] for letters in options) for index in (0, -1))}
    else:
        found = {"".join(letters) for letters in product(*options)}
    if not word.isascii():
        found.add("".join(letter for letter in word if letter.isascii() and letter.isalnum()))
    found |= {_SHORTENED.sub("", letters) for letters in found} | {letters.replace("ss", "s") for letters in found}
    return {letters for letters in found if len(letters) >= SHORT_LETTERS_MIN}


@lru_cache(maxsize=8192)
def coarse(word: str) -> str:
    """The key of a romanised word: the same for most ways in which a foreign name is put into Latin letters."""
    for pattern, letters in _COARSE:
        word = pattern.sub(letters, word)
    return word


@lru_cache(maxsize=8192)
def skeleton(word: str) -> str:
    """The consonants of a word, each run of one once."""
    return re.sub(r"(.)\1+", r"\1", re.sub(r"[aeiouyw]", "", word))


@lru_cache(maxsize=4096)
def name_forms(name: str) -> NameForms:
    """The forms of a name as DICOM (`Müller^Jörg=...`), HL7 or people write it."""
    forms = NameForms()
    for group in name.split("="):
        components = [part for part in group.split("^")[:3] if part.strip()]
        words = [word for part in components for word in _BETWEEN_WORDS.split(part.strip()) if word]
        for word in words:
            forms.add(_word_forms(word))
        for first, second in _pairs(components, words):
            forms.glued |= _glued(first, second)
    forms.words -= PARTICLES
    return forms


def _word_forms(word: str) -> NameForms:
    """The forms of one word: whole, and the halves of a double name."""
    forms = NameForms()
    parts = _PARTS.findall(unicodedata.normalize("NFC", word))
    for part in ("".join(parts), *parts):
        if part.lower() in PARTICLES:
            continue
        if _CJK.fullmatch(part) and len(part) > 1:
            forms.glued |= spellings(part)
            continue
        forms.words |= spellings(part)
        if not part.isascii() and not _is_latin(part):
            plain = fold(part.lower().translate(_LOOKALIKES) if _CYRILLIC.search(part) else part)
            if _ABJAD.search(part):
                forms.skeletons |= {key for key in [skeleton(plain)] if len(key) >= LETTERS_MIN}
            else:
                forms.coarse |= {key for key in [coarse(plain)] if len(key) >= LETTERS_MIN}
    return forms


def _pairs(components: Sequence[str], words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Pairs of a family and a given name, one way round."""
    bare = ["".join(_PARTS.findall(word)) for word in words]
    bare = [word for word in bare if word and word.lower() not in PARTICLES]
    if len(components) > 1:
        yield "".join(_PARTS.findall(components[0])), "".join(_PARTS.findall(components[1]))
        first = [word for word in _BETWEEN_WORDS.split(components[1].strip()) if word]
        yield "".join(_PARTS.findall(components[0])), "".join(_PARTS.findall(first[0]))
        for half in _PARTS.findall(components[0]):
            if half.lower() not in PARTICLES:
                yield half, "".join(_PARTS.findall(first[0]))
    elif len(bare) > 1:
        yield bare[0], bare[1]
        yield bare[-1], bare[0]
    elif bare and _CJK.fullmatch(bare[0]) and len(bare[0]) > 1:
        cut = 2 if len(bare[0]) > 3 else 1
        yield bare[0][:cut], bare[0][cut:]


def _glued(first: str, second: str) -> set[str]:
    """Two parts of a name together, whole or one of them as an initial."""
    found = set()
    for one, other in product(spellings(first) or {fold(first)}, spellings(second) or {fold(second)}):
        if not one or not other:
            continue
        found |= {one + other, other + one}
        initialed = (one + other[0], other[0] + one, other + one[0], one[0] + other)
        found |= {letters for letters in initialed if len(letters) >= _INITIALED_MIN}
    return {letters for letters in found if len(letters) >= LETTERS_MIN}


def titled(word: str) -> set[str]:
    """A word after a title, without a space."""
    return {title + word for title in _TITLES}


@lru_cache(maxsize=2048)
def _letter(letter: str) -> tuple[str, ...]:
    plain = _NOT_LETTERS.sub("", anyascii(letter).lower())
    return tuple(dict.fromkeys((plain, _SIMPLE.get(letter, plain), _DIGRAPHS.get(letter, plain))))


def _is_latin(word: str) -> bool:
    return all(unicodedata.name(letter, "").startswith("LATIN") for letter in word)
