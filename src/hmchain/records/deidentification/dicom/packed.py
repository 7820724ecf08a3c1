"""Numbers that makers pack into bytes beside texts: known ones are written into an empty structure of the same kind.

A reader of the original format (dcm2niix, for instance) finds in the new one what it finds in the old one, as long as
it asks for what is listed here. What is not listed, names and free text above all, is left behind.
"""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

PACKED_BYTES_MAX = 16 << 20
"""A protocol that inflates to more is none."""


_IS_NUMBER, _NO_DIGITS = re.compile(rb" *[-+]?\d*\.?\d*(?:[eE][-+]?\d{1,3})? *"), re.compile(rb"[^\d.-]+")


@dataclass(frozen=True)
class Repacked:
    """A structure written anew."""

    data: bytes
    values: tuple[bytes, ...]
    """The values in it, one by one: numbers, and words of a closed list."""

    def looked_at(self) -> Iterator[tuple[str, bytes]]:
        """The VR and the value of what could be the patient's: numbers, and those among the words of the lists."""
        for value in self.values:
            if _IS_NUMBER.fullmatch(value):
                yield "DS", value
            elif digits := _NO_DIGITS.sub(b" ", value).strip():
                yield "LO", digits


Repack = Callable[[bytes], Repacked | None]
"""Gives nothing if the bytes are not what they should be."""

_NUMBER = rb" *[-+]?\d{0,8}(?:\.\d{0,16})?(?:[eE][-+]?\d{1,3})? *"
_COUNTS = rb"[X\d]{1,3}(?:_\d{1,4}){0,24}"

# -- Siemens: the CSA header, in its second form -

_CSA_MAGIC, _CSA_TAGS_MAX, _CSA_ITEMS_MAX = b"SV10\x04\x03\x02\x01", 1024, 8192
_CSA_HEAD, _CSA_TAG, _CSA_ITEM = struct.Struct("<8sII"), struct.Struct("<64si4siii"), struct.Struct("<iiii")
_CSA_SYNC = 77
_PROTOCOLS = (b"MrPhoenixProtocol", b"MrProtocol")
"""The settings of the protocol, in new and in old scanners' series headers."""
_CSA_FORMS = {
    **dict.fromkeys(
        b"""Actual3DImaPartNumber B_matrix B_value BandwidthPerPixelPhaseEncode Columns DiffusionGradientDirection
        EchoColumnPosition EchoLinePosition EchoPartitionPosition EchoTrainLength FlipAngle ImaAbsTablePosition
        ImaRelTablePosition ImagePositionPatient ImageOrientationPatient MosaicRefAcqTimes NumberOfImagesInMosaic
        NumberOfPrescans PhaseEncodingDirectionPositive PhaseGradientAmplitude PixelSpacing ProtocolSliceNumber
        ReadoutGradientAmplitude RealDwellTime RepetitionTime RFEchoTrainLength Rows SelectionGradientAmplitude
        SliceLocation SliceMeasurementDuration SliceNormalVector SlicePosition_PCS SliceResolution SliceThickness
        TimeAfterStart TriggerTime EchoTime InversionTime""".split(),
        _NUMBER,
    ),
    b"DiffusionDirectionality": rb"(?:DIRECTIONAL|ISOTROPIC|NONE|BMATRIX)? *",
    b"ICE_Dims": _COUNTS,
    b"ImageHistory": rb"CC:ComplexAdd",  # a phase image
    b"PhaseEncodingDirection": rb"(?:ROW|COL) *",
}
"""Tags of the image and the series header, and the form of each item."""
_CSA = {name: re.compile(form) for name, form in _CSA_FORMS.items()}


def siemens_csa(data: bytes) -> Repacked | None:
    """The CSA header of an image or a series, with the numbers in it and those of its protocol."""
    if not data.startswith(_CSA_MAGIC) or len(data) < _CSA_HEAD.size:
        return None
    tags: list[bytes] = []
    values: list[bytes] = []
    for name, meta, items in _csa_tags(data):
        if name in _PROTOCOLS:
            protocol = next((siemens_protocol(item) for item in items if item), None)
            if protocol is None:
                continue
            kept = [protocol.data]
            values += protocol.values
        elif name in _CSA:
            kept = [item if _CSA[name].fullmatch(item) else b"" for item in (item.split(b"\0")[0] for item in items)]
            values += [item.strip() for item in kept if item]
        else:
            continue
        tags.append(_csa_tag(name, meta, kept))
    head = _CSA_HEAD.pack(_CSA_MAGIC, len(tags), _CSA_SYNC)
    body = head + b"".join(tags)
    return Repacked(body + bytes(-len(body) % 4), tuple(values)) if tags else None


def _csa_tags(data: bytes) -> Iterator[tuple[bytes, tuple[int, bytes, int], list[bytes]]]:
    """Name, the rest of its head, and the items of each tag, as far as they can be read."""
    _, count, _ = _CSA_HEAD.unpack_from(data)
    position = _CSA_HEAD.size
    for _ in range(min(count, _CSA_TAGS_MAX)):
        if position + _CSA_TAG.size > len(data):
            return
        name, multiplicity, vr, kind, items_count, _ = _CSA_TAG.unpack_from(data, position)
        position += _CSA_TAG.size
        items = []
        for _ in range(min(items_count, _CSA_ITEMS_MAX)):
            if position + _CSA_ITEM.size > len(data):
                return
            _, length, _, _ = _CSA_ITEM.unpack_from(data, position)
            position += _CSA_ITEM.size
            if not 0 <= length <= len(data) - position:
                return
            items.append(data[position : position + length])
            position += length + -length % 4
        yield name.split(b"\0")[0], (multiplicity, vr, kind), items


def _csa_tag(name: bytes, meta: tuple[int, bytes, int], items: list[bytes]) -> bytes:
    multiplicity, vr, kind = meta
    vr = vr[:2] if re.fullmatch(rb"[A-Z]{2}", vr[:2]) else b"UN"
    written = _CSA_TAG.pack(name, multiplicity if 0 <= multiplicity < 1 << 16 else 0, vr, kind & 0xFF, len(items), 77)
    for item in items:
        text = item + b"\0" if item else b""
        written += _CSA_ITEM.pack(len(text), len(text), _CSA_SYNC, len(text)) + text + bytes(-len(text) % 4)
    return written


# -- Siemens: the measurement protocol -

_ASCCONV = re.compile(rb"### ASCCONV BEGIN[^\n]{0,200}\n(.*?)### ASCCONV END", re.DOTALL)
_SETTING = re.compile(rb'\s*([A-Za-z][\w.\[\]]{0,120})\s*=\s*("{0,2}[^"\n]{0,200}"{0,2})\s*')
_INDEX = rb"(?:\[\d{1,3}\])?"
_SETTING_NAMES = re.compile(
    rb"(?:(?:sKSpace|sSliceArray|sFastImaging|sDiffusion|sPat|sSliceAcceleration|sPrepPulses|sAsl|sWi[pP]MemBlock"
    rb"|sRSatArray|sGroupArray|sGRADSPEC|sTXSPEC|sRXSPEC|sProtConsistencyInfo|sAngio|sPhysioImaging)\.)?"
    rb"(?:(?:as[A-Z]\w{1,24}|s[A-Z]\w{1,24})" + _INDEX + rb"\.){0,3}"
    rb"(?:a?l|u[lc]|a?d|a?fl|i)[A-Z0-9]\w{1,40}" + _INDEX
)
"""Settings whose names say that they are numbers, at the top and in the parts that describe the sequence."""
_NAME_PIECE, _NAME_DIGITS_MAX = re.compile(rb"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+"), 2
_NAME_WORDS = frozenset(
    b"""a aa aad accel acceleration acq adc adj adjust admode afl al align alignment all alpha amplitude angio angle
    appl arm array arrhythmia as asl asymmetric auto autoalign average averages averaging b background bandwidth
    base bc bet bh black blade block blood bold breath bvalue c calib cardiac center central change channel
    channels cine clip coil color combine combined comp compensation completion conc conn connected consistency
    constant contrast contrasts copy cor corr correction count coupling coverage cross crusher cs current cycle
    cycles cycling d dark data decoupling degree degrees delay density detection diff diffusion dim dimension dir
    direction directions disable dist distance distortion dixon double duration dwell dyn dynamic ecg echo echoes
    eddy effective element elements elm enable encodes encoding end epi ex excit excitation ext extension fact
    factor fast fat fatsat feature ffactor fid field filter first fl flip flow fluid for force fourier fov frames
    free freq frequency from g gain gap gate gated gating gmax grad gradient gradients gradspec grappa gre grid
    group groups haste high hold i id image images imaging in index inflow info init inner inplane int interactive
    interleaved interleaves internal interpolation intervals intro inv invcontrasts inversion ir k kdyn kspace l
    label labeling last length level line lines list local loop low lv m magn magnitude map mapping mask matrix
    max maximum mb mds meas measurement mem method mid min mm mode motion moving msma mt multi multiband n native
    nav navigator ndis no noe nof noise nominal normal nuc nucleus num number numerator off offset old on one only
    order original out oversampling p pace par para paradigm parametric part partial partition partitions pat
    pause pc pe peak per percent periodicity pf phaps phase phases phs physio plane pocs points pos position
    positioning post prep prepare private prot protocol pulse pulses quality r radial range ratio re read readout
    real realtime receiver recon reconstruction recovery ref reference refscan region regr remove rep repetitions
    res resolution resp retro rf rfov rfpa rise roi rotate rotation rsat rx rxspec s samples sampling sar sat
    saturation save sbcs scale scan scans scheme scout sec segment segmentation segments select selected selection
    sen sensitivity separate seq sequence series set shape sharing shift shim shimcurrent shot shots shuffle
    signal simultaneous size slab slice slices slow sms snr space spacing spatial spec spectral speed spoil
    spoiler spoiling start step stimulated stop store suppression sw swap t table target te temporal tensor term
    tfl thickness threshold ti time times tof tom total tpat tr tra train trajectory transmitter transversal
    trigger triggers trufi tse turbo tx txspec type u uc ucs ui ul unit up us usage used user v valid value values
    variable vec vector velocity venc version view views voi volume w wait water weight weighting wi width window
    wip x xy xz y yx yz z zx zy""".split()
)
"""Words that the names of settings are made of: a word that is none of them could be anybody's name."""
_SETTING_VALUES = re.compile(rb"-?\d{1,8}(?:\.\d{0,16})?(?:[eE][-+]?\d{1,3})?|0x[0-9a-fA-F]{1,6}")
_SETTING_WORDS = {
    b"tSequenceFileName": re.compile(
        rb'"{1,2}%SiemensSeq%\\{1,2}(?:(?:ep2d|ep3d|epi|epfid2d1|epse2d1|tse|tfl|tfi|tir|tgse|gre|fl|fl2d|fl3d|se|resolve|haste'
        rb"|space|trufi|fisp|medic|ciss|ciss3d|dess|dess3d|psif|vibe|mprage|flash|field|mapping|bold|diff|pace|pasl|pcasl"
        rb"|asl|perf|fid|sms|mb|mbep2d|moco|svs|csi|csi3d|st|ste|edit|beat|cv|pc|tof|swi|qfl|blade|rst|sp|ab|dir|ir|mt"
        rb"|rr|r|s|ge|3d|2d|nd|tra|cor|sag|fast|aaLocalizer|AALScout|AALScout|aascout|localizer|cine|real|retro|trig"
        rb'|advdiff|qa|dti|wip|\d{1,3}[a-z]?)_?){1,5}"{1,2}'
    ),
    b"sProtConsistencyInfo.tBaselineString": re.compile(rb'"{1,2}N4_V[A-Z0-9]{2,5}_LATEST_\d{8}"{1,2}'),
    b"sProtConsistencyInfo.tMeasuredBaselineString": re.compile(rb'"{1,2}N4_V[A-Z0-9]{2,5}_LATEST_\d{8}"{1,2}'),
}


def siemens_protocol(data: bytes) -> Repacked | None:
    """The settings of a measurement protocol that are numbers."""
    found = _ASCCONV.search(data)
    if found is None:
        return None
    lines, values = [], []
    for line in found[1].splitlines():
        setting = _SETTING.fullmatch(line.split(b"#")[0])
        if setting is None:
            continue
        name, value = setting[1], setting[2].strip()
        word = _SETTING_WORDS.get(name)
        if word.fullmatch(value) if word else _is_setting(name) and _SETTING_VALUES.fullmatch(value):
            lines.append(b"%s\t = \t%s\n" % (name, value))
            values.append(value.strip(b'"') if word else value)
    text = b"<XProtocol>\n### ASCCONV BEGIN ###\n" + b"".join(lines) + b"### ASCCONV END ###\n"
    return Repacked(text + b" " * (len(text) % 2), tuple(values))


def _is_setting(name: bytes) -> bool:
    """Tell whether a name is one that settings have, and says that it is a number's."""
    pieces = _NAME_PIECE.findall(re.sub(rb"\[\d+\]", b"", name))
    digits = sum(len(piece) for piece in pieces if piece.isdigit())
    words = (piece.lower() for piece in pieces if not piece.isdigit())
    return bool(_SETTING_NAMES.fullmatch(name)) and digits <= _NAME_DIGITS_MAX and _NAME_WORDS.issuperset(words)


# -- General Electric -

_GE_SETTINGS = re.compile(rb'(?m)^(?:set )?([A-Z][A-Z0-9]{1,24}) "([^"\n]{0,4000})"')
_GE_NUMBER = rb" *-?\d{0,6}(?:\.\d{0,6})? *"
_GE_SEQUENCES = (
    rb"(?i:(?:fast |dual )?(?:gradient|spin|gradient recalled) echo|(?:ep|e?f?s?p?gr|f?gr|fiesta|fse|frfse)"
    rb"|cube|dwi|flair|se|ssfse"
    rb"|epi2?(?:is)?(?:RT|XL|MPH)?|3dasl|asl|bravo|mprage|inversion recovery|propeller|lava|vibrant|swan|merge|muse)"
)
_GE_OPTIONS = (
    rb"(?i:2D|3D|ACGD|AIR|ARC|ASL|ASSET|BLKAXIAL|BSP|CCOMP|CG|CINE|CLASSIC|CS|CUBE|DE|DIFF|DIXON|DL|DRG|DYN|EDR|EPI|FAST|FC"
    rb"|FCOMP|FLAIR|FLEX|FLUORO|FMRI|FOCUS|FR|FULL|GAT|HB|HYP(?:ER)?|HYPERBAND|HYPERSENSE|IDEAL|IR|IRP|IRPREP|LOWSAR|MB|MEMP"
    rb"|MPH|MT|MULTIBAND|MUSE|NAV|NP|NPW|OPTR|PER|PG|PHASE|POMP|PROP|PURE|RESP|RF|RT|RTF?|SAT|SCIC|SEQ|SMT|SQ|SS|SSRF|STIR"
    rb"|T1FLAIR|T2|T2FLAIR|T2PREP|TLC|TRF|TRICKS|TSENS|VAR|VB|VBW|ZIP(?:2|4|512|1024)?|ZOOM)"
)
_GE_FORMS = {
    **dict.fromkeys(
        b"MBACCEL NOSLC DELACQNOAV NUMACQS NOVOLS ETL NECHO NUMSHOTS TR TE FLIPANG".split(),
        _GE_NUMBER,
    ),
    **dict.fromkeys((b"SLICEORDER", b"VIEWORDER"), rb"\d{1,2}"),
    b"DELACQ": rb"Minimum|" + _GE_NUMBER,
    b"PSEQ": _GE_SEQUENCES,
    b"IOPT": rb"(?:(?:%s)(?:, ?|_|$)){0,24}" % _GE_OPTIONS,
    b"PHASEDELAYS1": rb"(?:\d{1,5}(?:\.\d{0,6})?(?:[, ]+|$)){0,1000}",
}
_GE = {name: re.compile(form) for name, form in _GE_FORMS.items()}


def ge_protocol(data: bytes) -> Repacked | None:
    """The protocol data block: its length, and settings that are gzipped."""
    text = _gunzipped(data[4:])
    if text is None:
        return None
    lines, values = [b""], []
    for name, value in _GE_SETTINGS.findall(text):
        if name in _GE and _GE[name].fullmatch(value):
            lines.append(b'%s "%s"' % (name, value))
            values.append(value)
    if not values:
        return None
    packed = gzip.compress(b"\n".join(lines) + b"\n", mtime=0)
    written = len(packed).to_bytes(4, "little") + packed
    return Repacked(written + bytes(len(written) % 2), tuple(values))


def _gunzipped(data: bytes) -> bytes | None:
    try:
        text = zlib.decompressobj(wbits=31).decompress(data, PACKED_BYTES_MAX)
    except zlib.error:
        return None
    return text if len(text) < PACKED_BYTES_MAX else None


_USER_BYTES_MIN, _USER_BYTES_MAX, _OFFSET_AT, _NEW_LAYOUT = 916, 1 << 16, 24, 25.002
_POLARITY_AT, _EPI_AT, _ORDER_AT = 0x30, 0x3A, 0x394
_POLARITY_BIT, _EPI_BIT = 0x0004, 0x0800


def ge_user(data: bytes) -> Repacked | None:
    """The scanner's user data: the version of its layout, and whether an EPI, its polarity and its direction."""
    offset = int.from_bytes(data[_OFFSET_AT : _OFFSET_AT + 2], "little")
    if not offset + _USER_BYTES_MIN <= len(data) <= _USER_BYTES_MAX:
        return None
    (version,) = struct.unpack_from("<f", data, offset)
    if not 5 <= version <= 40:
        return None
    start, order = (offset + 0x4C, _ORDER_AT - 0x8C) if version >= _NEW_LAYOUT else (offset, _ORDER_AT)
    masks: Mapping[int, int] = {
        start + _POLARITY_AT: _POLARITY_BIT,
        start + _EPI_AT: _EPI_BIT,
        start + order: 0x0003,
    }
    written = bytearray(len(data) + len(data) % 2)
    written[_OFFSET_AT : _OFFSET_AT + 2] = data[_OFFSET_AT : _OFFSET_AT + 2]
    struct.pack_into("<f", written, offset, round(version, 3))
    for place, mask in masks.items():
        (word,) = struct.unpack_from("<H", data, place)
        struct.pack_into("<H", written, place, word & mask)
    return Repacked(bytes(written), (b"%.3f" % version,))


_B_VALUE, _FEW_DIGITS = re.compile(rb" *(?:1000\d{6}|\d{1,6}) *"), re.compile(rb" *-?\d{0,8} *")


def ge_b_value(data: bytes) -> Repacked | None:
    """Four whole numbers, of which the first is the b-value, often a thousand million more; the others are bits."""
    first, *others = data.rstrip(b" \0").split(b"\\")
    if not _B_VALUE.fullmatch(first):
        return None
    values = (first, *(value if _FEW_DIGITS.fullmatch(value) else b"0" for value in others[:3]))
    return Repacked(b"\\".join(values), values)


REPACKED: Mapping[str, Repack] = {
    "siemens_csa": siemens_csa,
    "siemens_protocol": siemens_protocol,
    "ge_protocol": ge_protocol,
    "ge_user": ge_user,
    "ge_b_value": ge_b_value,
}
"""By the names of the table of elements."""
