"""Made-up people: names of many languages, numbers, days and places, the same ones for the same seed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from numpy.random import Generator

FAMILIES = (
    "Müllerschön", "Oberhuber", "Kowalczyk", "Wiśniewska", "Yıldırım", "Öztürkmen", "Jørgensen", "Søndergaard",
    "Håkansson", "Lindqvist", "García Montoya", "Núñezberg", "Fernandes", "Dos Santos", "Papadopoulou",
    "Ivanovskaya", "Kuznetsov", "Nguyen Thi", "Watanabe", "Takahashi", "Okonkwo", "Mbekeani", "O'Sullivan", "MacGregor",
    "Van der Meulen", "Schmidt-Krüger", "Dupontel", "Lefebvrier", "Rossellini", "Bianchetti", "Popescu", "Horváthné",
    "Novotný",
    "Zhangwei", "Al-Haddad", "Choudhury", "Ramanathan", "Goldstein", "Whitfield", "Lundgren",
)  # fmt: skip
GIVEN = (
    "Annemarie", "Hildegard", "Jürgen", "Zofia", "Mehmet", "Øyvind", "Ingrid", "Consuelo", "Rodrigo", "Eleni",
    "Tatjana", "Dmitri", "Minh", "Haruko", "Chinedu", "Siobhan", "Willem", "Genevieve", "Lorenzo", "Ionela", "Ferenc",
    "Xiaoming",
    "Khalid", "Priyanka", "Miriam", "Theodore", "Gunilla", "Alasdair",
)  # fmt: skip
STREETS = ("Birkenallee", "Rosenhügelweg", "Kirkegaten", "Calle Mayorga", "Ulica Lipowska", "Whitchurch Lane")
PLACES = ("Grünberg-Krankenhaus", "St. Vincentius Hospital", "Klinikum Waldfrieden", "Hospital Santa Eulalia")
_FIRST_BIRTH, _FIRST_VISIT = date(1937, 1, 1), date(2015, 1, 1)


@dataclass(frozen=True)
class Person:
    """One patient, the staff and the hospital around."""

    family: str
    given: str
    number: str
    accession: str
    born: date
    visit: date
    sex: str
    street: str
    phone: str
    place: str
    physician: str
    operator: str

    @property
    def name(self) -> str:
        """As DICOM writes it."""
        return f"{self.family}^{self.given}"

    @property
    def age(self) -> str:
        """At the visit, as DICOM writes it."""
        return f"{(self.visit - self.born).days * 4 // 1461:03d}Y"


def person(r: Generator, index: int) -> Person:
    """The patient of a number; `r` draws the rest."""
    return Person(
        family=FAMILIES[index % len(FAMILIES)],
        given=GIVEN[int(r.integers(len(GIVEN)))],
        number=f"{'MRN' if index % 3 else 'P'}{7100000 + index * 37 + int(r.integers(30))}",
        accession=f"A{int(r.integers(10**8, 10**9))}",
        born=_FIRST_BIRTH + timedelta(days=int(r.integers(25_000))),
        visit=_FIRST_VISIT + timedelta(days=int(r.integers(3_500))),
        sex="FM"[int(r.integers(2))],
        street=f"{STREETS[int(r.integers(len(STREETS)))]} {int(r.integers(1, 99))}",
        phone=f"+49 30 {int(r.integers(10**6, 10**7))}",
        place=PLACES[int(r.integers(len(PLACES)))],
        physician=f"{FAMILIES[(index + 7) % len(FAMILIES)]}^{GIVEN[int(r.integers(len(GIVEN)))]}",
        operator=f"{FAMILIES[(index + 19) % len(FAMILIES)]}^{GIVEN[int(r.integers(len(GIVEN)))]}",
    )
