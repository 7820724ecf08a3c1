"""A hospital's audit bundle: one file from which anybody checks its log of security events, with nothing else of ours.

It is a zip file of the ledger's file, the log as far as an auditor may read it, and a manifest that names both by their
digests and is signed by the hospital. Whoever checks it believes the genesis digest alone that they brought along.
"""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import msgspec

from hmchain import decoding, files
from hmchain.application.node.ledger_file import BROKEN, is_ours, unpacked
from hmchain.application.security.account import Account, account
from hmchain.application.security.events import Kind
from hmchain.application.security.log import Written
from hmchain.canonical import digest
from hmchain.errors import AuditError, InputError
from hmchain.keys import ED25519, PublicKey
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.contracts.members import people
from hmchain.ledger.engines.block_store import BLOCKS, BlockStore
from hmchain.ledger.readers import audit
from hmchain.ledger.readers.anchored import anchored
from hmchain.ledger.readers.replay import AuditReport, TrustedHeader
from hmchain.ledger.readers.succession import ledgers
from hmchain.ledger.state import State
from hmchain.ledger.transactions import Refusal
from hmchain.plain import Progress

FORMAT = "hmchain-audit-bundle 1"
LEDGER, EVENTS, MANIFEST, SIGNATURE, WORDS = "ledger.zip", "events.jsonl", "manifest.json", "manifest.sig", "README.txt"
_NAMES = (LEDGER, EVENTS, MANIFEST, SIGNATURE, WORDS)
_SMALL_BYTES_MAX = 64 << 10
_LINE_BYTES_MAX = 16 << 10
_PIECE_BYTES = 1 << 20
_NEVER = (1980, 1, 1, 0, 0, 0)  # the first date that a zip file can hold: it says when nothing was made
_WAY_OUT = "give the file that `hmchain audit bundle --output FILE` wrote"
_ASK = "ask the hospital for it again, and compare it with copies that others have"
ROLES = frozenset((people.AUDITOR, people.OFFICER, people.OPERATOR, "steward", "validator"))
"""Whose signature stands for a hospital under a bundle."""
_WORDS_TEXT = """\
The security events of {name}, and the ledger that they are anchored on. They name no patient, no record and no file. To
check both, anywhere, without a network and without a key:

    `hmchain audit check FILE --genesis {genesis}`

Take the digest of the genesis from somebody else than whoever gave you this file.
"""


class BundleFileError(InputError):
    """A file is no audit bundle."""

    code = "bundle_file"


class BundleDefectError(AuditError):
    """An audit bundle is not what the hospital signed, or not signed by the hospital."""

    code = "bundle_defect"


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a bundle holds, as the hospital signed it."""

    format: str
    chain_id: str
    genesis: str
    """Digest of the genesis, hexadecimal, as all here."""
    organisation: str
    made_ms: int
    size: int
    """The number of the last event."""
    head: str
    """The link of that."""
    ledger: str
    """SHA-256 of the ledger's file."""
    events: str
    """SHA-256 of the file of events."""
    signer: str
    """The public key."""


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One event in a bundle."""

    number: int
    at_ms: int
    event: str
    """JSON as text, since it was hashed as such."""
    link: str


@dataclass(frozen=True)
class CheckedBundle:
    """A bundle that holds."""

    manifest: Manifest
    signer: str
    """Who signed, by the name that the ledger has."""
    ledger: AuditReport
    log: Account
    missing: tuple[str, ...]
    """What nobody could audit, of the ledger and of chains before it, which hold anchors too. Empty if all is there."""


@dataclass(frozen=True)
class BundleVerdict:
    """The same in short, without the events."""

    holds: bool | None
    """None where something is missing that nobody could audit."""
    manifest: Manifest
    signer: str
    ledger: AuditReport
    anchored: int
    """Events that the ledger vouches for."""
    failed: int
    """Of all events."""
    missing: tuple[str, ...]


def signed_bytes(manifest: bytes) -> bytes:
    """What a hospital signs of a manifest."""
    return digest(FORMAT, manifest)


def words(manifest: Manifest) -> bytes:
    """What stands in a bundle for people: it follows from the manifest, so nobody can tell them anything else."""
    return _WORDS_TEXT.format(name=manifest.organisation, genesis=manifest.genesis).encode()


def write(file: Path, ledger: Path, events: Path, manifest: Manifest, signature: bytes) -> None:
    """Pack a bundle. Raises `BundleFileError` if there is such a file."""
    try:
        with files.replacing(file, durable=True, new=True) as partial, zipfile.ZipFile(partial, "w") as packed:
            packed.write(ledger, LEDGER)
            packed.write(events, EVENTS, compress_type=zipfile.ZIP_DEFLATED)
            told = {
                MANIFEST: msgspec.json.encode(manifest),
                SIGNATURE: signature.hex().encode(),
                WORDS: words(manifest),
            }
            for name, text in told.items():
                packed.writestr(zipfile.ZipInfo(name, _NEVER), text)
    except FileExistsError as error:
        raise exists(file) from error


def exists(file: Path) -> BundleFileError:
    """The error for a name that is taken."""
    return BundleFileError(f"{file} exists", "a bundle is never overwritten; choose another name")


def check(
    file: Path,
    anchor: bytes | None = None,
    progress: Progress | None = None,
    *,
    trusted: TrustedHeader | None = None,
    since_ms: int = 0,
    kinds: Collection[Kind] = (),
) -> CheckedBundle:
    """Check all of a bundle: digests, signature, the ledger from its genesis on, and the log against its anchors.

    Gives the events that are asked for. Raises `BundleFileError`, `BundleDefectError`, `LogDefectError`, and what
    `audit.verify` raises.
    """
    with _opened(file) as packed, tempfile.TemporaryDirectory(prefix="hmchain-") as scratch:
        manifest_bytes, signature = _small(packed, MANIFEST, file), _small(packed, SIGNATURE, file)
        manifest = _manifest(manifest_bytes, file)
        place = Path(scratch) / LEDGER
        _require(_copied(packed, LEDGER, place, file) == manifest.ledger, f"the ledger in {file} is not the one signed")
        _require_signed(manifest, manifest_bytes, signature, file)
        _require(_small(packed, WORDS, file) == words(manifest), f"{WORDS} in {file} says something else than we write")
        with (
            unpacked(place) as directory,
            audit.replayed(directory, anchor, trusted=trusted, progress=progress, partial=True) as (report, state),
        ):
            is_its = (report.genesis.hex(), report.chain_id) == (manifest.genesis, manifest.chain_id)
            _require(is_its, f"{file} holds the ledger of another network")
            signer = _signer(state, manifest, file)
            oldest = genesis_file.load(ledgers(directory)[0] / genesis_file.FILE)
            events = _Events(file)
            with closing(BlockStore(directory / BLOCKS, read_only=True)) as store:
                known = anchored(state, store, manifest.organisation)
            log = account(events, known, since_ms=since_ms, kinds=kinds)
            _require(events.digest == manifest.events, f"the events in {file} are not those that were signed")
            _require((log.size, log.head.hex()) == (manifest.size, manifest.head), f"{file} does not end as it says")
        past = oldest.before.past[-1:] if oldest.before is not None else ()
        lacking = (
            f"what was anchored on {each.chain_id}, up to block {each.height}: it is not in the file" for each in past
        )
        return CheckedBundle(manifest, signer, report, log, (*report.missing, *lacking))


def judge(file: Path, anchor: bytes | None = None, progress: Progress | None = None) -> BundleVerdict:
    """Check all of a bundle, and say in short what came of it. Raises as `check`."""
    found = check(file, anchor, progress)
    anchored = found.log.size - found.log.unanchored
    holds = None if found.missing else True
    return BundleVerdict(holds, found.manifest, found.signer, found.ledger, anchored, found.log.failed, found.missing)


class _Events:
    """The events of a bundle one by one, as often as they are asked for; once they are through, the digest of all."""

    def __init__(self, file: Path) -> None:
        self._file, self.digest = file, ""

    def __iter__(self) -> Iterator[Written]:
        found = hashlib.sha256()
        try:
            with zipfile.ZipFile(self._file) as packed, packed.open(EVENTS) as source:
                while line := source.readline(_LINE_BYTES_MAX):
                    found.update(line)
                    row = decoding.from_json(line, Row)
                    yield Written(row.number, row.at_ms, row.event, bytes.fromhex(row.link))
            self.digest = found.hexdigest()
        except (*BROKEN, msgspec.DecodeError, OverflowError) as error:
            raise BundleDefectError(f"a line of the events in {self._file} is none", _ASK) from error


def row(line: Written) -> bytes:
    """A line of a bundle's events."""
    return msgspec.json.encode(Row(line.number, line.at_ms, line.event, line.link.hex())) + b"\n"


def _opened(file: Path) -> zipfile.ZipFile:
    files.open_regular(file).close()  # a pipe would never end
    try:
        packed = zipfile.ZipFile(file)
    except BROKEN as error:
        raise BundleFileError(f"{file} is no audit bundle, or was cut short", _WAY_OUT) from error
    if sorted(packed.namelist()) != sorted(_NAMES) or not all(map(is_ours, packed.infolist())):
        packed.close()
        raise BundleFileError(f"{file} is no audit bundle", _WAY_OUT)
    return packed


def _small(packed: zipfile.ZipFile, name: str, file: Path) -> bytes:
    try:
        with packed.open(name) as source:
            return source.read(_SMALL_BYTES_MAX)
    except BROKEN as error:
        raise BundleDefectError(f"{name} in {file} cannot be read", _ASK) from error


def _manifest(data: bytes, file: Path) -> Manifest:
    try:
        found = decoding.from_json(data, Manifest)
    except msgspec.DecodeError as error:
        raise BundleDefectError(f"the manifest in {file} is none", _ASK) from error
    if found.format != FORMAT:
        raise BundleFileError(f"{file} is a bundle of another version", "use the version of hmchain that made it")
    return found


def _copied(packed: zipfile.ZipFile, name: str, target: Path, file: Path) -> str:
    """Take a file out, as large as it says at most; returns its SHA-256."""
    found = hashlib.sha256()
    if packed.getinfo(name).compress_type != zipfile.ZIP_STORED:
        raise BundleFileError(f"{file} is no audit bundle", _WAY_OUT)
    try:
        with packed.open(name) as source, target.open("wb") as sink:
            while piece := source.read(_PIECE_BYTES):
                found.update(piece)
                sink.write(piece)
    except BROKEN as error:
        raise BundleDefectError(f"{name} in {file} is not what was written", _ASK) from error
    return found.hexdigest()


def _require_signed(manifest: Manifest, data: bytes, signature: bytes, file: Path) -> None:
    try:
        key = PublicKey(ED25519, bytes.fromhex(manifest.signer))
        holds = key.verify(bytes.fromhex(signature.decode("ascii")), signed_bytes(data))
    except ValueError:
        holds = False
    _require(holds, f"the signature under {file} does not hold")


def _signer(state: State, manifest: Manifest, file: Path) -> str:
    """Who signed: one whose key speaks for the hospital as the ledger ends. Raises `BundleDefectError`."""
    try:
        found = people.require_sender(state, bytes.fromhex(manifest.signer))
    except Refusal as refusal:
        raise BundleDefectError(f"{file} is signed with a key that decides nothing: {refusal.code}", _ASK) from refusal
    is_theirs = found.organisation == manifest.organisation and ROLES & set(found.roles)
    _require(bool(is_theirs), f"{file} is not signed for {manifest.organisation}")
    return str(people.sender(found))


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise BundleDefectError(what, _ASK)
