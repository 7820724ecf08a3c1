"""Make the lists of codes that ship with the program: HL7's own, those of HPO, of DICOM, and of oncology in Germany.

    git clone https://github.com/HL7/UTG
    git clone https://github.com/obophenotype/human-phenotype-ontology
    git clone https://github.com/medizininformatik-initiative/kerndatensatzmodul-onkologie
    python scripts/code_lists.py UTG human-phenotype-ontology kerndatensatzmodul-onkologie \
        src/hmchain/records/deidentification/rules/codes

Only a new release needs this. The form of a list is told in `records/deidentification/code_lists.py`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as Xml
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pydicom
from pydicom.sr._concepts_dict import concepts

FHIR = "{http://hl7.org/fhir}"
FOLDERS = ("fhir/codeSystems", "v2/codeSystems", "v3/codeSystems")
FHIR_LEFT_OUT = re.compile(
    r"/(?:.*(?:claim|coverage|insurance|chargeitem|billing|payment|fund|financ|cdshooks|codesystem|expansion|library|measure"
    r"|subscription|validation|verification|testscript|resource|security|guide|conformance|definition|artifact|evidence|usage-"
    r"|standards|organization|practitioner|push|smart-|software|state-change|statistic|message|artifact|operation-outcome)"
    r"|adjudication|accepting|appointment|attribute|basic-|benefit|can-push|catalog|certainty|common-|contactentity|contract"
    r"|cql-|endpoint|audit-|ex-|extra-|failure|forms|match-|metric|name-|need|object-role|parameter|participant-type|payeetype"
    r"|plan-|primary-source|processpriority|professional|program|provenance|question|rejection|restful-|service-pro|special"
    r"|subscriber|supply|synthesis|task|us-|variable|virtual)[^/]*$"
)
V2_TAKEN = re.compile(
    r"v2-0(?:001|002|004|005|007|027|063|065|070|074|078|080|083|085|092|103|116|119|121|122|123|124|125|127|128|131|136|155"
    r"|159|160|161|162|163|164|165|166|167|168|203|204|207|230|238|240|241|242|243|253|255|256|257|272|322|323|371|389|391"
    r"|418|421|425|429|432|440|487|488|489|490|491|492|493|494|495|496|550|917|920|921|922|923|937)$"
)
V3_TAKEN = re.compile(
    r"v3-(?:Act(?:Code|ExposureLevelCode|Priority|Reason|Site|Status|Uncertainty)|AdministrativeGender|Confidentiality"
    r"|Dentition|EntityCode|EntityHandling|EntityRisk|Ethnicity|ExposureMode|GTSAbbreviation|GenderStatus|LivingArrangement"
    r"|MaritalStatus|NullFlavor|Observation(?:Category|Interpretation|Method|Value)|ParticipationMode|PersonDisabilityType"
    r"|Race|RoleCode|RouteOfAdministration|SpecimenType|SubstitutionCondition|TimingEvent|VaccineType|orderableDrugForm"
    r"|substanceAdminSubstitution)$"
)
"""Of patients and what is done for them. Lists of messages, structures and money are left out."""

HL7_HEAD = """\
# HL7 Terminology (THO): the codes of the code systems that HL7 itself defines, with their texts, unchanged; those of
# messages and of money are left out. Made by scripts/code_lists.py.
# Source: https://github.com/HL7/UTG, commit {commit} of {day}. Copyright 1989+ Health Level Seven International, made
# available under the Creative Commons Zero designation (CC0): https://terminology.hl7.org/license.html
"""
HPO_HEAD = """\
# The Human Phenotype Ontology (HPO): its identifiers alone, as ranges. Made by scripts/code_lists.py.
# This product uses the Human Phenotype Ontology (https://github.com/obophenotype/human-phenotype-ontology, commit
# {commit} of {day}). Find out more at http://www.human-phenotype-ontology.org; its terms of use:
# https://hpo.jax.org/app/license (free use; name the consortium and the version; change no content).
"""
MII_HEAD = """\
# Code systems of the German core data set for oncology (MII, after oBDS): codes and texts, unchanged; those of the UICC
# are left out. Made by scripts/code_lists.py.
# Source: https://github.com/medizininformatik-initiative/kerndatensatzmodul-onkologie, commit {commit} of {day}.
# Licence: CC0 1.0 (its package.json).
"""
DICOM_HEAD = """\
# The numbers of DICOM's own terms (coding scheme DCM, PS3.16 Annex D), as ranges. Made by scripts/code_lists.py.
# Source: the table of concepts in pydicom {version} (MIT licence), which is made of the DICOM standard.
"""


def main(utg: Path, hpo: Path, mii: Path, folder: Path) -> None:
    """Write the lists into `folder`."""
    (folder / "hl7.tsv").write_text(HL7_HEAD.format(**_standing(utg)) + "".join(_hl7(utg)), encoding="utf-8")
    uris = (
        "http://human-phenotype-ontology.org",
        "http://purl.obolibrary.org/obo/hp.owl",
        "urn:oid:2.16.840.1.113883.6.339",
    )
    (folder / "hpo.tsv").write_text(HPO_HEAD.format(**_standing(hpo)) + "".join(_ranged((*uris, "HPO"), _terms(hpo))))
    (folder / "mii.tsv").write_text(MII_HEAD.format(**_standing(mii)) + "".join(_mii(mii)), encoding="utf-8")
    numbers = {code for each in concepts["DCM"].values() for code in each if code.isdigit()}
    uris = ("http://dicom.nema.org/resources/ontology/DCM", "urn:oid:1.2.840.10008.2.16.4", "DCM")
    (folder / "dicom.tsv").write_text(DICOM_HEAD.format(version=pydicom.__version__) + "".join(_ranged(uris, numbers)))


def _standing(repository: Path) -> dict[str, str]:
    said = subprocess.run(
        ["git", "-C", repository, "log", "-1", "--format=%h %cs"], capture_output=True, text=True, check=True
    )
    commit, day = said.stdout.split()
    return {"commit": commit, "day": day}


def _hl7(repository: Path) -> Iterator[str]:
    for place in FOLDERS:
        for path in sorted((repository / "input/sourceOfTruth" / place).rglob("*.xml")):
            system = Xml.parse(path).getroot()  # noqa: S314 - HL7's own files
            told = {name: _value(system, name) for name in ("url", "content", "copyright")}
            whole = told["content"] == "complete" and "CC0" in told["copyright"] and system.tag == f"{FHIR}CodeSystem"
            if whole and _is_clinical(told["url"]):
                yield from _listed([told["url"], *_other_names(told["url"], system)], list(_codes(system)))


def _mii(repository: Path) -> Iterator[str]:
    for path in sorted((repository / "fsh-generated/resources").glob("CodeSystem-*.json")):
        system = json.loads(path.read_text(encoding="utf-8"))
        if "tnm-uicc" not in path.name:
            codes = ((each["code"], " ".join(each.get("display", "").split())) for each in system["concept"])
            yield from _listed([system["url"]], list(codes))


def _is_clinical(url: str) -> bool:
    if "/v2-" in url or "/v3-" in url:
        return bool(V2_TAKEN.search(url) or V3_TAKEN.search(url))
    return not FHIR_LEFT_OUT.search(url)


def _value(element: Xml.Element, name: str) -> str:
    found = element.find(f"{FHIR}{name}")
    return found.get("value", "") if found is not None else ""


def _other_names(url: str, system: Xml.Element) -> Iterator[str]:
    """OIDs, the name of a table in HL7 v2, and the URI that FHIR gave it before."""
    for identifier in system.findall(f"{FHIR}identifier"):
        if (oid := _value(identifier, "value")).startswith("urn:oid:"):
            yield oid
    own = url.rsplit("/", 1)[-1]
    if found := re.fullmatch(r"v2-(\d{4})", own):
        yield from (f"http://hl7.org/fhir/v2/{found[1]}", f"HL7{found[1]}")
    elif own.startswith("v3-"):
        yield f"http://hl7.org/fhir/v3/{own.removeprefix('v3-')}"
    else:
        yield f"http://hl7.org/fhir/{own}"


def _codes(system: Xml.Element) -> Iterator[tuple[str, str]]:
    for concept in system.iter(f"{FHIR}concept"):
        if (code := _value(concept, "code")) and code != "...":
            yield code, " ".join(_value(concept, "display").split())


def _listed(names: Sequence[str], codes: Sequence[tuple[str, str]]) -> Iterator[str]:
    if codes:
        yield "@\t" + "\t".join(dict.fromkeys(names)) + "\n"
        yield from (f"{code}\t{text}\n" if text and text != code else f"{code}\n" for code, text in codes)


def _terms(repository: Path) -> set[str]:
    """The terms that its translations name, and all others that a file of the sources speaks of."""
    found = subprocess.run(
        ["git", "-C", repository, "grep", "-ohE", "HP[:_][0-9]{7}", "HEAD", "--", "src/translations"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return {term.replace("_", ":") for term in found.stdout.split()}


def _ranged(names: Sequence[str], codes: Iterable[str]) -> Iterator[str]:
    """Codes that follow each other as `first..last`."""
    yield "@\t" + "\t".join(names) + "\n"
    first = last = ""
    for code in sorted(codes):
        if last and int(code[-6:]) == int(last[-6:]) + 1 and code[:-6] == last[:-6]:
            last = code
            continue
        if last:
            yield f"{first}..{last}\n" if first != last else f"{first}\n"
        first = last = code
    if last:
        yield f"{first}..{last}\n" if first != last else f"{first}\n"


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:5]))
