"""A person in every leaf of FHIR, every field of HL7 v2, every column and every metadata block that there may be."""

from __future__ import annotations

import io
import json
import random
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from hmchain.records.deidentification.fhir.deidentifier import FhirDeidentifier
from hmchain.records.deidentification.fhir.rules import load_book
from hmchain.records.deidentification.hl7.deidentifier import Hl7Deidentifier
from hmchain.records.deidentification.hl7.rules import load_segments
from hmchain.records.deidentification.outcome import Clean, Outcome
from hmchain.records.deidentification.pictures import ImageDeidentifier
from hmchain.records.deidentification.profile import FhirRules, Hl7Rules, Profile, TableRules
from hmchain.records.deidentification.tables.deidentifier import TableDeidentifier
from hmchain.records.deidentification.terminology import fhir_systems, hl7_systems
from hmchain.records.sources.item import FHIR, HL7, IMAGE, TABLE, Item
from hmchain.records.sources.tables import Column, Table, TableSchema
from support.health_records import AS_OF, profile, pseudonyms
from support.planted_people import Person, person, told
from support.sampling import one_in

WAYS = 2
"""Of each secret in each leaf; all leaves together meet every way many times."""
PROFILES = ("basic", "longitudinal")
BOOK = load_book()
FHIR_BY = {name: FhirDeidentifier(profile(name), pseudonyms(), AS_OF) for name in PROFILES}
HL7_BY = {name: Hl7Deidentifier(profile(name), pseudonyms(), AS_OF) for name in PROFILES}
SYSTEMS = sorted(fhir_systems(FhirRules()))


def come_out(outcomes: list[Outcome], who: Person) -> list[str]:
    """The secrets of somebody's in whatever is kept or shown."""
    shown = []
    for found in outcomes:
        if isinstance(found, Clean):
            shown += [bytes(piece) for piece in found.pieces()]
            shown.append(repr((found.attributes, found.actions, found.record, found.subject)).encode())
        else:
            shown.append(f"{found.code} {found.reason}".encode())
    return told(b"\n".join(shown), who.secrets().values())


def number_in(secret: str) -> int:
    return int(re.sub(r"\D", "", secret) or 0)


def some(chance: random.Random, ways: Iterable[Any]) -> list[Any]:
    """A few of many ways: codings are the same rule in every place."""
    found = list(ways)
    return found if len(found) <= WAYS else chance.sample(found, WAYS)


# --- FHIR


Way = Callable[[str], Any]
"""A value of an element with a secret in one place of it, by the secret."""


def leaves(spec: Any) -> Iterator[Way]:
    """The ways in which an element can hold a secret."""
    if isinstance(spec, dict):
        for name, inner in spec.items():
            yield from (partial(_inside, name, way) for way in leaves(inner))
    elif isinstance(spec, str) and spec[0].isupper():
        yield from leaves(BOOK.types[spec])
    elif spec == "address":
        yield from leaves(BOOK.types["Address"])
        yield lambda secret: {"text": secret, "line": [secret], "city": secret}
    elif spec in ("Concept", "required_concept"):
        yield from (partial(_coded, way) for way in leaves("coding"))
        yield lambda secret: {"text": secret}
    elif spec in ("coding", "required_coding"):
        for system in SYSTEMS:
            yield from (partial(coding, system) for coding in CODINGS)
    else:
        yield from FORMS.get(spec, TEXTS) if isinstance(spec, str) else TEXTS


def _inside(name: str, way: Way, secret: str) -> Any:
    return {name: way(secret)}


def _coded(way: Way, secret: str) -> Any:
    return {"coding": [way(secret)]}


CODINGS: tuple[Callable[[str, str], Any], ...] = (
    lambda system, secret: {"system": system, "code": secret, "display": secret},
    lambda system, secret: {"system": system, "code": str(number_in(secret))},
    lambda system, secret: {"system": system, "code": re.sub("[^A-Z0-9]", "", secret.upper())},
)
TEXTS: tuple[Way, ...] = (
    lambda secret: secret,
    lambda secret: f"{secret}T10:11:12Z",
    lambda secret: secret.upper(),
    lambda secret: re.sub(r"\D", "", secret),
)
"""Of codes, dates, postal codes, countries."""
QUANTITIES: tuple[Way, ...] = (
    lambda secret: {"value": number_in(secret)},
    lambda secret: {"value": number_in(secret), "unit": "mg", "comparator": secret},
    lambda secret: {"value": 1, "unit": secret, "system": "http://unitsofmeasure.org", "code": secret},
)
REFERENCES: tuple[Way, ...] = (
    lambda secret: {
        "reference": f"Encounter/{re.sub('[^A-Za-z0-9]', '-', secret)}", "display": secret, "type": secret,
    },
)  # fmt: skip
FORMS: dict[str, tuple[Way, ...]] = {
    "quantity": QUANTITIES,
    "age": QUANTITIES,
    "integer": (number_in,),
    "number": (number_in,),
    "reference": REFERENCES,
    "patient": REFERENCES,
    "study_uid": (lambda secret: {"system": "urn:dicom:uid", "value": f"urn:oid:1.2.{number_in(secret)}"},),
    "sop_class": (
        lambda secret: {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:1.2.840.10008.5.1.4.{number_in(secret)}"},
    ),
    "uid": (lambda secret: f"1.2.{number_in(secret)}",),
}


def resource(kind: str, who: Person, name: str, value: Any) -> dict[str, Any]:
    """A resource of somebody's, who is told in the places that are for it, and in one more."""
    numbers = [{"value": number} for number in (who.accession, who.telephone, who.number)]
    own: dict[str, Any] = {"resourceType": kind, "id": who.digits, "identifier": numbers}
    subject = next((element for element, spec in BOOK.resources[kind].items() if spec == "patient"), "")
    if subject:
        own[subject] = {"reference": f"Patient/{who.digits}", "display": f"{who.family} {who.given}"}
    else:
        own |= {
            "name": [{"family": who.family, "given": [who.given]}],
            "telecom": [{"value": who.telephone}, {"value": who.email}],
            "birthDate": who.born.isoformat(),
        }
    return own | ({name: value} if name != subject else {})


@pytest.mark.parametrize("kind", one_in(4, sorted(BOOK.resources)))
def test_nothing_of_a_person_comes_out_of_any_leaf_of_fhir(kind: str) -> None:
    chance = random.Random(f"leaves of {kind}")
    failed = []
    for name, spec in BOOK.resources[kind].items():
        who = person(chance)
        secrets = who.secrets()
        if kind != "Patient":
            secrets = {what: secret for what, secret in secrets.items() if not what.startswith("born")} | {
                what: secret for what, secret in secrets.items() if what == "born, ISO" and spec == "date"
            }  # only a Patient says when somebody was born; elsewhere a number of eight digits is any number
        ways = list(leaves(spec))
        for what, secret in secrets.items():
            for value in (way(secret) for way in some(chance, ways)):
                data = json.dumps(resource(kind, who, name, value)).encode()
                rules = FHIR_BY[chance.choice(PROFILES)]
                left = come_out(list(rules.deidentify(Item("x", FHIR, lambda data=data: io.BytesIO(data)))), who)
                if left:
                    failed.append((name, what, value, left))
    assert not failed, failed[:5]


# --- HL7 v2

SEGMENTS = load_segments(hl7_systems(Hl7Rules()), str, frozenset())
HL7_SYSTEMS = sorted(hl7_systems(Hl7Rules()))


def message(who: Person, segment: str, number: int, text: str, value_type: str) -> bytes:
    """A message of somebody's, with a text in one field of one segment."""
    fields = {
        "MSH": {7: "20240305", 9: "ORU^R01", 10: "1", 11: "P", 12: "2.5"},
        "PID": {3: f"{who.number}^^^H^MR", 5: f"{who.family}^{who.given}", 7: f"{who.born:%Y%m%d}",
                13: f"{who.telephone}^PRN^PH^{who.email}", 18: who.accession},
    }  # fmt: skip
    needed = {"OBX": {2: value_type, 3: "2345-7^^LN", 5: "1"}, "DG1": {3: "I10^^I10"}, "PR1": {3: "99213^^C4"},
              "AL1": {3: "387207008^^SCT"}}  # fmt: skip
    fields.setdefault(segment, dict(needed.get(segment, {})))
    fields[segment][number] = text
    lines = []
    for name, own in fields.items():
        first = 3 if name == "MSH" else 1
        lines.append("|".join([name, *(["^~\\&"] if name == "MSH" else []),
                               *(own.get(index, "") for index in range(first, max(own) + 1))]))  # fmt: skip
    return "\r".join(lines).encode()


def texts(secret: str) -> Iterator[str]:
    """The ways in which a field can say something."""
    digits = re.sub(r"\D", "", secret)
    yield from (secret, secret.upper(), digits, f">^{digits}", f"^{digits[:3]}^-^{digits[3:]}", f"1&{secret}^{secret}")
    yield from (f"{part}^{secret}^{system}" for system in HL7_SYSTEMS for part in (secret, digits, secret.upper()))
    yield f"X^{secret}^L^{digits}^{secret}^SCT"


@pytest.mark.parametrize("segment", sorted(SEGMENTS))
def test_nothing_of_a_person_comes_out_of_any_field_of_hl7(segment: str) -> None:
    chance = random.Random(f"fields of {segment}")
    failed = []
    for number in sorted({*SEGMENTS[segment].fields, 6, 12}):
        if (segment, number) in (("PID", 3), ("MSH", 12)):  # another patient; a version that is not read
            continue
        who = person(chance)
        for what, secret in who.secrets().items():
            for text in some(chance, texts(secret)):
                value_type = chance.choice(("NM", "SN", "ST", "CWE", "TS"))
                data = message(who, segment, number, text, value_type)
                rules = HL7_BY[chance.choice(PROFILES)]
                left = come_out(list(rules.deidentify(Item("x", HL7, lambda data=data: io.BytesIO(data)))), who)
                if left:
                    failed.append((number, what, text, value_type, left))
    assert not failed, failed[:5]


# --- Tables

COLUMNS = {
    "who": Column(type="text", role="subject"),
    "visit": Column(type="text", role="identifier", domain="visit"),
    "order": Column(type="text", role="identifier"),
    "zip": Column(type="text", role="quasi", generalise="zip3"),
    "born": Column(type="date", role="quasi", generalise="birth_year"),
    "years": Column(type="integer", role="quasi", generalise="age", min=0, max=130),
    "disease": Column(type="text", role="sensitive", pattern=r"[A-Z]\d\d"),
    "ward": Column(type="text", role="value", values=("A", "B")),
    "seen": Column(type="date", role="date"),
    "glucose": Column(type="number", role="value", min=0, max=100),
    "remark": Column(type="text", role="drop"),
}
TABLES = TableSchema(title="", tables={"t": Table(columns=COLUMNS)})


@settings(max_examples=25)
@given(
    st.randoms(use_true_random=False), st.sampled_from([*COLUMNS, "undeclared"]), st.sampled_from(("remove", "shift"))
)
def test_nothing_of_a_person_comes_out_of_any_column(chance: random.Random, column: str, dates: str) -> None:
    who = person(random.Random(chance.random()))
    secret = chance.choice(sorted(who.secrets().values()))
    row = {"who": who.number, "visit": "v", "order": "o", "zip": "02139", "born": who.born.isoformat(), "years": "40",
           "disease": "I10", "ward": "A", "seen": "2024-01-02", "glucose": "5", "remark": "",
           "undeclared": ""}  # fmt: skip
    row[column] = secret
    data = "\n".join((",".join(row), ",".join(f'"{value}"' for value in row.values()))).encode()
    open_rules = Profile(name="open", title="", dates=dates, table=TableRules(k_min=1, l_min=1))
    rules = TableDeidentifier(open_rules, pseudonyms(), TABLES, AS_OF)
    assert come_out(list(rules.deidentify(Item("t.csv", TABLE, lambda: io.BytesIO(data)))), who) == []


# --- Image files


@settings(max_examples=50)
@given(st.randoms(use_true_random=False), st.sampled_from(["PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP", "PPM"]))
def test_nothing_of_a_person_comes_out_of_any_metadata(chance: random.Random, form: str) -> None:
    who = person(random.Random(chance.random()))
    secrets = sorted(who.secrets().values())
    picture = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))
    exif = Image.Exif()
    for tag in (270, 271, 315, 316, 33432, 36867, 37510, 42032, 65000):
        exif[tag] = chance.choice(secrets)
    text = PngImagePlugin.PngInfo()
    for index, secret in enumerate(secrets):
        text.add_text(f"Key{index}", secret, zip=chance.random() < 0.5)
        text.add_itxt(secret[:70].replace("  ", " ").strip() or "x", secret, zip=chance.random() < 0.5)
    options: dict[str, Any] = {
        "PNG": {"pnginfo": text, "exif": exif.tobytes()}, "JPEG": {"exif": exif, "comment": secrets[0].encode()},
        "TIFF": {"exif": exif, "description": secrets[0]}, "WEBP": {"exif": exif.tobytes(), "xmp": secrets[0].encode()},
        "GIF": {"comment": secrets[0].encode()},
    }.get(form, {})  # fmt: skip
    with io.BytesIO() as file:
        picture.save(file, form, **options)
        data = file.getvalue() + chance.choice(secrets).encode()
    rules = ImageDeidentifier(profile("basic"), pseudonyms())
    outcomes = list(rules.deidentify(Item(f"{who.family}.img", IMAGE, lambda: io.BytesIO(data))))
    assert any(isinstance(found, Clean) for found in outcomes) and come_out(outcomes, who) == []
