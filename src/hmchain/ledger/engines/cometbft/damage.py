"""Damage to CometBFT's own files: what its last words say of them, and the record of what its validator has signed.

CometBFT keeps checksums with all it writes and ends when one does not hold; its log of the running height it repairs by
itself. Everything in its `data` folder can be fetched again from the other members, but for that record: a validator
that forgets what it signed may sign something else, which ends it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec

from hmchain import decoding
from hmchain.errors import LedgerError
from hmchain.ledger.engines.cometbft.answers import Int
from hmchain.ledger.protocols import NEXT_VERSION, ProtocolError

DATA, SIGNED = "data", "priv_validator_state.json"

_LAST_WORDS_BYTES = 1 << 16
_CORRUPT = re.compile(r"leveldb[^\n]*(?:corrupt|missing|bad magic)[^\n]*")
_FILE = re.compile(r"\[file=([\w.-]+)\]|(CURRENT) file")
_COMPLAINT = re.compile(r"^(?:ERROR: |panic: |E\[[^\]]*\] |.* app ERROR |(?=[\w.]+Error: ))(.+)$", re.MULTILINE)
"""The last words of CometBFT and the application: a line of a command, a log, or a trace."""
_HARMLESS = re.compile(r"module=(?:p2p|pex|blocksync)\b|use of closed network connection")
"""A complaint of another node, or of a server that was told to stop: neither keeps a node from running."""
_COMPLAINT_CHARACTERS = 400
_DISAGREE = re.compile(
    r"app block height \(\d+\) is (?:higher than core|too far below)[^\n]*"
    r"|state \(\d+\) and store \(\d+\) height mismatch[^\n]*"
    r"|StoreBlockHeight \(\d+\) > StateBlockHeight[^\n]*|StateBlockHeight \(\d+\) > StoreBlockHeight[^\n]*"
)
_TWIN = re.compile(r"block (\d+) is signed with this node's key")
_OTHER_RULES = re.compile(r"\w[\w.-]*(?: \d+)? follows protocol \d+, and this program knows [\d, ]*\d")
_NO_SNAPSHOT = re.compile(
    r"(?:failed to set up light client state provider: |State sync failed +module=statesync )([^\n]+)"
)
_OWNERS = (("/store/store.go", "blockstore.db"), ("/state/store.go", "state.db"), ("/evidence/", "evidence.db"))
"""Which part of CometBFT keeps which database; its stack trace names the part."""

_KINDS = {1: 2, 2: 3, 32: 1}
"""CometBFT's message types (prevote, precommit, proposal) to its steps."""


RECOVER = "`hmchain node recover` fetches everything again from the other members"


class NodeDamagedError(LedgerError):
    """A file of CometBFT is damaged, or lost blocks."""

    code = "node_damaged"


class SignedRecordError(LedgerError):
    """The record of what a validator has signed is missing or damaged; without it the validator might sign twice."""

    code = "signed_record"


class TwinError(LedgerError):
    """A block is signed with a validator's key, but not by its node as far as that knows."""

    code = "twin"

    def __init__(self, height: int | str) -> None:
        super().__init__(
            f"block {height} is signed with this node's key, but not by this node",
            "stop whatever else runs with its keys, then `hmchain node recover --signs-above HEIGHT`, see "
            "docs/how-to/operator.md",
        )


class StateSyncError(LedgerError):
    """The snapshot that a node was to begin with did not come."""

    code = "state_sync"


class SignedRecord(msgspec.Struct, frozen=True):
    """The last message that a validator has signed: `step` is 0 where it has signed nothing at `height` yet."""

    height: Int
    round: int = 0
    step: int = 0
    signature: str = ""
    signbytes: str = ""


def diagnose(home: Path, log: Path, since: str) -> LedgerError | None:
    """Why a node cannot go on, by what it wrote into `log` after the last line with `since`; None if nothing tells.

    A `TwinError`, a `ProtocolError`, a `StateSyncError`, or a `NodeDamagedError` that names the file.
    """
    words = last_words(log).rpartition(since)[2]
    if found := _TWIN.search(words):
        return TwinError(found[1])
    if found := _OTHER_RULES.search(words):
        return ProtocolError(found[0], NEXT_VERSION)
    if found := _NO_SNAPSHOT.search(words):
        return StateSyncError(
            f"the snapshot did not come: {found[1].strip()}",
            "give `hmchain network join FILE` again, with a newer `--trust` and servers that answer, or without "
            "`--from-snapshot` to fetch all blocks",
        )
    damage = _damage(home / DATA, words)
    return NodeDamagedError(damage, f"the way out: {RECOVER}") if damage else None


def _damage(data: Path, words: str) -> str | None:
    if found := _CORRUPT.search(words):
        file = _FILE.search(found[0])
        name = (file[1] or file[2]) if file else ""
        owner = next((database for part, database in _OWNERS if part in words[found.end() :]), "")
        places = [path for path in data.glob(f"*.db/{name}") if name and owner in ("", path.parent.name)]
        return f"{places[0] if len(places) == 1 else data} is damaged: {found[0].strip()}"
    if found := _DISAGREE.search(words):
        return f"blocks are missing in {data}: {found[0].strip()}"
    return None


def last_words(log: Path, start: int = 0) -> str:
    """The end of a log, from `start` on (bytes) where that is not too much; all of a log that is shorter by now."""
    if not log.is_file():
        return ""
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0 if start > size else start, size - _LAST_WORDS_BYTES))
        return file.read().decode(errors="replace")


def last_error(words: str) -> str:
    """The last complaint of a node's processes among their words, but for harmless ones; empty if there is none."""
    found = [each for each in _COMPLAINT.findall(words) if not _HARMLESS.search(each)]
    return found[-1].strip()[:_COMPLAINT_CHARACTERS] if found else ""


def check_signed(home: Path) -> int:
    """The height that the validator signed last, 0 if none. Raises `SignedRecordError` if the record is not whole."""
    return signed_record(home).height


def signed_record(home: Path) -> SignedRecord:
    """The record of what a validator has signed. Raises `SignedRecordError` if it is not whole."""
    path = home / DATA / SIGNED
    hint = "the way out: `hmchain node recover --signs-above HEIGHT`, see docs/how-to/consortium.md"
    try:
        record = decoding.from_json(path.read_bytes(), SignedRecord, strict=False)
    except FileNotFoundError:
        raise SignedRecordError(f"{path} is missing, the record of what this node has signed", hint) from None
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
        raise SignedRecordError(f"{path} is damaged, the record of what this node has signed", hint) from None
    if not _agrees(record):
        raise SignedRecordError(f"{path} contradicts itself, the record of what this node has signed", hint)
    return record


def _agrees(record: SignedRecord) -> bool:
    """True if height, round and step are those of the message that was signed last (`types/canonical.go`)."""
    if record.step == 0:  # nothing signed at this height
        return record.height >= 0 and not record.signbytes
    try:
        message = bytes.fromhex(record.signbytes)
    except ValueError:
        return False
    skip = 1 if message[:1] < b"\x80" else 2  # the message's length comes first
    kind, height, rest = message[skip : skip + 2], message[skip + 2 : skip + 11], message[skip + 11 :]
    round = int.from_bytes(rest[1:9], "little", signed=True) if rest[:1] == b"\x19" else 0
    return (
        kind[:1] == b"\x08"
        and height[:1] == b"\x11"
        and _KINDS.get(kind[1]) == record.step
        and int.from_bytes(height[1:], "little", signed=True) == record.height
        and round == record.round
    )


def signed_nothing_above(height: int) -> bytes:
    """A record with which a validator signs nothing at or below `height`."""
    return _unsigned(height + 1)


def signed_nothing() -> bytes:
    """The record of a validator whose key was just made."""
    return _unsigned(0)


def _unsigned(height: int) -> bytes:
    return msgspec.json.encode({"height": str(height), "round": 0, "step": 0})
