"""What was done with a hospital's data: who did what, when, and what left the hospital.

Each deed is a line of the hospital's security log (`application/security`): what an auditor may read is its event, the
rest is beside it for the hospital alone. What a person asks for has two lines: one before it begins, on the disk before
anything else happens, and one when it ends; so what was killed in between shows. What an agent sends has one, written
before the bytes leave. No line names a patient, a record or a file; counts are the hospital's own, and stay here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import msgspec

from hmchain import decoding, sqlite
from hmchain.application.security import log as security
from hmchain.application.security.events import BEGUN, DONE, Event, Kind
from hmchain.application.security.log import ActivityLogError, SecurityLog, Written
from hmchain.errors import HMChainError
from hmchain.sqlite import Synchronous

INTERRUPTED = "interrupted"


class What(Enum):
    """Everything that is written down, by the word that commands use for it."""

    EXTRACT = "extract"
    LABEL = "label"
    LOOK = "look"
    RELEASE = "release"
    REJECT = "reject"
    REVIEW = "review"
    TAKE_BACK = "take-back"
    PREPARE = "prepare"
    REGISTER = "register"
    WITHDRAW = "withdraw"
    ERASE = "erase"
    OPT_OUT = "opt-out"
    OPT_IN = "opt-in"
    CONSENT = "consent"
    EXPORT = "export"
    DEIDENTIFY = "deidentify"
    PROVE = "prove"
    BACKUP = "backup"
    MIRROR = "mirror"
    REPAIR = "repair"
    RESTORE = "restore"
    ROTATE = "rotate"
    CONVERT = "convert"
    MODEL_EXPORT = "model-export"
    RESULT_RELEASE = "result-release"
    STUDY_KEYS = "study-keys"
    UPDATE = "update"
    MODEL = "model"
    EVIDENCE = "evidence"
    COPY = "copy"
    PERSON = "person"
    MERGE = "merge"
    REIDENTIFY = "reidentify"
    SEND = "send"
    TELL = "tell"
    COUNT = "count"
    MEASURE = "measure"
    GRANT = "grant"
    RECEIVE = "receive"
    EMERGENCY = "emergency"
    BREAK_GLASS = "break-glass"
    EMERGENCY_REVIEW = "emergency-review"


SENT_BY_AGENTS = (What.STUDY_KEYS, What.UPDATE, What.MODEL, What.EVIDENCE, What.COPY)
"""What an agent sends, sealed: halves of keys; masked updates; and as a master the joint model, what proves it, and
objects that the store had lost."""
SIGNED_FOR = frozenset((What.REIDENTIFY, What.TELL))
"""What takes two people: the way from a pseudonym to a patient, and what a patient's data were used for."""
KINDS: dict[What, Kind] = {
    **dict.fromkeys((What.EXTRACT, What.LABEL, What.PREPARE, What.MERGE, What.REPAIR, What.CONVERT), Kind.DATA_CHANGED),
    **dict.fromkeys((What.RELEASE, What.REJECT, What.TAKE_BACK, What.REVIEW), Kind.DATA_CHANGED),
    **dict.fromkeys((What.OPT_OUT, What.OPT_IN, What.CONSENT), Kind.CONSENT_CHANGED),
    **dict.fromkeys((What.REGISTER, What.WITHDRAW), Kind.DATA_PUBLISHED),
    **dict.fromkeys((What.EXPORT, What.SEND, What.DEIDENTIFY, What.PROVE, What.MODEL_EXPORT), Kind.DATA_EXPORTED),
    **dict.fromkeys((What.BACKUP, What.MIRROR), Kind.DATA_EXPORTED),
    **dict.fromkeys(SENT_BY_AGENTS, Kind.DATA_SENT),
    **dict.fromkeys(SIGNED_FOR, Kind.IDENTITY_REVEALED),
    **dict.fromkeys((What.LOOK, What.MEASURE), Kind.DATA_OPENED),
    **dict.fromkeys((What.GRANT, What.RECEIVE), Kind.TRANSFER),
    What.RESULT_RELEASE: Kind.RELEASE,
    What.LOOK: Kind.DATA_OPENED,
    **dict.fromkeys((What.EMERGENCY, What.BREAK_GLASS), Kind.BREAK_GLASS),
    What.EMERGENCY_REVIEW: Kind.BREAK_GLASS_REVIEWED,
    What.ERASE: Kind.DATA_ERASED,
    What.RESTORE: Kind.LOG_RESTORED,
    What.ROTATE: Kind.KEY_CHANGED,
    What.PERSON: Kind.PERSON_CHANGED,
    What.COUNT: Kind.DATA_COUNTED,
}
"""The kind of security event that each is."""
LEAVES = frozenset(
    (
        *SENT_BY_AGENTS,
        What.EXPORT,
        What.SEND,
        What.DEIDENTIFY,
        What.LOOK,
        What.PROVE,
        What.BACKUP,
        What.MIRROR,
        What.MODEL_EXPORT,
        What.GRANT,
        What.RESULT_RELEASE,
        What.BREAK_GLASS,
    )
)
"""What goes to others, or lies outside the vault afterwards."""


class Signature(msgspec.Struct, frozen=True):
    """A person's signature under what is done: whoever has the log can verify it."""

    person: str
    public: str
    """The public half of the person's key, hexadecimal."""
    signature: str


class Deed(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is done, as far as it is known: a second line adds how it ended."""

    what: What | None = None
    """None in the line of its end."""
    user: str = ""
    """Of the operating system."""
    role: str = ""
    """Whose key acts: steward, agent."""
    person: str = ""
    """Who decides, as that person said."""
    dataset: str = ""
    version: int = 0
    study: str = ""
    round: int | None = None
    kind: str = ""
    """Kind of data, or by what something is named: patient, subject or record."""
    where: str = ""
    """Kind of place that it goes to: folder, file, s3."""
    records: int = 0
    items: int = 0
    """Held items that somebody decided about."""
    held: int = 0
    """Items that wait in quarantine."""
    bytes: int = 0
    subject: str = ""
    """The pseudonym that was turned back into a patient, or of the patient who was told."""
    reason: str = ""
    """Why, in the words of those who asked."""
    public: str = ""
    """The public half of the key of a person who was added, hexadecimal."""
    signed_ms: int = 0
    """When what takes several people was signed; that is signed as well, so that no signature serves twice."""
    signatures: tuple[Signature, ...] = ()
    outcome: str = ""
    """`done`, or the code of what went wrong."""


@dataclass(frozen=True)
class Line:
    """One line of the log."""

    number: int
    at_ms: int
    ends: int | None
    """The number of the line whose deed ended."""
    deed: Deed


class ActivityLog:
    """The open log of one hospital, made if there is none. Threads may share it; processes may write side by side."""

    def __init__(self, path: Path, whose: str = "", *, synchronous: Synchronous = "FULL") -> None:
        """As `SecurityLog`."""
        self._log = SecurityLog(path, whose, synchronous=synchronous)

    def begin(self, deed: Deed) -> int:
        """Add the line of what begins, or is sent; returns its number. Raises `ActivityLogError`."""
        outcome = DONE if deed.what in SENT_BY_AGENTS else BEGUN
        return self._log.write(_event(deed, outcome), _own(deed))

    def end(self, number: int, begun: Deed, result: Deed) -> None:
        """Add the line of its end: `result` is what is known besides. Raises `ActivityLogError`."""
        found = msgspec.structs.replace(
            begun, dataset=begun.dataset or result.dataset, version=begun.version or result.version
        )
        event = msgspec.structs.replace(_event(found, result.outcome), ends=number)
        self._log.write(event, _own(result))

    def backup(self, path: Path) -> None:
        """Copy the file while it is in use, to a new one of mode 0600. Raises `ActivityLogError`."""
        self._log.backup(path)

    def close(self) -> None:
        """Close the file."""
        self._log.close()


def _event(deed: Deed, outcome: str) -> Event:
    """What an auditor may read of a deed: no count, no pseudonym, and nothing that somebody typed."""
    assert deed.what is not None, "what begins is something"
    return Event(
        KINDS[deed.what],
        deed.what.value,
        deed.dataset or deed.study,
        deed.version,
        deed.round,
        user=deed.user,
        role=deed.role,
        outcome=outcome,
    )


def _own(deed: Deed) -> str:
    return msgspec.json.encode(deed).decode()


class Recording:
    """The deed that is under way; whoever does it adds what is known in the end."""

    def __init__(self) -> None:
        self.result = Deed()

    def add(self, **known: str | int) -> None:
        """Add facts: fields of `Deed`."""
        self.result = msgspec.structs.replace(self.result, **known)


@contextmanager
def recorded(path: Path, deed: Deed) -> Iterator[Recording]:
    """Write down that something begins, and how it ended, whatever happens in between. Raises `ActivityLogError`."""
    recording = Recording()
    log = ActivityLog(path)
    begun = msgspec.structs.replace(deed, user=deed.user or security.this_user())

    def ended(outcome: str) -> None:
        log.end(number, begun, msgspec.structs.replace(recording.result, outcome=outcome))

    try:
        number = log.begin(begun)
        try:
            yield recording
        except BaseException as error:
            with suppress(ActivityLogError):  # what went wrong first is told
                ended(_code(error))
            raise
        ended(recording.result.outcome or DONE)
    finally:
        log.close()


def read_lines(path: Path) -> Iterator[Line]:
    """All deeds in their order, while others may add some. Raises `ActivityLogError`."""
    try:
        for number, at_ms, ends, body in security.read_earlier(path):
            yield Line(number, at_ms, ends, decoding.from_json(body, Deed))
        for written in security.read(path):
            if written.own:
                yield _line(written)
    except msgspec.DecodeError as error:
        raise security.trouble_with(path, sqlite.Trouble.BROKEN) from error


def _line(written: Written) -> Line:
    return Line(written.number, written.at_ms, written.typed.ends or None, decoding.from_json(written.own, Deed))


def _code(error: BaseException) -> str:
    """What went wrong, by a name that quotes nothing."""
    if isinstance(error, HMChainError):
        return error.code
    return INTERRUPTED if isinstance(error, KeyboardInterrupt) else type(error).__name__
