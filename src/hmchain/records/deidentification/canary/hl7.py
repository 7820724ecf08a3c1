"""Canaries in HL7 v2: identifying fields, notes, text results, unknown segments, and fields abused for names."""

from __future__ import annotations

from hmchain.records.deidentification.canary.planting import Canaries, PlantedItem
from hmchain.records.sources.item import HL7


def plant() -> list[PlantedItem]:
    """Results, an admission with other delimiters and characters, and messages that must be held."""
    return [_result(), _short(), _admission(), _held(), _own_number()]


def _result() -> PlantedItem:
    at = Canaries("canary/oru.hl7#1")
    born, seen = at.day("PID-7"), at.day("OBR-7")
    address = f"{at.text('PID-11.1', '12 {} Street')}^^{at.word('PID-11.3')}^{at.word('PID-11.4')}"
    segments = [
        f"MSH|^~\\&|{at.word('MSH-3')}|{at.word('MSH-4')}|{at.word('MSH-5')}||{seen:%Y%m%d}1011|{at.word('MSH-8')}"
        f"|ORU^R01^{at.word('MSH-9.3')}|{at.number('MSH-10')}|P|2.5.1",
        f"PID|1|{at.number('PID-2')}|{at.number('PID-3')}^^^{at.word('PID-3.4')}^MR|{at.number('PID-4')}"
        f"|{at.word('PID-5.1')}^{at.word('PID-5.2')}|{at.word('PID-6')}|{born:%Y%m%d}|{at.word('PID-8')}"
        f"|{at.word('PID-9')}|{at.word('PID-10')}|{address}^{at.number('PID-11.5', 9)}^USA||{at.number('PID-13')}"
        f"|{at.number('PID-14')}||{at.word('PID-16')}||{at.number('PID-18')}|{at.number('PID-19', 9)}",
        f"PD1||||{at.number('PD1-4')}^{at.word('PD1-4.2')}",
        f"NK1|1|{at.word('NK1-2')}||{at.word('NK1-4')}|{at.number('NK1-5')}",
        f"PV1|1|I|{at.word('PV1-3')}||||{at.number('PV1-7')}^{at.word('PV1-7.2')}||||||||||||{at.number('PV1-19')}",
        f"ORC|RE|{at.number('ORC-2')}|{at.number('ORC-3')}|||||||{at.word('ORC-10')}||{at.word('ORC-12')}",
        f"OBR|1|{at.number('OBR-2')}|{at.number('OBR-3')}|24323-8^{at.word('OBR-4.2')}^LN|||{seen:%Y%m%d%H%M}"
        f"||||||{at.word('OBR-13')}|||{at.number('OBR-16')}^{at.word('OBR-16.2')}",
        f"NTE|1||{at.text('NTE-3', 'spoke with {} by telephone')}",
        f"OBX|1|ST|2345-7^Glucose^LN||{at.text('OBX-5, ST', 'sample of {} lost')}",
        f"OBX|2|NM|2345-7^Glucose^LN||{at.number('OBX-5, NM', 9)}|{at.word('OBX-6')}|{at.word('OBX-7')}",
        f"OBX|3|TX|2345-7^Glucose^LN||{at.text('OBX-5, TX', 'Dear {},')}",
        f"OBX|4|CWE|2345-7^Glucose^LN||{at.word('OBX-5.1')}^{at.word('OBX-5.2')}^SCT~10828004^{at.word('~')}^SCT",
        f"OBX|5|NM|{at.word('OBX-3.1')}^x^L||5.5|mmol/L|||||{at.word('OBX-11')}|||||{at.number('OBX-16')}",
        f"OBX|6|ED|2345-7^Glucose^LN||^TEXT^^Base64^{at.word('OBX-5, ED')}",
        f"OBX|7|{at.word('OBX-2')}|2345-7^Glucose^LN|{at.word('OBX-4')}|5.5|mmol/L||{at.word('OBX-8')}",
        f"ZPI|1|{at.word('ZPI-2')}",
    ]
    return at.planted(HL7, "\r".join(segments).encode())


def _short() -> PlantedItem:
    """Numbers of people in the places of codes and counts, and a name as a segment's, no longer than at home."""
    at = Canaries("canary/short.hl7#1")
    segments = [
        "MSH|^~\\&|A|B|||20240102||ORU^R01|3|P|2.5.1",
        f"PID|||{at.number('PID-3, short', 5)}^^^H^MR||||||||||{at.number('PID-13, short', 7)}",
        f"{at.given('the name of a segment', 'QUY')}|1|x",
        f"PV1|1|I|{at.number('PV1-3, short', 5)}",
        f"OBX|1|NM|2345-7^Glucose^LN||{at.number('OBX-5, NM, a telephone', 7)}",
        f"OBX|2|SN|2345-7^Glucose^LN||^{at.given('OBX-5, SN, a telephone', '955^-^0123')}",
        f"OBX|3|CWE|2345-7^Glucose^LN||{at.number('OBX-5, a telephone as SCT', 9)}1^x^SCT",
        f"OBX|4|CWE|2345-7^Glucose^LN||{at.given('OBX-5, a telephone as RXNORM', '5550199')}^x^RXNORM",
        f"OBX|5|CWE|2345-7^Glucose^LN||{at.given('OBX-5, a name as DCM', 'QUYE')}^x^DCM",
        f"OBX|6|NM|2345-7^Glucose^LN|{at.given('OBX-4, a telephone', '4955.199')}|5.5",
        f"OBX|7|NM|{at.given('OBX-3, a number as LN', '48219-9')}^x^LN||5.5",
    ]
    return at.planted(HL7, "\r".join(segments).encode())


def _own_number() -> PlantedItem:
    """The patient's own number, which could be a result."""
    at = Canaries("canary/own.hl7#1")
    number = at.number("OBX-5, NM, the patient's number", 5)
    segments = [
        "MSH|^~\\&|A|B|||20240102||ORU^R01|4|P|2.5.1",
        f"PID|||{number}^^^H^MR",
        f"OBX|1|NM|2345-7^Glucose^LN||{number}|mg/dL",
    ]
    return at.planted(HL7, "\r".join(segments).encode(), held="identifier_suspected")


def _admission() -> PlantedItem:
    at = Canaries("canary/adt.hl7#1")
    segments = [
        "MSH*%$!@*A*B***20240102*" + at.word("MSH-8, own delimiters") + "*ADT%A01*1*P*2.4******8859/1",
        f"EVN**20240102***{at.number('EVN-5')}%{at.word('EVN-5.2')}",
        f"PID***{at.number('PID-3, own delimiters')}%%%H%MR**{at.text('PID-5, escaped', 'M!S!{}!.br!')}%Jürgen",
        f"PV1*1*{at.word('PV1-2')}******{at.word('PV1-8')}",
        f"DG1*1**I10%{at.word('DG1-3.2')}%I10*{at.word('DG1-4')}",
        f"GT1*1**{at.word('GT1-3')}",
        f"IN1*1*{at.number('IN1-2')}*{at.number('IN1-3')}",
        f"AL1*1*DA*{at.number('AL1-3.1')}%{at.word('AL1-3.2')}%LOCAL",
    ]
    return at.planted(HL7, "\n".join(segments).encode("latin-1"))


def _held() -> PlantedItem:
    at = Canaries("canary/merged.hl7#1")
    segments = [
        "MSH|^~\\&|A|B|||20240102||ADT^A17|2|P|2.4",
        f"PID|||{at.number('PID-3 of one patient')}||{at.word('PID-5 of one patient')}",
        f"PID|||{at.number('PID-3 of another')}||{at.word('PID-5 of another')}",
    ]
    return at.planted(HL7, "\r".join(segments).encode(), held="several_patients")
