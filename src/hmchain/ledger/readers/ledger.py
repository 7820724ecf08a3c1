"""One ledger, opened for questions: its blocks as they were signed, and the state of a validator, verified whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

from hmchain.errors import HMChainError, InputError
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.contracts.members import membership
from hmchain.ledger.engines.block_store import BLOCKS, BlockStore, NoSuchTransactionError, StoredBlock
from hmchain.ledger.engines.cometbft.audit import partial_log
from hmchain.ledger.engines.cometbft.snapshots import begins_after
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.readers import (
    anchored,
    attendance,
    datasets,
    deeds,
    explanations,
    lineage,
    members,
    models,
    notices,
    powers,
    proof_files,
    releases,
    rules,
    studies,
    study_status,
    transactions,
    uses,
)
from hmchain.ledger.readers.anchored import AnchoredLog
from hmchain.ledger.readers.attendance import Attendance
from hmchain.ledger.readers.blocks import BlockView, block_view, contents
from hmchain.ledger.readers.datasets import DatasetView
from hmchain.ledger.readers.decisions import BlockDecision, Decisions
from hmchain.ledger.readers.deeds import KeyDeed
from hmchain.ledger.readers.executed import executed
from hmchain.ledger.readers.explanations import Explanation
from hmchain.ledger.readers.lineage import DatasetTrace, NothingToTraceError, StudyTrace
from hmchain.ledger.readers.logs import DamagedBlockError, SignedLog
from hmchain.ledger.readers.members import BallotView, ValidatorStatus
from hmchain.ledger.readers.models import ModelView
from hmchain.ledger.readers.notices import DutyView, Notice
from hmchain.ledger.readers.powers import Powers
from hmchain.ledger.readers.proof_files import ProofFile
from hmchain.ledger.readers.releases import ReleaseView
from hmchain.ledger.readers.rules import ParametersView, RulesView
from hmchain.ledger.readers.shared import kept_property
from hmchain.ledger.readers.signers import Endorsement, Headers, Witnesses
from hmchain.ledger.readers.states import (
    DamagedStateError,
    StaleStateError,
    VerifiedState,
    cut_off,
    open_state,
    state_files,
)
from hmchain.ledger.readers.studies import StudyProposal, StudyRequest
from hmchain.ledger.readers.study_status import StudyStatus
from hmchain.ledger.readers.succession import audit_before, ledgers, require_before
from hmchain.ledger.readers.transactions import TransactionView
from hmchain.ledger.readers.uses import UseView
from hmchain.ledger.readers.views import Views
from hmchain.ledger.state import State, UnreadableStateError
from hmchain.plain import Progress

V = TypeVar("V")

_BLOCKS_COUNTED = 200


class BadTraceError(InputError):
    """It is not clear what is to be traced."""

    code = "bad_trace"


@dataclass(frozen=True)
class WholeLog:
    """A log that was compared with what members signed."""

    signed: Endorsement
    height: int
    """Of its last block; what comes after `signed` is this disk's word alone."""

    @property
    def words(self) -> str:
        """The end of what is signed, in words; empty where all of it is."""
        if self.signed.names and self.signed.height >= self.height:
            return ""
        return self.signed.words(self.height)


class LedgerReader:
    """A ledger as it was when the reader was opened. Whatever it tells is what members signed, or says so."""

    def __init__(
        self,
        directory: Path,
        store: BlockStore,
        headers: Headers | None,
        held: ExitStack,
        progress: Progress | None = None,
        verified: VerifiedState | None = None,
        whole: Callable[[], WholeLog] | None = None,
        *,
        stays: bool = False,
    ) -> None:
        """`held` closes what is opened on the way; `progress` is told of blocks that are executed.

        Whoever keeps a ledger open gives its `verified` state, and compares the `whole` log; else the directory's are
        verified when they are asked for. Of a ledger that `stays` open, long lists are made as somebody looks at them.
        """
        if verified is not None:
            self.verified = verified
        self._compared, self._stays = whole, stays
        self._attended: dict[tuple[int, int], attendance.Attendance] = {}
        self.genesis: Genesis = genesis_file.load(directory / genesis_file.FILE)
        self._directory, self._store, self._headers = directory, store, headers
        self._held, self._progress = held, progress

    def with_log(self, store: BlockStore, held: ExitStack) -> LedgerReader:
        """The same state and headers with a log of its own, for another thread."""
        return LedgerReader(
            self._directory, store, self._headers, held, self._progress, self.verified, self.require_whole
        )

    @kept_property
    def _log(self) -> SignedLog:
        witnesses = Witnesses(self.genesis, self._names)
        return SignedLog(self._directory, self._store, self.genesis, witnesses, self._headers)

    @kept_property
    def _decisions(self) -> Decisions:
        return Decisions(self._log.headers, self._names)

    @property
    def height(self) -> int:
        """The last block of the log."""
        return self._store.height

    @kept_property
    def verified(self) -> VerifiedState:
        """The state, and whose signatures it rests on; beside a bare copy of the blocks, that which they lead to.

        Raises what `open_state` raises, or `executed`.
        """
        if not state_files(self._directory):
            return self._executed
        return self._held.enter_context(open_state(self._directory, self._headers))

    @kept_property
    def _executed(self) -> VerifiedState:
        return self._held.enter_context(executed(self._directory, self._progress))

    @kept_property
    def _names(self) -> State:
        """A state that knows the members' keys: blocks are no worse for a state beside them that is damaged."""
        try:
            return self.verified.state
        except (DamagedStateError, StaleStateError, UnreadableStateError):
            return self._executed.state

    # -- blocks --------------------------------------------------------------------------------------------------------

    def blocks(self, first: int | None = None, limit: int = 20) -> list[BlockView]:
        """At most `limit` blocks from height `first` on; the last ones if it is None.

        Raises `DamagedBlockError` for a block that is not the one that was signed, or where the last were cut off.
        """
        self._require_uncut()
        return [
            block_view(stored, self._decision(stored), self._names, self._vouched(stored))
            for stored in self._stored(first, limit)
        ]

    def blocks_up_to(self, last: int, limit: int = 20) -> list[BlockView]:
        """The `limit` blocks at most that end with height `last`, the last one first: to page back. Raises as `blocks`.

        A log on CometBFT has no empty blocks, so heights alone do not tell where the page before begins.
        """
        self._require_uncut()
        return [
            block_view(stored, self._decision(stored), self._names, self._vouched(stored))
            for stored in self._store.newest(limit, last)
        ]

    def _stored(self, first: int | None, limit: int) -> Iterator[StoredBlock]:
        start = max(1, self._store.height - limit + 1) if first is None else max(1, first)
        return islice(self._store.blocks(start), limit)

    def _decision(self, stored: StoredBlock) -> BlockDecision:
        block, commit, _ = contents(stored)
        return self._decisions.of(block, commit)

    def transaction(self, prefix: str) -> TransactionView:
        """The transaction whose digest begins with `prefix`.

        Raises what `transactions.find` raises, or `PartialLogError` where it may lie before the log.
        """
        digest = self._found(prefix)
        stored, position = self._store.require(digest)
        block, _, result = contents(stored)
        fields, body = transactions.decoded(block.transactions[position])
        sender = membership.credential(self._names, fields.sender) if fields else None
        return TransactionView(
            digest=digest,
            height=stored.height,
            position=position,
            time_ms=block.header.time_ms,
            kind=transactions.kind_of(body),
            organisation=sender.organisation if sender else "",
            role=sender.role if sender else "",
            receipt=result.receipts[position],
            expires_ms=fields.expires_ms if fields else 0,
            body=body,
            vouched=self._vouched(stored),
        )

    def proof(self, prefix: str) -> ProofFile:
        """The inclusion proof of the transaction whose digest begins with `prefix`; see `proof_files.prove`.

        Raises what that raises, and `transaction`.
        """
        return proof_files.prove(self._store, self.genesis, self._log.headers, self._found(prefix))

    def deeds(self, keys: Collection[bytes], since: int = 1) -> list[KeyDeed]:
        """All that these keys signed from block `since` on, refused transactions too, in order.

        Raises what `require_whole` raises, or `PartialLogError` where the log begins later.
        """
        self.require_whole()
        if since <= (begins := self.begins_after):
            raise partial_log(begins, "does not show what a key signed before")
        if since > self.genesis.height:
            return list(deeds.deeds(self._store, keys, since))
        self._require_before("does not show what a key signed before")
        found: list[KeyDeed] = []
        for directory in ledgers(self._directory):
            with closing(BlockStore(directory / BLOCKS, read_only=True)) as store:
                found += deeds.deeds(store, keys, since)
        return found

    def _require_before(self, cannot: str) -> None:
        """See that the chains before this one lie beside it, and hold. Raises `PartialLogError`, `AuditError`."""
        if self.genesis.before is not None:
            require_before(self._directory, cannot)
            audit_before(self._directory, self.genesis, progress=self._progress)

    def anchored_log(self, organisation: str) -> AnchoredLog:
        """All that is known of the log of an organisation's security events. Raises what `require_whole` raises."""
        self.require_whole()
        return anchored.anchored(self._names, self._store, organisation)

    def _found(self, prefix: str) -> bytes:
        with self._denying_nothing(NoSuchTransactionError, "came"):
            return transactions.find(self._store, prefix)

    @contextmanager
    def _denying_nothing(self, unknown: type[HMChainError], happened: str) -> Iterator[None]:
        """Raise `PartialLogError` for what is `unknown` in a log that begins with a snapshot: it may lie before."""
        try:
            yield
        except unknown as error:
            if begins := self.begins_after:
                raise partial_log(begins, f"does not show what {happened} before: {error.what} in it") from error
            if self.genesis.before is not None:
                require_before(self._directory, f"does not show what {happened} before: {error.what}")
            raise

    def require_whole(self) -> WholeLog:
        """See, once, that the whole log is as it was signed. Raises `DamagedBlockError`."""
        self._require_uncut()
        return self._whole if self._compared is None else self._compared()

    def _require_uncut(self) -> None:
        if cut := cut_off(self._directory, self._store):
            raise DamagedBlockError(cut, "restore blocks.db, or compare with another member's")

    @kept_property
    def _whole(self) -> WholeLog:
        height = self._store.height
        return WholeLog(self._log.require_whole(), height)

    def _vouched(self, stored: StoredBlock) -> str:
        signed = self._log.signed(stored)
        return signed.words(stored.height) if signed else ""

    # -- what came about -----------------------------------------------------------------------------------------------

    @property
    def begins_after(self) -> int:
        """The height after which the log begins; 0 for a whole one."""
        return begins_after(self._directory)

    def trace(self, study: str | None = None, dataset: str | None = None) -> StudyTrace | DatasetTrace:
        """The making of a study's model, or the use of a dataset, written as ORGANISATION/NAME.

        Without either, of the only study. Raises `BadTraceError`, `NoStudyError`, `NothingToTraceError`, or
        `PartialLogError` where it may have begun before the log, and what `require_whole` raises.
        """
        self.require_whole()
        self._require_before("does not show what made a model before")
        with self._denying_nothing(NothingToTraceError, "began"):
            found = self._trace(study, dataset)
        if isinstance(found, StudyTrace) and not found.model_root:  # no block has what a founding again registers
            made = next((each for each in self.models() if each.study == found.spec.name), None)
            if made is not None:
                return replace(found, model_root=made.root, weights_root=made.weights, meaning=made.meaning)
        return found

    def _trace(self, study: str | None, dataset: str | None) -> StudyTrace | DatasetTrace:
        if dataset is None:
            return lineage.trace_study(self._directory, study or study_status.default_study(self._names))
        if study is not None:
            raise BadTraceError("a study and a dataset were given", "trace one of them")
        organisation, separator, name = dataset.partition("/")
        if not (organisation and separator and name):
            raise BadTraceError(f"{dataset!r} is not a dataset", "write it as ORGANISATION/NAME")
        return lineage.trace_dataset(self._directory, organisation, name)

    def _listed(self, found: Views[V]) -> Sequence[V]:
        return found if self._stays else list(found)

    # -- the state -----------------------------------------------------------------------------------------------------

    def studies(self) -> Sequence[StudyStatus]:
        """All studies, each with its participants, the round it is in and what is to be done next."""
        return self._listed(study_status.all_studies(self.verified))

    @property
    def meant(self) -> list[str]:
        """The studies that may be meant when none is named: those that were not refused, else all."""
        return study_status.meant(self.verified.state)

    @property
    def open_studies(self) -> list[str]:
        """The studies that are not over, in order of name."""
        return study_status.names_of_open(self.verified.state)

    def study(self, name: str | None = None) -> StudyStatus:
        """One study; without a name the only one that was not refused. Raises `NoStudyError`."""
        return study_status.study_status(self.verified, name)

    def requests(self, organisation: str) -> Sequence[StudyRequest]:
        """All studies as one hospital is asked about them."""
        return self._listed(studies.requests(self.verified.state, organisation))

    def proposal(self, organisation: str, study: str) -> StudyProposal:
        """One study and all that it pins, as one hospital sees it. Raises `UnknownStudyError`."""
        return studies.proposal(self.verified.state, organisation, study)

    def uses(self, time_ms: int, organisation: str, dataset: str = "") -> Sequence[UseView]:
        """All uses of a hospital's dataset, or of all of its datasets, that were asked for, as they stand at a time."""
        return self._listed(uses.uses(self.verified.state, time_ms, organisation, dataset))

    def powers(self, time_ms: int, organisation: str, person: str = "") -> list[Powers]:
        """What a person of an organisation may do at a time, or each of its persons. Raises `UnknownPersonError`."""
        state = self.verified.state
        if person:
            return [powers.powers(state, time_ms, organisation, person)]
        return powers.all_powers(state, time_ms, organisation)

    def explanations(self, request: str) -> list[Explanation]:
        """Why policies said what they said of each version of a request. Raises `UnknownRequestError`."""
        return explanations.explanations(self.verified.state, request)

    def duties(self, time_ms: int, organisation: str) -> list[DutyView]:
        """All that was ever owed to a hospital, as it stands at a time: what is overdue first."""
        return notices.duties(self.verified.state, time_ms, organisation)

    def notices(self, time_ms: int, organisation: str) -> list[Notice]:
        """What an organisation should see to: as a hospital, and as one whose people asked others."""
        return notices.for_organisation(self.verified.state, time_ms, organisation)

    def datasets(self) -> list[DatasetView]:
        """All datasets with their published versions."""
        return datasets.datasets(self.verified.state)

    def models(self) -> Sequence[ModelView]:
        """The models that studies made, in order of study."""
        return self._listed(models.models(self.verified.state))

    def model(self, study: str) -> ModelView | None:
        """The model of a study; None where it has none."""
        return models.model(self.verified.state, study)

    def releases(self, study: str = "") -> list[ReleaseView]:
        """All that was asked to leave, of one study if it is named, in order of name."""
        return releases.all_releases(self.verified.state, study)

    def release(self, name: str) -> ReleaseView:
        """One release. Raises `UnknownReleaseError`."""
        return releases.release(self.verified.state, name)

    def members(self) -> tuple[ValidatorStatus, ...]:
        """Members and validators, with power, reputation, maintenance, and the last blocks that each proposed."""
        return self._members

    @kept_property
    def _members(self) -> tuple[ValidatorStatus, ...]:
        proposed = Counter(self._decision(stored).proposer for stored in self._stored(None, _BLOCKS_COUNTED))
        return members.validators(self.verified.state, proposed)

    def attendance(self, blocks: int = 1000, parts: int = 24) -> Attendance:
        """Who voted for the last blocks, in so many parts."""
        if (blocks, parts) not in self._attended:
            self._attended[blocks, parts] = attendance.attendance(self._store.newest(blocks)[::-1], parts)
        return self._attended[blocks, parts]

    def rules(self) -> RulesView:
        """The protocol in force, and the one that comes."""
        return rules.rules_of(self.verified.state)

    def parameters(self) -> ParametersView:
        """The parameters that the members agreed on, and what may change them."""
        return rules.parameters_of(self.verified.state)

    def ballots(self) -> list[BallotView]:
        """All that the members were asked to decide, the newest first."""
        return members.ballots(self.verified.state)


@contextmanager
def open_ledger(
    directory: Path,
    headers: Headers | None = None,
    progress: Progress | None = None,
    whole: Callable[[], WholeLog] | None = None,
    *,
    stays: bool = False,
) -> Iterator[LedgerReader]:
    """Read the ledger in `directory`, which another process may be writing.

    `headers` gives CometBFT's signed headers, by default those that are kept beside the log; `whole` compares the log,
    where somebody has done so already; for one that `stays` see `LedgerReader`. Raises `LedgerError` for what cannot be
    opened, read or believed, `AuditError` where blocks are executed and do not hold.
    """
    genesis_file.load(directory / genesis_file.FILE)  # a ledger that needs another program is not touched
    with ExitStack() as held:
        store = held.enter_context(closing(BlockStore(directory / BLOCKS, read_only=True)))
        yield LedgerReader(directory, store, headers, held, progress, whole=whole, stays=stays)
