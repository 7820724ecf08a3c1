"""One hospital: its records, its keys, its agent, and the decisions of its people.

Everything of a hospital lives in its own folder; it shares the ledger and the object store with the others, nothing
else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial

from hmchain.application.agent.agent import Agent
from hmchain.application.agent.protocols import Learner, Outgoing
from hmchain.application.agent.store import AgentStore
from hmchain.application.consent.at_work import AtWork
from hmchain.application.consent.usable import Usable, Use
from hmchain.application.hospital.people_counter import PeopleCounter
from hmchain.application.hospital.published_data import require_published
from hmchain.application.learning.description import Description
from hmchain.application.learning.pinned import WordsPin, read_training
from hmchain.application.learning.study_request import study_content
from hmchain.application.learning.trainers.local import SPLITS, Cohort, Split
from hmchain.application.learning.trainers.trainer import Examples, is_rows
from hmchain.application.security import log
from hmchain.application.security.log import this_user
from hmchain.application.security.transactions import sent
from hmchain.application.site.activity import ActivityLog, Deed, What
from hmchain.application.site.hospital import HospitalFolder, open_vault
from hmchain.application.site.keyring import Keyring
from hmchain.application.site.texts import Texts
from hmchain.errors import InputError
from hmchain.keys import SigningKey
from hmchain.ledger import contracts
from hmchain.ledger.context import AGENT, SCIENTIST, STEWARD
from hmchain.ledger.contracts.data import requests
from hmchain.ledger.contracts.data.applying import CreateRequest, SaveDraft, SubmitRequest
from hmchain.ledger.contracts.data.datasets import PublishVersion, RegisterDataset, Schema, rounded_count
from hmchain.ledger.contracts.data.deciding import ApproveRequest, RejectRequest, RevokeRequest
from hmchain.ledger.contracts.data.requests import Decided, Handling, Kind, Request, Status
from hmchain.ledger.contracts.learning import studies
from hmchain.ledger.contracts.learning.permitted import ProposeUnderPermit
from hmchain.ledger.contracts.learning.studies import StudySpec
from hmchain.ledger.contracts.members import anchors, membership, upgrades
from hmchain.ledger.contracts.members.anchors import AnchorLog
from hmchain.ledger.engines.ledger import Node, signed
from hmchain.ledger.state import State
from hmchain.plain import Progress
from hmchain.records.objects import ObjectStore
from hmchain.records.pictures.prepared import TRAIN, VALIDATION, ImageRecord, Images, decode_image, encode_image, stack
from hmchain.records.prepared_rows import RowSet, decode_rows, encode_rows, stack_rows

Learn = Callable[["Hospital", StudySpec], Learner]
"""Makes a hospital's learner for a study, or raises `UnpinnedError`."""
_NO: dict[Decided, type[RejectRequest] | type[RevokeRequest]] = {
    Decided.WAITING: RejectRequest,
    Decided.APPROVED: RevokeRequest,
}
_AGAIN_SECONDS = 60.0
"""How long a description that could not be had is not asked for again."""


def _learner(hospital: Hospital, learn: Learn, spec: StudySpec) -> Learner:
    return PeopleCounter(hospital, spec) if spec.is_count else learn(hospital, spec)


class Hospital:
    """A member of the consortium, as its own people and machines see it."""

    def __init__(
        self,
        folder: HospitalFolder,
        keys: Keyring,
        objects: ObjectStore,
        node: Node,
        learn: Learn,
        relay: ObjectStore | None = None,
    ) -> None:
        """For `relay` see `Agent`."""
        self.organisation = folder.organisation
        self.folder = folder
        self.keys = keys
        self.node = node
        self.vault = open_vault(folder, folder.store(), keys.wrapping)
        self.store = AgentStore(folder.agent_store, keys.local)
        self.at_work = AtWork(folder, self.vault, keys.local)
        """What it asks of its patients' consents, and writes down of whose records it used."""
        # What a power cut may take of it is on the ledger: the digest of every update.
        self.activity = ActivityLog(folder.activity, folder.organisation, synchronous="NORMAL")
        self._user = this_user()
        self.agent = Agent(
            folder.organisation, keys.agent, node, objects, self.store, partial(_learner, self, learn),
            cache=folder.cache, relay=relay, leaving=self._leaving,
        )  # fmt: skip
        self._asked: list[StudySpec] = []
        self._looked_at = -1
        self._read: set[str] = set()
        self._unread: dict[str, float] = {}

    def _leaving(self, what: Outgoing, study: str, round_: int, size: int) -> None:
        """Write down what the agent is about to send."""
        self.activity.begin(
            Deed(What(what.value), user=self._user, role=AGENT, study=study, round=round_, bytes=size, where="members")
        )

    # Records

    def store_images(self, dataset: str, splits: Mapping[str, Images], progress: Progress | None = None) -> None:
        """Encrypt images into the vault as the next version of a dataset."""
        contents = [
            encode_image(split, label, image)
            for split, held in splits.items()
            for image, label in zip(held.images, held.labels, strict=True)
        ]
        self.vault.put_many(dataset, 1, {f"{at:06d}": data for at, data in enumerate(contents)}, progress)

    def store_rows(self, dataset: str, splits: Mapping[str, RowSet], progress: Progress | None = None) -> None:
        """Encrypt rows into the vault as the first version of a dataset, each as if it were a patient's."""
        contents = [
            encode_rows(split, RowSet(held.values[at : at + 1], held.labels[at : at + 1]))
            for split, held in splits.items()
            for at in range(len(held.labels))
        ]
        self.vault.put_many(dataset, 1, {f"{at:06d}": data for at, data in enumerate(contents)}, progress)

    def usable(self, dataset: str, version: int, use: Use) -> Usable:
        """Which records of a version a use may have now. Raises `ConsentsGoneError`, or as vault and catalogue."""
        return self.at_work.usable(dataset, version, use, self.node.now_ms())

    def images(self, of: Usable, split: str) -> Images:
        """Decrypt the images of one split; they stay in memory and in this process."""
        return self._splits(of, split)[0]

    def _splits(self, of: Usable, *splits: str) -> list[Images]:
        """The images of splits, in their order, from one reading of the version."""
        held: dict[str, list[ImageRecord]] = {split: [] for split in splits}
        for _, data in self.vault.read(of.dataset, of.version, of.records):
            record = decode_image(data)
            if record.split in held:
                held[record.split].append(record)
        for split, records in held.items():
            if not records:
                raise InputError(_nothing(of, f"{split} images"), "store some before a study")
        return [stack(records) for records in held.values()]

    def cohort(self, of: Usable) -> Cohort:
        """Training and validation images, decrypted, once the version was found to be what was published.

        Their order follows from what they are, and not from their records' ids, which no two keys give alike: who
        trains on the same images trains the same model. Raises `UnpublishedDataError`.
        """
        self._require_published(of)
        train, validation = (found.by_content() for found in self._splits(of, TRAIN, VALIDATION))
        return Cohort(train.images, train.labels, validation.images, validation.labels)

    def examples(self, of: Usable, schema: Schema) -> dict[Split, Examples]:
        """The same for a trainer of somebody's own, of images or of rows, as the schema says."""
        if not is_rows(schema):
            cohort = self.cohort(of)
            return {split: Examples(*cohort.split(split)) for split in SPLITS}
        self._require_published(of)
        held: dict[str, list[RowSet]] = {split: [] for split in SPLITS}
        for _, data in self.vault.read(of.dataset, of.version, of.records):
            split, rows = decode_rows(data)
            held.setdefault(split, []).append(rows)
        for split in SPLITS:
            if not held[split]:
                raise InputError(_nothing(of, f"{split} rows"), "prepare it again")
        found = {split: stack_rows(held[split]).by_content() for split in SPLITS}
        return {split: Examples(rows.values, rows.labels) for split, rows in found.items()}

    def _require_published(self, of: Usable) -> None:
        require_published(self.vault, self.store, self.node.state, self.organisation, of.dataset, of.version)

    # What its people decide

    def register(self, dataset: str, schema: Schema) -> bytes:
        """Steward: announce a dataset."""
        return self.as_steward(RegisterDataset(dataset, schema))

    def publish(self, dataset: str, version: int) -> bytes:
        """Steward: publish a version by its keyed root and rounded count."""
        commitment = self.vault.commit(dataset, version)
        return self.as_steward(PublishVersion(dataset, version, commitment.root, rounded_count(len(commitment.leaves))))

    def ask(self, spec: StudySpec, until_ms: int) -> list[bytes]:
        """Scientist: ask its hospitals for a study, until a block time, by a request of the study's name."""
        content = study_content(spec, until_ms)
        bodies = (
            CreateRequest(spec.name), SaveDraft(spec.name, content), SubmitRequest(spec.name, content.digest)
        )  # fmt: skip
        return [self.as_scientist(body) for body in bodies]

    def allow(self, request: str, until_ms: int) -> list[bytes]:
        """Steward: say yes, until a block time, to all that a request asks of this hospital."""
        return [
            self.as_steward(ApproveRequest(request, word.version, word.content, word.dataset, until_ms))
            for word in self._words(request)
            if word.status is Decided.WAITING
        ]

    def disallow(self, request: str, reason: str = "other") -> list[bytes]:
        """Steward: say no to what a request asks of this hospital, or take a yes back; the reason is a code."""
        found = ((_NO[word.status], word) for word in self._words(request) if word.status in _NO)
        return [
            self.as_steward(say(request, word.version, word.content, word.dataset, reason, b"")) for say, word in found
        ]

    def propose(self, spec: StudySpec, request: str = "") -> bytes:
        """Scientist: propose a study under the permit of a request, that of its own name if none is given."""
        return self.as_scientist(ProposeUnderPermit(spec, request or spec.name))

    def _words(self, name: str) -> list[Handling]:
        state = self.node.state
        return requests.handlings(state, name, requests.require_request(state, name).version, self.organisation)

    def as_steward(self, body: contracts.Body) -> bytes:
        """A transaction signed with the steward's key."""
        return self._signed(self.keys.steward, STEWARD, body)

    def as_scientist(self, body: contracts.Body) -> bytes:
        """A transaction signed with the scientist's key."""
        return self._signed(self.keys.scientist, SCIENTIST, body)

    def _signed(self, key: SigningKey, role: str, body: contracts.Body) -> bytes:
        wire = signed(key, self.node, body)
        sent(self.folder.activity, body, role, wire)
        return wire

    def log_anchor(self) -> list[bytes]:
        """What anchors the log of security events as it is now; nothing if it is anchored, or the rules have none."""
        state, (size, head) = self.node.state, log.head(self.folder.activity)
        last = anchors.anchor(state, self.organisation)
        if not upgrades.has_sharing(state) or size <= (last.size if last is not None else 0):
            return []
        return [signed(self.keys.agent, self.node, AnchorLog(size, head))]

    # Descriptions

    @property
    def texts(self) -> Texts:
        """The descriptions of studies that it has read, or can."""
        return Texts(self.folder, lambda: self.agent.objects, self.keys.opening)

    def describe(self, study: str, description: Description) -> WordsPin:
        """Scientist: put a study's description where the members find it; `study_spec` takes what this returns.

        Raises `DescriptionError`, or an error of the store.
        """
        return self.texts.put(self.node.chain_id, study, description, membership.active_members(self.node.state))

    def read_descriptions(self) -> None:
        """Keep a copy of what is asked of this hospital, so that its people need no store to read it.

        What cannot be had now is tried again later.
        """
        for spec in self._asked_for():
            name, pin = spec.name, read_training(spec.training).words
            if pin is None or name in self._read or time.monotonic() < self._unread.get(name, 0):
                continue
            try:
                self.texts.read(self.node.chain_id, name, pin)
                self._read.add(name)
            except Exception:  # a stranger wrote it, or there is no room for it: whoever asks for it is told why
                self._unread[name] = time.monotonic() + _AGAIN_SECONDS

    def _asked_for(self) -> list[StudySpec]:
        """The studies that ask something of this hospital, and those that a request asks for."""
        state = self.node.state
        if state.height != self._looked_at:
            self._looked_at = state.height
            names = requests.asked_of(state, self.organisation)
            found = (_study_of(state, requests.require_request(state, name)) for name in names)
            self._asked = [spec for spec in found if spec is not None]
        return [*(study.spec for study in self.agent.open_studies()), *self._asked]

    def close(self) -> None:
        """Close the hospital's files."""
        self.vault.close()
        self.store.close()
        self.activity.close()


def _nothing(of: Usable, what: str) -> str:
    return f"{of.dataset} version {of.version} has no {what}" + (" that may be used" if of.left_out else "")


def _study_of(state: State, entry: Request) -> StudySpec | None:
    """The study that an open request asks for, if that is what it asks for."""
    content = requests.content(state, entry.name, entry.version)
    if content is None or content.kind is not Kind.TRAIN or entry.status is Status.CLOSED:
        return None
    return studies.of_plan(content.plan, entry.name, ())
