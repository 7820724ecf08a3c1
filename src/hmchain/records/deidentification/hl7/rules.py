"""The allow list of HL7 v2, compiled: for each field that may stay a function of its text.

The list itself is `rules/hl7_v2.toml`. A rule takes one repetition of a field, already split into components and
without escapes, and returns what stays of it in HL7's standard delimiters, or nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hmchain import decoding
from hmchain.records.deidentification.outcome import GENERALISED, KEPT, REPLACED, SHIFTED
from hmchain.records.deidentification.safe_harbor import Dates, zip3
from hmchain.records.deidentification.terminology import RULES, Check, is_unit

_NUMBER = r"[+-]?(?:0|[1-9]\d{0,7})(?:\.\d{1,8})?"  # nine digits could be a social security number
_LONG = re.compile(r"\d{7}", re.ASCII)
"""Seven could be a telephone or record number, unless they count something."""
_NUMERIC = re.compile(rf"(?:<=?|>=?)?{_NUMBER}", re.ASCII)
_RANGE = re.compile(rf"(?:<=?|>=?)?({_NUMBER})(?:\s?-\s?({_NUMBER}))?", re.ASCII)
_COUNT = re.compile(r"\d{1,4}|\d{1,2}(?:\.\d{1,2}){1,3}", re.ASCII)
_DAY = re.compile(r"\d{2}\.\d+\.\d|\d\.\d+\.\d{2}", re.ASCII)
"""Three numbers whose first or last has two digits: a year without its century."""
_MESSAGE_TYPES = frozenset({
    "ACK", "ADR", "ADT", "BAR", "BPS", "BRP", "BRT", "BTS", "CCF", "CCI", "CCM", "CCQ", "CCR", "CCU", "CQU", "CRM",
    "CSU", "DEL", "DEO", "DER", "DFT", "DOC", "DPR", "DRC", "DRG", "DSR", "EAC", "EAN", "EAR", "EDR", "EHC", "EQQ",
    "ERP", "ESR", "ESU", "INR", "INU", "LSR", "LSU", "MDM", "MFD", "MFK", "MFN", "MFQ", "MFR", "MVR", "NMD", "NMQ",
    "NMR", "OMB", "OMD", "OMG", "OMI", "OML", "OMN", "OMP", "OMQ", "OMS", "OPL", "OPR", "OPU", "ORA", "ORB", "ORD",
    "ORF", "ORG", "ORI", "ORL", "ORM", "ORN", "ORP", "ORR", "ORS", "ORU", "ORX", "OSD", "OSM", "OSQ", "OSR", "OSU",
    "OUL", "PEX", "PGL", "PIN", "PMU", "PPG", "PPP", "PPR", "PPT", "PPV", "PRR", "PTR", "QBP", "QCK", "QCN", "QRY",
    "QSB", "QSX", "QVR", "RAR", "RAS", "RCI", "RCL", "RDE", "RDR", "RDS", "RDY", "REF", "RER", "RGR", "RGV", "ROR",
    "RPA", "RPI", "RPL", "RPR", "RQA", "RQC", "RQI", "RQP", "RQQ", "RRA", "RRD", "RRE", "RRG", "RRI", "RSP", "RTB",
    "SCN", "SDN", "SDR", "SIU", "SLN", "SLR", "SMD", "SQM", "SQR", "SRM", "SRR", "SSR", "SSU", "STC", "STI", "SUR",
    "TBR", "TCR", "TCU", "UDM", "VXQ", "VXR", "VXU", "VXX",
})  # fmt: skip
"""Table 0076: other three letters could be a name."""
_YEAR = re.compile(r"[-_ ]?20\d\d\Z", re.ASCII)
"""Of a system that comes out every year: `I10GM2024`."""
_EVENT = re.compile(r"[A-Z]\d\d", re.ASCII)
_STRUCTURE = re.compile(r"[A-Z]{3}_[A-Z]\d\d|ACK", re.ASCII)
_SN = (
    re.compile(r"<=?|>=?|=|<>|"),
    re.compile(_NUMBER, re.ASCII),
    re.compile(r"[-+/.:]|"),
    re.compile(rf"(?:{_NUMBER})?"),
)
_PLAIN_VALUES = frozenset({
    "NEG", "NEGATIVE", "POS", "POSITIVE", "REACTIVE", "NONREACTIVE", "NON-REACTIVE", "DETECTED", "NOT DETECTED",
    "NORMAL", "ABNORMAL", "TRACE", "NONE", "PRESENT", "ABSENT", "INDETERMINATE", "EQUIVOCAL", "YES", "NO",
})  # fmt: skip
"""Words of results that laboratories send as text."""

STANDARD_SEGMENTS = frozenset({
    "ABS", "ACC", "ADD", "ADJ", "AFF", "AIG", "AIL", "AIP", "AIS", "AL1", "APR", "ARQ", "ARV", "AUT", "BHS", "BLC",
    "BLG", "BPO", "BPX", "BTS", "BTX", "BUI", "CDM", "CDO", "CER", "CM0", "CM1", "CM2", "CNS", "CON", "CSP", "CSR",
    "CSS", "CTD", "CTI", "DB1", "DG1", "DMI", "DON", "DPS", "DRG", "DSC", "DSP", "ECD", "ECR", "EDU", "EQL", "EQP",
    "EQU", "ERQ", "ERR", "EVN", "FAC", "FHS", "FT1", "FTS", "GOL", "GP1", "GP2", "GT1", "IAM", "IAR", "IIM", "ILT",
    "IN1", "IN2", "IN3", "INV", "IPC", "IPR", "ISD", "ITM", "IVC", "IVT", "LAN", "LCC", "LCH", "LDP", "LOC", "LRL",
    "MCP", "MFA", "MFE", "MFI", "MRG", "MSA", "MSH", "NCK", "NDS", "NK1", "NPU", "NSC", "NST", "NTE", "OBR", "OBX",
    "ODS", "ODT", "OM1", "OM2", "OM3", "OM4", "OM5", "OM6", "OM7", "OMC", "ORC", "ORG", "OVR", "PAC", "PCE", "PCR",
    "PD1", "PDA", "PDC", "PEO", "PES", "PID", "PKG", "PM1", "PMT", "PR1", "PRA", "PRB", "PRC", "PRD", "PRT", "PSG",
    "PSH", "PSL", "PSS", "PTH", "PV1", "PV2", "PYE", "QAK", "QID", "QPD", "QRD", "QRF", "QRI", "RCP", "RDF", "RDT",
    "REL", "RF1", "RFI", "RGS", "RMI", "ROL", "RQ1", "RQD", "RXA", "RXC", "RXD", "RXE", "RXG", "RXO", "RXR", "RXV",
    "SAC", "SCD", "SCH", "SCP", "SDD", "SFT", "SGH", "SGT", "SHP", "SID", "SLT", "SPM", "SPR", "STF", "STZ", "TCC",
    "TCD", "TQ1", "TQ2", "TXA", "UAC", "UB1", "UB2", "URD", "URS", "VAR", "VND", "VTQ",
})  # fmt: skip
"""The segments of HL7 v2.1 to v2.8.2: those that a report may name. Any other name could be a person's."""
OTHER_SEGMENTS = "other segments"

_ESCAPES = str.maketrans({"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"})


@dataclass(frozen=True)
class Context:
    """The facts of the message that rules need."""

    dates: Dates
    subject: str
    value_type: str = ""
    """OBX-2 of the segment."""
    has_unit: bool = False
    """Whether OBX-6 of the segment is a unit that stays."""


Rule = Callable[[Sequence[str], Context], str]


@dataclass(frozen=True)
class Segment:
    """The compiled rules of one segment."""

    fields: dict[int, Rule]
    done: dict[int, str]
    """What each rule does, for the report."""
    needs: tuple[int, ...]


def load_segments(
    systems: Mapping[str, Check], pseudonym: Callable[[str], str], dropped: frozenset[str]
) -> dict[str, Segment]:
    """The allow list by segment. `dropped` are fields to leave out all the same, as `PID-11`."""
    book = decoding.from_toml((RULES / "hl7_v2.toml").read_bytes(), dict[str, dict[str, str | list[str | int]]])
    rules = _Rules(systems, pseudonym)
    return {name: _compiled(name, table, rules, dropped) for name, table in book.items()}


def escaped(text: str) -> str:
    """Text as it stands in a field."""
    return text.translate(_ESCAPES)


def _is_long(number: str) -> bool:
    """Tell whether a number has seven digits or more before its point."""
    return _LONG.search(number.split(".")[0]) is not None


def _rises(parts: Sequence[str]) -> bool:
    """Tell whether an SN value that is a range goes from less to more: a telephone number (555-0123) need not."""
    if len(parts) < 4 or parts[2] != "-" or not parts[3]:
        return True
    return float(parts[1]) <= float(parts[3])


def _compiled(name: str, table: Mapping[str, str | list[str | int]], rules: _Rules, dropped: frozenset[str]) -> Segment:
    fields: dict[int, Rule] = {}
    done: dict[int, str] = {}
    for number, spec in table.items():
        if number == "needs" or f"{name}-{number}" in dropped:
            continue
        if isinstance(spec, str):
            fields[int(number)] = getattr(rules, spec)
            done[int(number)] = _DONE.get(spec, KEPT)
        else:
            fields[int(number)] = _one_of(frozenset(map(str, spec)))
    return Segment(fields, done, tuple(int(number) for number in table.get("needs", ())))


_DONE = {"date": SHIFTED, "identifier": REPLACED, "subject": REPLACED, "address": GENERALISED}


def _one_of(values: frozenset[str]) -> Rule:
    return lambda parts, at: parts[0] if parts[0] in values else ""


class _Rules:
    """The rules by name."""

    def __init__(self, systems: Mapping[str, Check], pseudonym: Callable[[str], str]) -> None:
        self._systems, self._pseudonym = systems, pseudonym

    def date(self, parts: Sequence[str], at: Context) -> str:
        """DT, TS or DTM."""
        return at.dates.hl7(parts[0]) or ""

    def identifier(self, parts: Sequence[str], at: Context) -> str:
        """EI or CX: a pseudonym of the number within its authority."""
        return self._pseudonym("^".join(parts)) if parts[0] else ""

    def subject(self, parts: Sequence[str], at: Context) -> str:
        """The patient's pseudonym."""
        return at.subject

    def address(self, parts: Sequence[str], at: Context) -> str:
        """XAD: three digits of the ZIP code (component 5), at home in component 6's country."""
        country = parts[5] if len(parts) > 5 else ""
        code = zip3(parts[4], country) if len(parts) > 4 else None
        return f"^^^^{code}" if code else ""

    def coded(self, parts: Sequence[str], at: Context) -> str:
        """CE or CWE: code and system, of the first of its two codings that may stay; never its text."""
        padded = [*parts, *[""] * 6]
        for code, system in ((padded[0], padded[2]), (padded[3], padded[5])):
            check = self._systems.get(system) or self._systems.get(_YEAR.sub("", system))
            if check is not None and check(code):
                return f"{escaped(code)}^^{escaped(system)}"
        return ""

    def unit(self, parts: Sequence[str], at: Context) -> str:
        """A unit of UCUM."""
        return escaped(parts[0]) if is_unit(parts[0]) else ""

    def range(self, parts: Sequence[str], at: Context) -> str:
        """A reference range in numbers."""
        found = _RANGE.fullmatch(parts[0])
        return parts[0] if found and _rises(["", found[1], "-", found[2] or ""]) else ""

    def count(self, parts: Sequence[str], at: Context) -> str:
        """A sequence number or sub-identifier in numbers, but for what could be a day: `14.3.57`."""
        return parts[0] if _COUNT.fullmatch(parts[0]) and not _DAY.search(parts[0]) else ""

    def number(self, parts: Sequence[str], at: Context) -> str:
        """A number that counts or measures something, of at most six digits before its point."""
        return parts[0] if _NUMERIC.fullmatch(parts[0]) and not _is_long(parts[0]) else ""

    def amount(self, parts: Sequence[str], at: Context) -> str:
        """CQ: a number and a unit of UCUM."""
        kept = self.number(parts, at)
        unit = parts[1] if len(parts) > 1 and is_unit(parts[1]) else ""
        return f"{kept}^{escaped(unit)}" if kept and unit else kept

    def message_type(self, parts: Sequence[str], at: Context) -> str:
        """Type, event and structure."""
        kind, event, structure = [*parts, "", "", ""][:3]
        kept = (
            kind if kind in _MESSAGE_TYPES else "",
            event if _EVENT.fullmatch(event) else "",
            structure if _STRUCTURE.fullmatch(structure) and structure[:3] in _MESSAGE_TYPES else "",
        )
        return "^".join(kept).rstrip("^")

    def value(self, parts: Sequence[str], at: Context) -> str:
        """OBX-5, by the type that OBX-2 declares: numbers, codes, dates, and a few words of laboratories."""
        if at.value_type in ("NM", "SN", "ST") and not at.has_unit and any(_is_long(part) for part in parts):
            return ""
        if at.value_type in ("NM", "ST"):
            plain = len(parts) == 1 and (_NUMERIC.fullmatch(parts[0]) or parts[0].upper() in _PLAIN_VALUES)
            return escaped(parts[0]) if plain else ""
        if at.value_type == "SN":
            kept = [part for part, shape in zip(parts, _SN, strict=False) if shape.fullmatch(part)]
            return "^".join(kept) if len(kept) == len(parts) and _rises(parts) else ""
        if at.value_type in ("CE", "CWE", "CNE", "CF"):
            return self.coded(parts, at)
        return self.date(parts, at) if at.value_type in ("DT", "TS", "DTM") else ""
