"""Compressed frames without what is in them besides the picture: comments, application data, what follows the end.

What remains is needed to decode: a frame comes out bit for bit the same picture. JPEG, JPEG-LS and JPEG 2000 are
sequences of marker segments; those that only inform are left out, the others written anew. Between markers lies what
an encoder made of the picture, which cannot be told from text by its form: only by what it says.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Collection
from itertools import pairwise

from hmchain.records.deidentification.dicom import jpeg, jpeg2000
from hmchain.records.deidentification.dicom.holding import damaged

FALSE_ALARM = 1e-3
"""How probable it is at most that a frame is taken to hold text by chance; it is then decoded, and loses nothing."""
TEXT_BYTES_MIN, WORD_BYTES_MIN = 8, 4

_TEXT = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 .,'-^_="
_AS_TEXT = bytes(ord("t") if byte in _TEXT else 0 for byte in range(256))
_RUN = re.compile(b"t+")
_DISTINCT_MIN = 5


def strip(frame: bytes) -> bytes:
    """The frame without anything but its picture; raises `Hold` if it is cut short or of no form that is known."""
    try:
        if frame.startswith(jpeg.START):
            return jpeg.rewritten(frame)
        if frame.startswith(jpeg2000.BOXES):
            frame = jpeg2000.codestream(frame)
        if frame.startswith(jpeg2000.START):
            return jpeg2000.rewritten(frame)
    except (IndexError, struct.error) as error:
        raise damaged("a compressed frame is cut short") from error
    raise damaged("a compressed frame is not of its transfer syntax")


def starts_frame(fragment: bytes) -> bool:
    """Tell whether a fragment of encapsulated pixel data is the first of a frame."""
    return fragment.startswith((jpeg.START, jpeg2000.START, jpeg2000.BOXES))


def holds_text(frame: bytes, words: Collection[bytes]) -> bool:
    """Tell whether a frame has a run of text, or one of some words in lower case, too long to be there by chance.

    Coded bytes are as good as random: a byte is of text with a probability of 0.27, and a letter in either case that
    of a word with one of 1/128. So long a run or word that it is met with a probability of `FALSE_ALARM` in a frame of
    this length is taken for text.
    """
    rate = math.log(len(_TEXT) / 256)
    shortest = max(TEXT_BYTES_MIN, math.ceil(math.log(FALSE_ALARM / max(len(frame), 1)) / rate))
    shape = frame.translate(_AS_TEXT)
    if b"t" * shortest in shape:
        for run in _RUN.finditer(shape):
            if run.end() - run.start() >= shortest and not _is_coded(frame[run.start() : run.end()]):
                return True
    chances = max(len(frame) * len(words), 1) / FALSE_ALARM
    shortest = max(WORD_BYTES_MIN, math.ceil(math.log2(chances) / 7))
    folded = frame.lower()
    return any(word in folded for word in words if len(word) >= shortest)


def _is_coded(run: bytes) -> bool:
    """Tell whether letters are what encoders make: a few over and over of flat parts, rising ones in a usual table."""
    return len(set(run)) < _DISTINCT_MIN or all(first < second for first, second in pairwise(run))
