"""Writing on images: names, numbers and dates in many fonts, sizes, directions and contrasts, and where they stand."""

from __future__ import annotations

import subprocess
from functools import lru_cache

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Plane = NDArray[np.float32]

KEPT_FOR_TESTS = ("LiberationMono", "P052", "Roboto", "Terminus", "NimbusMonoPS", "spleen")
"""Families that the net never sees, nor does it see Pillow's own."""
_NOT_LATIN = ("Symbol", "D050000L", "Emoji", "Math", "Dingbat")
_LATIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MORE = "ÄÖÜÉÈÑØÅÇŁŚŽİŞäöüßéèñøåçłśžış"
_CYRILLIC = "АБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЫЬЭЮЯабвгдежзиклмнопрстуфхцчшщыьэюя"
_GREEK = "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩαβγδεζηθικλμνξοπρστυφχψω"
_CJK = "王李張刘陈楊黄趙吴周徐孫馬朱胡林田中佐藤鈴木高橋渡辺伊年月日男女山本김이박최"
_SAID = (
    "kV 120", "mA 250", "WL 40 WW 400", "Im: 12/64", "Se: 3", "FOV 240mm", "TR 2000", "TE 30", "ST 5.0", "Zoom 1.5",
    "HFS", "SUPINE", "PORTABLE", "LMLO", "RCC", "SITTING", "AP", "1.5T", "Philips", "SIEMENS", "F 067Y",
    "M/45", "*12.03.1961", "DOB", "Pat.-Nr.", "Name:", "St. Josef Krankenhaus", "UNIVERSITY HOSPITAL", "Klinikum",
    "Dr.", "Ex: 4711", "C9-2", "MI 1.2", "TIS 0.4", "12cm", "71%", "bpm", "Abdomen", "Fr 30", "+A", "SPR", "A:", "P 12",
)  # fmt: skip


@lru_cache(maxsize=1)
def fonts() -> tuple[str, ...]:
    """Files of the machine's fonts that write Latin letters, but for those kept for tests."""
    listed = subprocess.run(["fc-list", ":", "file"], capture_output=True, text=True, check=True).stdout
    files = sorted(line.split(":")[0] for line in listed.splitlines())
    names = KEPT_FOR_TESTS + _NOT_LATIN
    return tuple(one for one in files if one.endswith((".ttf", ".otf")) and not any(name in one for name in names))


@lru_cache(maxsize=4096)
def _font(file: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(file, size)


@lru_cache(maxsize=1024)
def _em(file: str) -> float:
    """Size of a font over the height of its capitals."""
    _, top, _, bottom = _font(file, 100).getbbox("H")
    return 100 / max(bottom - top, 1)


def words(r: Generator) -> str:
    """A text such as devices and people write: at least two characters."""
    kind = r.random()
    if kind < 0.15:
        return str(_SAID[r.integers(len(_SAID))])
    if kind < 0.3:
        day, month, year = int(r.integers(1, 29)), int(r.integers(1, 13)), int(r.integers(1920, 2027))
        forms = (f"{day:02}.{month:02}.{year}", f"{year}-{month:02}-{day:02}", f"{month:02}/{day:02}/{year}",
                 f"{year}{month:02}{day:02}", f"{day:02}:{month:02}:{year % 60:02}",
                 f"{day}-{_letters(r, 3)}-{year}")  # fmt: skip
        return forms[r.integers(len(forms))]
    if kind < 0.5:
        digits = "".join(str(d) for d in r.integers(0, 10, r.integers(2, 13)))
        return str(r.choice(["", "", "ID ", "PID:", "#", "MRN", "A", "No. "])) + digits
    if kind < 0.6:  # as short as a name can be
        return _letters(r, 2)
    count = int(r.choice([1, 2, 2, 2, 3, 4]))
    parts = [_letters(r, int(r.integers(2, 11))) for _ in range(count)]
    return str(r.choice([" ", " ", ", ", "^", "-", ". ", "_"])).join(parts)


def _letters(r: Generator, count: int) -> str:
    kind = r.random()
    shares = ((0.72, _LATIN), (0.84, _LATIN + _MORE), (0.92, _CYRILLIC), (0.97, _GREEK), (1.0, _CJK))
    alphabet = next(letters for share, letters in shares if kind <= share)
    text = "".join(alphabet[i] for i in r.integers(0, len(alphabet), count))
    return str(r.choice([text, text.capitalize(), text.capitalize(), text.lower()]))


def _has_glyphs(file: str, text: str) -> bool:
    font = _font(file, 20)
    missing = bytes(font.getmask("\uffff"))
    strange = {one for one in text if one not in " " and not one.isascii()}
    return all(bytes(font.getmask(one)) != missing for one in strange)


def line(r: Generator, text: str, height: float, file: str) -> Plane:
    """One line's ink from 0 to 1, cut to its box; capitals are `height` pixels high."""
    if file == "hershey":
        face = int(r.choice([0, 0, 0, 1, 2, 3, 4, 5, 6]))
        scale, thick = height / 21, max(1, round(height / r.uniform(7, 20)))
        (width, high), low = cv2.getTextSize(text, face, scale, thick)
        page = np.zeros((high + low + 2 * thick + 6, width + 2 * thick + 6), np.uint8)
        smooth = cv2.LINE_AA if r.random() < 0.5 else cv2.LINE_8
        cv2.putText(page, text, (thick + 2, high + thick + 2), face, scale, 255, thick, smooth)
        ink = page.astype(np.float32) / 255
    else:
        font = _font(file, max(round(height * _em(file)), 5))
        _, _, right, bottom = font.getbbox(text)
        mode = "1" if r.random() < 0.25 else "L"
        image = Image.new(mode, (int(right) + 8, int(bottom) + 8))
        stroke = 1 if r.random() < 0.06 and height > 14 else 0
        ImageDraw.Draw(image).text((4, 4), text, fill=255, font=font, stroke_width=stroke)
        ink = np.asarray(image).astype(np.float32)
        ink = ink / max(float(ink.max()), 1e-6)
    return _cut(ink)


def spaced(r: Generator, text: str, height: float, file: str) -> Plane:
    """A line whose letters stand apart, as plotters and old monitors write."""
    gap, drawn = r.uniform(0.1, 0.7) * height, [line(r, one, height, file) for one in text if one != " "]
    drawn = [one for one in drawn if one.size]
    if not drawn:
        return np.zeros((0, 0), np.float32)
    high = max(one.shape[0] for one in drawn)
    width = sum(one.shape[1] + round(gap) for one in drawn) + text.count(" ") * round(height * 0.6)
    page, left, letters = np.zeros((high, width), np.float32), 0, iter(drawn)
    for one in text:
        if one == " " or (ink := next(letters, None)) is None:
            left += round(height * 0.6)
            continue
        top = high - ink.shape[0] if one not in "^'\"*" else 0
        page[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
        left += ink.shape[1] + round(gap)
    return _cut(page)


def _cut(ink: Plane) -> Plane:
    rows, columns = np.flatnonzero(ink.max(1) > 0.2), np.flatnonzero(ink.max(0) > 0.2)
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if len(rows) and len(columns) else ink[:0, :0]


def write(r: Generator, plane: Plane, label: NDArray[np.int8], noise: float) -> None:
    """Write one to several lines in one style into an image; `label` gets 1 where they are, -1 where nobody can say."""
    heights = np.log((7, 64))
    height = float(np.exp(r.uniform(*heights))) if r.random() < 0.3 else float(np.exp(r.uniform(*np.log((8, 22)))))
    file = "hershey" if r.random() < 0.18 else fonts()[r.integers(len(fonts()))]
    turn = float(r.choice([0, 0, 0, 0, 0, 90, 270, 180, r.uniform(-45, 45), r.uniform(-180, 180)]))
    if r.random() < 0.25:
        turn = float(r.choice([-1, 1]) * r.uniform(5, 65))
    lines = [words(r) for _ in range(int(r.choice([1, 1, 1, 2, 3, 5])))]
    if r.random() < 0.07:
        lines = [str(r.choice(list("RLAPHFISRL")))]
    drawing = spaced if r.random() < 0.25 else line
    lines_ = [one for one in lines if (one.isascii() if file == "hershey" else _has_glyphs(file, one))]
    inks = [drawing(r, one, height, file) for one in lines_]
    if r.random() < 0.15:
        stretch = r.uniform(0.7, 1.5)
        inks = [cv2.resize(one, (max(round(one.shape[1] * stretch), 1), one.shape[0])) for one in inks if one.size]
    inks = [one for one in inks if one.size]
    if not inks:
        return
    single = len(lines) == 1 and len(lines[0]) == 1
    gap = max(int(height * r.uniform(0.35, 1.2)), 2)
    page, marks = _page(inks, gap, right=r.random() < 0.2, sign=-1 if single else 1)
    page, marks = _turned(page, marks, turn)
    _blend(r, plane, label, page, marks, noise)


def _page(inks: list[Plane], gap: int, *, right: bool, sign: int) -> tuple[Plane, Plane]:
    """The lines under each other, and 1 (or -1) where each stands."""
    edge = 3
    width = max(one.shape[1] for one in inks) + 2 * edge
    height = sum(one.shape[0] for one in inks) + gap * (len(inks) - 1) + 2 * edge
    page, marks = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
    top = edge
    for one in inks:
        left = width - edge - one.shape[1] if right else edge
        page[top : top + one.shape[0], left : left + one.shape[1]] = one
        marks[top : top + one.shape[0], left : left + one.shape[1]] = sign
        top += one.shape[0] + gap
    return page, marks


def _turned(page: Plane, marks: Plane, turn: float) -> tuple[Plane, Plane]:
    if turn % 90 == 0:
        return np.rot90(page, int(turn // 90)).copy(), np.rot90(marks, int(turn // 90)).copy()
    rows, columns = page.shape
    side = int(np.hypot(rows, columns)) + 4
    matrix = cv2.getRotationMatrix2D((columns / 2, rows / 2), turn, 1)
    matrix[:, 2] += (side - columns) / 2, (side - rows) / 2
    ink = np.clip(cv2.warpAffine(page, matrix, (side, side), flags=cv2.INTER_LINEAR), 0, 1)
    boxes = cv2.warpAffine(marks, matrix, (side, side), flags=cv2.INTER_NEAREST)
    rows_, columns_ = np.flatnonzero(ink.max(1) > 0.1), np.flatnonzero(ink.max(0) > 0.1)
    part = (slice(rows_[0], rows_[-1] + 1), slice(columns_[0], columns_[-1] + 1))
    return ink[part], boxes[part]


def _blend(r: Generator, plane: Plane, label: NDArray[np.int8], page: Plane, marks: Plane, noise: float) -> None:
    """Put the ink somewhere, with one of the ways in which devices do."""
    rows, columns = plane.shape
    page, marks = page[:rows, :columns], marks[:rows, :columns]
    high, wide = page.shape
    top, left = int(r.integers(0, rows - high + 1)), int(r.integers(0, columns - wide + 1))
    if r.random() < 0.3:  # in a corner
        top, left = int(r.choice([2, max(rows - high - 2, 0)])), int(r.choice([2, max(columns - wide - 2, 0)]))
        top, left = min(top, rows - high), min(left, columns - wide)
    place = (slice(top, top + high), slice(left, left + wide))
    below = plane[place]
    base, rough = float(np.median(below)), float(below.std())
    contrast = float(np.exp(r.uniform(np.log(0.1), np.log(r.choice([0.3, 1.0])))))
    brighter = r.random() < (0.9 if base < 0.15 else 0.25 if base > 0.8 else 0.65)
    value = base + contrast if brighter else base - contrast
    if r.random() < 0.22:
        value = float(r.choice([1.0, 1.0, 0.0, r.uniform(1, 1.6)]))
    style = r.random()
    if style < 0.08:  # on a box
        below[:] = below * 0.1 + 0.9 * r.uniform(0, 1) if r.random() < 0.3 else r.uniform(0, 1)
        base, rough = float(np.median(below)), noise
        value = value if abs(value - base) > 0.15 else base + (0.5 if base < 0.5 else -0.5)
    elif style < 0.18:  # outlined, or with a shadow
        around = cv2.dilate(page, np.ones((3, 3))) if r.random() < 0.6 else np.roll(page, (1, 1), (0, 1))
        ring = float(np.clip(base - np.sign(value - base) * r.uniform(0.1, 1), 0, 1))
        below[:] = below * (1 - around) + around * ring
    ink = page * (1.0 if r.random() < 0.85 else r.uniform(0.5, 0.9))
    written = below + ink * (value - base) if r.random() < 0.12 else below * (1 - ink) + ink * value
    if abs(value - base) * float(ink.max()) < 0.07 + 0.2 * rough:
        marks = -np.abs(marks)
    plane[place] = written
    new, old = marks.astype(np.int8), label[place]
    old[new != 0] = new[new != 0]
