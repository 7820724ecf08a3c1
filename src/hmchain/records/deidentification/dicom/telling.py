"""Places of a description that tell who somebody is, or when, whatever words they are made of.

Two searches: for how people write dates, ages, telephones and persons; and for the patient's own names and numbers
where they stand in pieces (`HerzMRT`, `TE 1234 TR 5678`), which a look at the text as it is would not meet.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Protocol


class Place(Protocol):
    """A place in a text."""

    @property
    def start(self) -> int:
        """Where it begins."""
        ...

    @property
    def end(self) -> int:
        """Where it is over."""
        ...


Told = Callable[[str], Iterable[Place]]
"""Finds the places of a text that tell who the patient is."""

Span = tuple[int, int]

NUMBERS_MAX, DIGITS_MIN, DIGITS_MAX = 24, 6, 20
"""Numbers in one text that are looked at together, and how many digits they have then."""

_IDENTIFYING = r"accession|dob|fax|id|mrn|name|phone|pid|tel|pat(?:ient)?[\s_]?(?:id|nr|no|nummer|name)"
_NUMBERED = r"born|case|fall|geb|jg|kw|nat[ao]|née?|raum|zimmer|pat|patient|proband|room|sub|subj|subject"
_TITLES = (
    r"chefarzt|doctor|doktor|dott|dr|frau|fräulein|herr|ing|miss|mlle|mme|monsieur|mrs|nurse|oberarzt|prof|schwester|"
    r"señora?|signora?|sra"
)
_GLUED_TITLES = r"Dr|Frau|Herr|Miss|Mlle|Mme|Monsieur|Mrs|Prof"
_MONTHS = r"""
    jan(?:uar[iy]?s?|vier|eiro)?|led(?:en|na)|ocak|sty(?:czeń|cznia)|ene(?:ro)?|genn?(?:aio)?|gener|tammikuuta?
    |feb(?:ruar[iy]?|bra?io|rero)?|f[eé]v(?:r(?:ier)?|ereiro)?|febr|únor[a]?|şubat|luty|lutego|helmikuuta?
    |mrz|märz|maerz|maart|marzo?|mars|março|mart(?:ie|a)?|march|marca|marzec|márc(?:ius)?|b[rř]e[zř](?:en|na)
    |maaliskuuta?|apr(?:il(?:e|ie|is)?)?|avr(?:il)?|abr(?:il)?|kwi(?:ecień|etnia)|nisan|dub(?:en|na)|huhtikuuta?
    |mai|mei|maj[aou]?|may(?:ıs|o)?|magg?(?:io)?|maio|m[aá]j(?:us)?|kv[eě]t(?:en|na)|toukokuuta?
    |jun[iy]?o?|june|juin|giu(?:gno)?|junho|jún(?:ius|a)?|iunie|haziran|cze(?:rwiec|rwca)|červ(?:en|na|enec|ence)|kesäkuuta?
    |jul[iy]?o?|juil(?:let)?|lug(?:lio)?|julho|júl(?:ius|a)?|iulie|temmuz|lip(?:iec|ca)|heinäkuuta?
    |aug(?:ust(?:us|i|a)?)?|ao[uû]t|ago(?:sto)?|ağustos|sie(?:rpień|rpnia)|srp(?:en|na)|elokuuta?
    |sept?(?:em(?:ber|bre|brie|bra))?|sett(?:embre)?|setembro|szept(?:ember)?|wrz(?:esień|eśnia)|eylül|z[aá][rř][ií]
    |syyskuuta?|okt(?:ober|obra|óber)?|october|octobre|octubre|octombrie|ott(?:obre)?|out(?:ubro)
    |paź(?:dziernika?)?|ekim|[rř][ií]j(?:en|na)|lokakuuta?
    |nov(?:ember|embre|iembre|embro|embra)?|noiembrie|listopad[au]?|kasım|marraskuuta?
    |de[cz](?:ember|embre|embro|embra)?|d[eé]c(?:embre)?|dic(?:embre|iembre)?|decembrie|gru(?:dzień|dnia)|aralık
    |prosin(?:ec|ce)|joulukuuta?
"""
_ALIKE = r"mar|mrt|oct|out|set"
"""Months that are also the names of techniques and sides: a day by itself does not make them one."""
_OF = r"(?:st|nd|rd|th|er|º)?[\s.,'’/_-]*(?:(?:of|de|del|di|den|d)[\s'’._-]+)?"
_BETWEEN = r"[\s.,'’/_-]*(?:(?:of|de|del|di)[\s'’._-]+)?"
_YEAR = r"(?:\d{4}|\d{2})(?!\d)"
_DAY = r"(?<![\d.,])(?:0?[1-9]|[12]\d|3[01])(?!\d)"
_ENDS = r"(?![^\W\d_])"
_YEARS_OLD = (
    r"years?|y\.?o\.?|yrs?|yo|jahren?|jahre?|jährig\w*|jr|j|ans|anni|años|anos|jaar|let|lata|år|éves|ani"
    r"|rok(?:u|ov)?|yaş\w*"
)
_NEVER = re.compile(
    rf"""
    \S{{0,64}}@\S*                                           # an address
    | (?<!\d)\d{{1,4}}([-./_])\d{{1,2}}\1\d{{1,4}}(?![\d.,]*\d)   # a date
    | (?<!\d)\d{{1,2}}\.\s?\d{{1,2}}\.(?!\d)              # a day and month
    | {_DAY}{_OF}(?:{_MONTHS}){_ENDS}(?:{_BETWEEN}{_YEAR})?
    | (?<![^\W\d_])(?:{_MONTHS}){_ENDS}{_BETWEEN}{_DAY}{_OF}(?:{_YEAR})?
    | {_DAY}{_OF}(?:{_ALIKE}){_ENDS}{_BETWEEN}{_YEAR}
    | (?<![^\W\d_])(?:{_ALIKE}){_ENDS}{_BETWEEN}{_DAY}{_OF}{_YEAR}
    | {_YEAR}[\s.,/_-]*(?:{_MONTHS}|{_ALIKE}){_ENDS}[\s.,/_-]*{_DAY}
    | (?<![^\W\d_])(?:{_MONTHS}|{_ALIKE}){_ENDS}[\s.,/_-]*(?:['’]\d\d|(?:19|20)\d\d)(?![\d.,]*\d)
    | (?<![^\W\d_])(?:{_MONTHS}){_ENDS}[\s.,/_-]*[03-9]\d(?![\d.,]*\d)
    | (?<!\d)\d{{1,2}}:\d{{2}}(:\d{{2}})?(?!\d)            # a time of day
    | (?<![\d.,])(?:[01]\d|2[0-3])h[0-5]\d(?!\d) | (?<![\d.,])\d{{1,2}}[.:]\d{{2}}\s?uhr
    | (?<!\w)['’]\d\d(?!\d)
    | (?<![^\W_])(19|20)\d\d(?!\d|\s?(ms|mm|hz|m?s\b))        # a year
    | (?<![\d.,])\d{{2,3}}[\s_-]?(?:{_YEARS_OLD})(?![^\W_])    # an age
    | (?<![\d.,])(?:9\d|1[0-2]\d)[\s_-]?(?:lat|y)(?![^\W_])
    | (?<![^\W_])(?:aged?|alter|età|edad|âge)[\s:=_-]*\d{{1,3}}(?!\d)
    | (?:\+\d|(?<![\d.,])0)\d+(?:[ ./()-]{{1,2}}\d+)+            # a telephone number
    | (?<![^\W_])(?:{_IDENTIFYING})(?![^\W_])[\s:=\#._-]*[^\W_]+(?:[ ./-]+\d+)*   # what an id is
    | (?<![^\W_])(?:{_NUMBERED})(?![^\W\d_])[\s:=\#._-]*\d+[^\W_]*
    | (?<![^\W_])(?:(?:{_TITLES})(?![^\W_])|(?:fr|hr|sr)\.|(?-i:Mr|mr|Ms|ms)\.|(?:mr|ms)\.(?=\s)
        |(?-i:Mr|Ms|Hr|Fr)(?=[ ](?-i:[A-ZÄÖÜÅØ][a-zäöüßåø]))
        |(?-i:(?:{_GLUED_TITLES})(?=[A-ZÄÖÜÅØ][a-zäöüßåø])))
      \.?(?:[\s,]*(?:med|dr)(?![^\W_])\.?)*[\s,_]*(?:(?:von|van|de|der|den|la|di|zu|zur)\s+)*
      [^\W\d_]+(?:[\s,.-]+[^\W\d_]+)?                   # a person, and the next word
    | (?<![^\W_])(?!P\.[ ]?V)(?-i:[A-KM-QU-Z]\.[ ]?[A-ZÄÖÜÅØ][a-zäöüßåø]+)                     # an initial, and a name
    | (?<![^\W_])(?-i:[A-Z]\.[ ][A-Z]\.)(?=[\s,]|\Z)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_RUN, _WORD = re.compile(r"\d+", re.ASCII), re.compile(r"[^\W_]+")
CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-zà-ÿ]+|\d+|[^\W\d_]+?")
"""The parts of a word that is written in large and small letters in turn."""


def telling(text: str, told: Told) -> Iterator[Span]:
    """The places that tell who somebody is, or when."""
    yield from _never(text)
    yield from ((place.start, place.end) for place in told(text))
    pieces = [*_glued(text), *_numbers(text)]
    if not pieces:
        return
    starts = [0]
    for piece, _ in pieces:
        starts.append(starts[-1] + len(piece) + 1)
    for place in told("\n".join(piece for piece, _ in pieces)):
        for (start, end), (_, spans) in zip(pairwise(starts), pieces, strict=True):
            if place.start < end - 1 and start < place.end:
                yield from spans


@lru_cache(maxsize=4096)
def _never(text: str) -> tuple[Span, ...]:
    """The same for the same text, which all images of a series have."""
    return tuple(found.span() for found in _NEVER.finditer(text))


def _glued(text: str) -> Iterator[tuple[str, list[Span]]]:
    """The words that are glued to others, one by one."""
    for word in _WORD.finditer(text):
        parts = [part for part in CAMEL.finditer(word[0]) if not part[0].isdigit()]
        if len(parts) > 1:
            at = word.start()
            yield from ((part[0], [(at + part.start(), at + part.end())]) for part in parts if len(part[0]) > 1)


def _numbers(text: str) -> Iterator[tuple[str, list[Span]]]:
    """The digits of neighbouring numbers together, whatever stands between them."""
    runs = list(_RUN.finditer(text))[:NUMBERS_MAX]
    for first in range(len(runs)):
        digits, spans = runs[first][0], [runs[first].span()]
        for run in runs[first + 1 :]:
            digits, spans = digits + run[0], [*spans, run.span()]
            if len(digits) > DIGITS_MAX:
                break
            if len(digits) >= DIGITS_MIN:
                yield digits, spans
