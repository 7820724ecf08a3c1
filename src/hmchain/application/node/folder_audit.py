"""The audit of a whole folder, of a run or a node: every file is checked, or named with the reason why not.

The ledger comes first, since everything else is held against it: states against its signed headers, model files and the
summary against what it registered, keys and settings against its members, objects against their own names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from hmchain.application.node import status
from hmchain.application.security import log
from hmchain.application.security.account import account
from hmchain.application.security.checking import require_earlier
from hmchain.application.site import network as network_file
from hmchain.application.site.contents import Kind, contents
from hmchain.application.site.hospital import ACTIVITY
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.run import RunFolder
from hmchain.errors import AuditError, HMChainError
from hmchain.keys import SigningKey, StoredKey, WrappingKey, WrongPassphraseError, load_key
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.contracts.learning import models
from hmchain.ledger.contracts.members import anchors, membership
from hmchain.ledger.engines.block_store import BLOCKS, BlockStore
from hmchain.ledger.engines.cometbft.archive import Archive, NoVotesError
from hmchain.ledger.engines.cometbft.audit import PartialLogError
from hmchain.ledger.engines.cometbft.home import node_id
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.readers import audit as auditing
from hmchain.ledger.readers.anchored import anchored
from hmchain.ledger.readers.claims import LedgerClaims, first_unfounded
from hmchain.ledger.readers.replay import AuditReport, TrustedHeader
from hmchain.ledger.readers.states import STATE, StaleStateError, opened
from hmchain.ledger.state import State
from hmchain.ledger.unreadable import UnreadableError
from hmchain.plain import Progress
from hmchain.records.objects import address_of_file

_OF_THE_STATE = (Kind.INTRODUCTION, Kind.KEY, Kind.MODEL, Kind.SUMMARY)
"""What is held against the members and models that a state knows."""
_COMPARE = "compare it with a copy, or with another member's"


class Reports(Protocol):
    """The reports of runs, as the face that writes them reads them."""

    def claims(self, summary: bytes) -> LedgerClaims:
        """All that a summary says of its ledger."""

    def page(self, summary: bytes) -> str:
        """The page that shows a summary, empty if another version wrote it."""


class FolderDefectError(AuditError):
    """A file of a folder is not what the ledger beside it says."""

    code = "folder_defect"


@dataclass(frozen=True)
class Finding:
    """The outcome for files of one kind."""

    files: tuple[str, ...]
    """As paths in the folder."""
    what: str
    """What they were compared with, or why they were not."""


@dataclass(frozen=True)
class FolderAudit:
    """Everything in a folder, checked or named."""

    ledger: AuditReport
    checked: tuple[Finding, ...]
    not_checked: tuple[Finding, ...]


def verify(
    folder: Path,
    ledger: Path,
    reports: Reports,
    anchor: bytes | None = None,
    *,
    trusted: TrustedHeader | None = None,
    progress: Progress | None = None,
    passphrase: str | None = None,
    keeps_headers: bool = False,
) -> FolderAudit:
    """Audit the ledger and every other file in `folder`; `passphrase` opens sealed keys, to see whose they are.

    With `keeps_headers` the signed headers that a running node has are kept beside its log first.
    Of a ledger that is not whole, or whose end nobody at hand signed, what can be audited is; its report says so.
    Raises `AuditError` for the first thing that does not hold, `UnreadableError` or `OSError` for what cannot be read.
    """
    node = NodeFolder(folder)
    if keeps_headers and node.toml.is_file() and node.runner() is not None:
        status.keep_headers(node)
    with auditing.replayed(ledger, anchor, trusted=trusted, progress=progress, partial=True) as (found, state):
        audit = _Audit(folder, ledger, genesis_file.load(ledger / genesis_file.FILE), state, reports, passphrase)
        audit.check(contents(folder), found)
        return FolderAudit(found, tuple(audit.checked), tuple(audit.not_checked))


def require_founded(claims: LedgerClaims, path: Path, genesis: Genesis, state: State) -> None:
    """Hold what a run's summary says of its ledger against it. Raises `FolderDefectError`."""
    if wrong := first_unfounded(claims, genesis, state):
        raise FolderDefectError(f"{path}: its {wrong} is not the ledger's", _COMPARE)


class _Audit:
    """One pass over a folder whose ledger holds."""

    def __init__(
        self, folder: Path, ledger: Path, genesis: Genesis, state: State, reports: Reports, passphrase: str | None
    ) -> None:
        self._folder, self._ledger, self._genesis, self._passphrase = folder, ledger, genesis, passphrase
        self._state, self._reader = state, reports
        self.checked: list[Finding] = []
        self.not_checked: list[Finding] = []

    def check(self, found: dict[Kind, list[Path]], report: AuditReport) -> None:
        """Check what can be checked, kind by kind, and name the rest.

        What does not fit the state may fit a later one, if blocks follow that nobody signed yet: nobody is accused.
        """
        checks: dict[Kind, Callable[[list[Path]], None]] = {
            Kind.LEDGER: partial(self._ledger_files, report),
            Kind.NODE_LEDGER: self._node_ledgers,
            Kind.STATE: self._states,
            Kind.OBJECT: self._objects,
            Kind.CACHED: self._objects,
            Kind.NETWORK: self._networks,
            Kind.SETTINGS: self._settings,
            Kind.INTRODUCTION: self._introductions,
            Kind.NODE_KEY: self._node_keys,
            Kind.KEY: self._keys,
            Kind.MODEL: self._models,
            Kind.SUMMARY: self._summaries,
            Kind.REPORT: self._reports,
            Kind.EVENTS: self._events,
        }
        for kind in _OF_THE_STATE if report.unsigned else ():
            self._pass_over(found.pop(kind, []), f"blocks follow that no kept header signs, after {report.height - 1}")
        found.setdefault(Kind.EVENTS, [])  # a log that is gone is missed, too
        for kind, check in checks.items():
            if kind in found:
                with _findings(self._folder):
                    check(found[kind])
        for kind in Kind:
            if kind in found and kind not in checks and kind is not Kind.LOCK:
                self._pass_over(found[kind], kind.value)

    def _held(self, files: Iterable[Path], what: str) -> None:
        self._note(self.checked, files, what)

    def _pass_over(self, files: Iterable[Path], why: str) -> None:
        self._note(self.not_checked, files, why)

    def _note(self, findings: list[Finding], files: Iterable[Path], what: str) -> None:
        names = tuple(path.relative_to(self._folder).as_posix() for path in files)
        if names:
            findings.append(Finding(names, what))

    # -- ledger --------------------------------------------------------------------------------------------------------

    def _ledger_files(self, report: AuditReport, files: list[Path]) -> None:
        signed, begins = report.height - 1, report.begins_after
        if signed == begins and report.unsigned:
            self._held(files, f"no block of it is signed: compared is the state after block {begins} alone")
            return
        start = f"from block {begins + 1} on" if begins else "from the genesis"
        end = f" up to block {signed}" if report.unsigned else ""
        self._held(files, f"replayed {start}{end}, every block, signature and state")

    def _states(self, files: list[Path]) -> None:
        whole: list[Path] = []
        tip: list[Path] = []
        stale: list[Path] = []
        for path in files:
            try:
                with opened(path, self._ledger) as found:
                    (whole if found.whole else tip).append(path)
            except StaleStateError:
                stale.append(path)
        self._held(whole, "all records give the state in a header that members signed")
        self._pass_over(tip, "newer than the last header that is kept, or a block follows: held against the log only")
        self._pass_over(stale, "older than the log beside it: no command reads it")

    def _node_ledgers(self, files: list[Path]) -> None:
        """Copies beside the one that was audited: held against the headers of that one."""
        archive = Archive.load(self._ledger)
        own = [path for path in files if self._ledger in path.parents]
        self._held([path for path in own if path.name != STATE], "replayed from the genesis, every block and state")
        self._states([path for path in own if path.name == STATE])
        others = [path for path in files if path not in own]
        for directory in sorted({path.parent for path in others if path.name == BLOCKS}):
            genesis = directory / genesis_file.FILE
            self._require(genesis_file.load(genesis) == self._genesis, genesis, "it founds another network")
            if archive is not None:
                with (
                    closing(BlockStore(directory / BLOCKS, read_only=True)) as store,
                    opened(directory / STATE, directory, archive) as found,
                ):
                    store.check()
                    archive.check(store, max(store.height, found.state.height))
        compared = [path for path in others if archive is not None and path.name in (genesis_file.FILE, BLOCKS, STATE)]
        self._held(compared, "held against the signed headers of the ledger that was audited")
        left = [path for path in others if path not in compared]
        self._pass_over(left, "another node's: `hmchain node audit` beside it fetches headers, and checks all of it")

    # -- what the ledger points to -------------------------------------------------------------------------------------

    def _objects(self, files: list[Path]) -> None:
        for path in files:
            self._require(address_of_file(path).hex() == path.name, path, "it is not what its name says")
        self._held(files, "each has the digest that it is named by")

    def _models(self, files: list[Path]) -> None:
        from hmchain.application.learning.model_file import load_model, registered_on  # torch takes seconds

        known = registered_on(self._genesis, models.models(self._state))
        for path in files:
            load_model(path, known)
        self._held(files, "weights, classes, preprocessing, prior and origin are those that the ledger registered")

    def _summaries(self, files: list[Path]) -> None:
        for path in files:
            require_founded(self._reader.claims(path.read_bytes()), path, self._genesis, self._state)
        self._held(files, "names this network, its model and the decisions on it")
        self._pass_over(files, "its scores, times and counts: no ledger holds them")

    def _reports(self, files: list[Path]) -> None:
        same = [path for path in files if self._drawn(RunFolder(path.parent).summary) == path.read_text("utf-8")]
        self._held(same, "drawn anew from summary.json, it is the same")
        other = [path for path in files if path not in same]
        self._pass_over(other, "not the page that this version draws of summary.json: `hmchain report --render` does")

    def _drawn(self, summary: Path) -> str:
        return self._reader.page(summary.read_bytes()) if summary.is_file() else ""

    # -- whose they are ------------------------------------------------------------------------------------------------

    def _keys(self, files: list[Path]) -> None:
        state, held, sealed = self._state, [], []
        for path in files:
            member = membership.membership(state, self._owner(path))
            key = self._loaded(path)
            if member is None or key is None:
                sealed.append(path)
                continue
            role, public = path.stem, key.public if isinstance(key, WrappingKey) else key.public.raw
            self._require(public == getattr(member.member, role), path, f"it is not {self._owner(path)}'s {role} key")
            held.append(path)
        self._held(held, "each is the key that the ledger knows of its hospital")
        self._pass_over(sealed, "sealed, or of no member yet: give HMCHAIN_PASSPHRASE_FILE to have them compared")

    def _loaded(self, path: Path) -> SigningKey | WrappingKey | None:
        kind: type[StoredKey] = WrappingKey if path.stem == "wrapping" else SigningKey
        try:
            key = load_key(kind, path, self._passphrase)
        except WrongPassphraseError:
            return None
        assert isinstance(key, SigningKey | WrappingKey)
        return key

    def _node_keys(self, files: list[Path]) -> None:
        own = network_file.load_introduction(NodeFolder(self._folder).introduction)
        for path in files:
            key = load_key(SigningKey, path, None)
            self._require(node_id(key.public) == own.node_id, path, "member.json introduces a node with another key")
        self._held(files, "the key of the node that member.json introduces")

    def _settings(self, files: list[Path]) -> None:
        node = NodeFolder(self._folder)
        own = network_file.load_introduction(node.introduction).member.organisation
        self._require(node.settings().organisation == own, node.toml, f"it names another hospital than {own}")
        self._held(files, "names the hospital of member.json")
        self._pass_over(files, "addresses and choices in it: this hospital's own")

    def _introductions(self, files: list[Path]) -> None:
        for path in files:
            own = network_file.load_introduction(path).member
            joined = membership.membership(self._state, own.organisation)
            if joined is None:
                self._pass_over([path], f"the ledger has no member {own.organisation} yet")
                continue
            self._require(own.title == joined.member.title, path, f"the ledger has another title of {own.organisation}")
            for role in ("steward", "scientist", "agent", "validator"):
                known = membership.credential(self._state, getattr(own, role))
                ours = known is not None and (known.organisation, known.role) == (own.organisation, role)
                self._require(ours, path, f"the ledger knows no such {role} key of {own.organisation}")
            self._held([path], "its title and keys are, or were, those of its hospital on the ledger")

    def _networks(self, files: list[Path]) -> None:
        for path in files:
            same = network_file.load(path).genesis == self._genesis
            self._require(same, path, "it is another network's than the ledger beside it")
        self._held(files, "holds the genesis of the ledger")
        self._pass_over(files, "addresses in it: a connection proves the node's key")

    def _owner(self, key: Path) -> str:
        if key.parent.parent == self._folder:
            return NodeFolder(self._folder).settings().organisation
        return key.parent.parent.name

    def _events(self, files: list[Path]) -> None:
        gone = [path for path in self._logs_expected() if path not in files]
        with closing(BlockStore(self._ledger / BLOCKS, read_only=True)) as store:
            for path in (*files, *gone):
                account(log.Lines(path), anchored(self._state, store, path.parent.name), own=True)
                require_earlier(path, path.parent.name)
        self._held(files, "each event follows from the one before, and those that were anchored are the ledger's")

    def _logs_expected(self) -> list[Path]:
        """Where the logs lie of hospitals whose folders are here, and which anchored one."""
        folders = sorted(path for path in RunFolder(self._folder).hospitals.glob("*") if path.is_dir())
        return [path / ACTIVITY for path in folders if anchors.anchor(self._state, path.name) is not None]

    # -- helpers -------------------------------------------------------------------------------------------------------

    def _require(self, condition: bool, path: Path, what: str) -> None:
        if not condition:
            raise FolderDefectError(f"{path}: {what}", _COMPARE)


@contextmanager
def _findings(folder: Path) -> Iterator[None]:
    """Name what does not fit as the audit's own finding; a file that may not be opened is none."""
    try:
        yield
    except (AuditError, UnreadableError, NoVotesError, PartialLogError):
        raise
    except HMChainError as error:
        if isinstance(error.__cause__, OSError):
            raise error.__cause__ from None
        raise FolderDefectError(error.what, error.hint or _COMPARE) from error
    except (UnicodeDecodeError, ValueError) as error:
        raise FolderDefectError(f"a file in {folder} holds what no such file does", _COMPARE) from error
