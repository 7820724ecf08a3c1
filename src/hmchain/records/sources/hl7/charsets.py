"""In what characters an HL7 v2 message is written: what MSH-18 declares, in the spellings of engines, and what is sent.

Engines write `UTF-8`, `ISO-8859-1` or `CP1252` where table 0211 has `UNICODE UTF-8` and `8859/1`, declare nothing, or
something else than they send. Multi-byte sets must be decoded before anything is split, since their second bytes can
look like a delimiter; all others have the delimiters of ASCII, so that a name may come out misspelt and nothing worse.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Sequence
from typing import BinaryIO

_WIDE = (
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"M\0S\0", "utf-16-le"),
    (b"\0M\0S", "utf-16-be"),
)
_ANYTHING_BUT = re.compile(r"[^A-Z0-9]")
_WINDOWS = re.compile(r"(?:MS|WIN|WINDOWS|CP|IBM|DOS)(\d{3,4})")
_ISO_8859 = re.compile(r"(?:ISO)?8859(\d{1,2})|LATIN(\d)")

# Table 0211 and what engines call its sets, without punctuation.
_NAMED = {
    "": "", "ASCII": "", "USASCII": "", "ISOIR6": "", "ANSI": "cp1252", "UNICODE": "utf-8", "UNICODEUTF8": "utf-8",
    "UTF8": "utf-8", "UTF": "utf-8", "UNICODEUTF16": "utf-8",
    "UTF16": "utf-8", "UTF16LE": "utf-8", "UTF16BE": "utf-8", "ISOIR100": "latin-1", "ISOIR101": "iso8859-2",
    "ISOIR109": "iso8859-3", "ISOIR110": "iso8859-4", "ISOIR144": "iso8859-5", "ISOIR127": "iso8859-6",
    "ISOIR126": "iso8859-7", "ISOIR138": "iso8859-8", "ISOIR148": "iso8859-9", "ISOIR14": "shift_jis",
    "SHIFTJIS": "shift_jis", "SJIS": "shift_jis", "ISOIR87": "iso2022_jp_2", "ISOIR159": "iso2022_jp_1",
    "GB180302000": "gb18030", "GB18030": "gb18030", "GBK": "gb18030", "GB2312": "gb18030", "KSX1001": "euc_kr",
    "EUCKR": "euc_kr", "BIG5": "big5", "MACROMAN": "mac_roman",
}  # fmt: skip
_OF_MORE_BYTES = frozenset({
    "shift_jis", "iso2022_jp_1", "iso2022_jp_2", "gb18030", "euc_kr", "big5",
})  # fmt: skip


def codec(declared: str) -> str | None:
    """Python's name of a set as MSH-18 calls it: nothing for ASCII or an empty field, None for one that is not read."""
    name = _ANYTHING_BUT.sub("", declared.upper())
    if name in _NAMED:
        found = _NAMED[name]
    elif iso := _ISO_8859.fullmatch(name):
        found = f"iso8859-{iso[1]}" if iso[1] else f"latin{iso[2]}"
    elif windows := _WINDOWS.fullmatch(name):
        found = f"cp{windows[1]}"
    else:
        return None
    try:
        return found and codecs.lookup(found).name
    except LookupError:
        return None


def narrow(data: bytes) -> bytes:
    """A message in UTF-16 as one in UTF-8; any other as it is, without UTF-8's mark."""
    for mark, name in _WIDE:
        if data.startswith(mark):
            return data.decode(name, "replace").encode()
    return data.removeprefix(codecs.BOM_UTF8)


def narrowed(file: BinaryIO) -> BinaryIO:
    """A file in UTF-16 as one in UTF-8, in memory; any other as it is."""
    head = file.read(4)
    file.seek(0)
    return io.BytesIO(narrow(file.read())) if any(head.startswith(mark) for mark, _ in _WIDE) else file


def decoded(data: bytes, names: Sequence[str]) -> str:
    """The text of a message that is `narrow`, and declares these sets.

    Raises `UnicodeDecodeError` for bytes of a set with more than one byte a character that are none of it.
    """
    escapes = b"\x1b" in data  # without one, what would be switched to is not in it
    meant = [name for name in names if escapes or not name.startswith("iso2022")]
    wide = next((name for name in meant if name in _OF_MORE_BYTES), "")
    return data.decode(wide) if wide else _of_one_byte(data, next(iter(meant), ""))


def _of_one_byte(data: bytes, name: str) -> str:
    """UTF-8 wherever it is that, as no other text is by chance; else what is declared, else what Windows writes."""
    for each in ("utf-8", name, "cp1252"):
        if each:
            try:
                return data.decode(each)
            except UnicodeDecodeError:
                continue
    return data.decode("latin-1")
