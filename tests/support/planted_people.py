"""Made-up people, to be planted wherever data has room for one, and the search for what came out of them."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

_FAMILIES = ("Kim", "Nguyen", "Quince", "Zhou", "Vlk", "Oyelaran", "O'Hara", "Szczepanski", "Diaz", "Yun")
_GIVEN = ("Su", "Thi", "Archibald", "Wei", "Jan", "Ife", "Maeve", "Agnieszka", "Eva", "Jae")


@dataclass(frozen=True)
class Person:
    """What a hospital knows somebody by."""

    family: str
    given: str
    number: str
    """The record number, digits with or without letters before them."""
    telephone: str
    email: str
    born: date
    accession: str

    @property
    def digits(self) -> str:
        """The digits of the record number."""
        return re.sub(r"\D", "", self.number)

    def secrets(self) -> dict[str, str]:
        """What must not come out, by what it is."""
        return {
            "name": f"{self.family} {self.given}".upper(),
            "family": self.family,
            "number": self.number,
            "digits": self.digits,
            "telephone": self.telephone,
            "telephone, digits": re.sub(r"\D", "", self.telephone),
            "email": self.email,
            "born": f"{self.born:%Y%m%d}",
            "born, ISO": f"{self.born}",
            "accession": self.accession,
        }


def person(chance: random.Random) -> Person:
    """Somebody: short names and numbers are as likely as long ones."""
    family, given = chance.choice(_FAMILIES), chance.choice(_GIVEN)
    number = str(chance.randrange(10**4, 10 ** chance.randrange(5, 11)))
    if number == "10008":  # in DICOM's own UIDs
        number = "10009"
    local = chance.randrange(200, 999), chance.randrange(1000, 9999)
    return Person(
        family=family,
        given=given,
        number=chance.choice(("", "", "MRN", "P-")) + number.rjust(5, "1"),
        telephone="{}-{}".format(*local) if chance.random() < 0.5 else "0{}{}".format(*local) + "77",
        email=f"{given}.{family}@example.org".lower().replace("'", ""),
        born=date(1940, 1, 1) + timedelta(days=chance.randrange(25_000)),
        accession=chance.choice(("A", "")) + str(chance.randrange(10**5, 10**8)),
    )


def told(data: bytes, secrets: Iterable[str]) -> list[str]:
    """The secrets that stand by themselves in some bytes: as they are, one character a word, or with bytes swapped."""
    even = data[: len(data) // 2 * 2]
    swapped = bytearray(len(even))
    swapped[::2], swapped[1::2] = even[1::2], even[::2]
    views = [view.lower() for view in (data, data[::2], data[1::2], data[::4], data[::8], bytes(swapped))]
    return [secret for secret in secrets if any(_stands(secret.lower().encode(), view) for view in views)]


def _stands(secret: bytes, view: bytes) -> bool:
    start = view.find(secret)
    while start >= 0:
        around = view[max(start - 1, 0) : start] + view[start + len(secret) : start + len(secret) + 1]
        if not re.search(rb"[a-z0-9]", around):
            return True
        start = view.find(secret, start + 1)
    return False
