"""Evidence: how much of a hospital's people an artefact tells, as measured at that hospital from its own records.

It stays there as a file for those who decide; the ledger has its digest. It draws no conclusion: each part says what
was found, or that nothing could be, and why. A file is read only if it has the one form in which it was written, so
its digest is that of what people see. A nonce keeps the digest from being searched for the numbers: a keyed digest of
all else, which nobody makes without the hospital's key, so that what somebody else wrote is not taken for evidence.
"""

from __future__ import annotations

import hmac
from enum import StrEnum
from pathlib import Path

import msgspec
from msgspec.structs import replace

from hmchain import canonical, decoding, files
from hmchain.errors import InputError
from hmchain.keys import SecretKey

SCHEMA = 1
RECORDS = "records that may be used"


class EvidenceFileError(InputError):
    """A file of evidence cannot be read, or was changed since it was written."""

    code = "evidence_file"


class Kind(StrEnum):
    """The kinds of artefact that leave."""

    MODEL = "model"
    COUNT = "count"
    TABLE = "table"


class Found(StrEnum):
    """What one part of the evidence says."""

    NOTHING_SEEN = "nothing seen"
    """It was looked for, and not found: less than what this much data shows may still be there."""
    SEEN = "seen"
    """It was found: somebody has to weigh it."""
    NOT_SAID = "not said"
    """It could not be computed; `why` says so. This is never good news."""


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the evidence."""


class Estimate(_Part, frozen=True, kw_only=True):
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


class References(_Part, frozen=True, kw_only=True):
    """The models that the model is compared with, and what they cost."""

    models: int
    by: str
    """Who trained them."""
    on: str
    """On what."""
    seconds: float
    """What training them took here."""


class Attack(_Part, frozen=True, kw_only=True):
    """How well one attack tells images that the model was trained on from others."""

    name: str
    """`loss`, `RMIA` or `LiRA`."""
    source: str
    """The paper."""
    found: Found
    why: str = ""
    """Why it is not said, or what is not said of it."""
    members: int = 0
    """Images that the model was trained on."""
    non_members: int = 0
    auc: Estimate | None = None
    """Area under the ROC curve: 0.5 is chance, 1 tells every one."""
    rate: Estimate | None = None
    """True positives at 1 % false positives: chance is 0.01. None with too few non-members."""
    curve: tuple[tuple[float, float], ...] = ()
    """The ROC curve: false and true positive rates."""
    references: References | None = None


class Memorisation(_Part, frozen=True, kw_only=True):
    """Whether the model knows single training images by heart; see `memorisation` for each definition."""

    found: Found
    why: str = ""
    certain: Estimate | None = None
    """Share of training images of whose true class the model is nearly certain."""
    certain_others: Estimate | None = None
    """The same of images that it was not trained on."""
    outliers: int | None = None
    """Training images that models without them get wrong or doubt, and this one does not."""
    outliers_expected: float | None = None
    """So many there would be among as many images that the model was not trained on."""
    alike: int | None = None
    """Training images with a near-duplicate among the training images."""
    across: int | None = None
    """Training images with a near-duplicate among those that are held out: they spoil every figure above."""


class Exemption(_Part, frozen=True, kw_only=True):
    """A finding that somebody lets pass, by name and with a reason."""

    cell: str
    check: str
    by: str
    reason: str


class Broken(_Part, frozen=True, kw_only=True):
    """A rule that a cell of a table breaks."""

    cell: str
    check: str
    """The rule: see `thresholds.Check`."""
    words: str
    exemption: Exemption | None = None


class Disclosure(_Part, frozen=True, kw_only=True):
    """A count or table held against the rules of statistical disclosure control."""

    found: Found
    why: str = ""
    rules: tuple[str, ...] = ()
    """Each rule that was asked, in words, with its limit."""
    unsaid: str = ""
    """Why more cannot be told; empty if all is."""
    cells: int = 0
    broken: tuple[Broken, ...] = ()


class DataUse(_Part, frozen=True, kw_only=True):
    """A version that the hospital gave."""

    dataset: str
    version: int
    root: str
    """Its keyed root on the ledger."""
    withdrawn: bool
    """Whether records of it were erased or withdrawn since."""
    persons_gone: int | None
    """Persons whose records the version had and who opted out, withdrew or were erased since; None if unknown."""


class Lineage(_Part, frozen=True, kw_only=True):
    """What the artefact was made of, as the ledger has it."""

    found: Found
    why: str = ""
    request: str = ""
    purpose: str = ""
    code: str = ""
    """Digest of the training code."""
    hospitals: tuple[str, ...] = ()
    data: tuple[DataUse, ...] = ()
    """Of this hospital."""
    rounds: int = 0
    """Accepted."""
    rounds_given: int = 0
    """Of these, in whose sum this hospital's update is."""


class Evidence(_Part, frozen=True, kw_only=True):
    """All that one hospital says of one artefact."""

    schema: int = SCHEMA
    kind: Kind
    study: str
    """The study, or the count."""
    artefact: str
    """Digest of the artefact, as a release names it (hex)."""
    chain_id: str
    organisation: str
    """Whose records it was measured on."""
    height: int
    """Of the ledger that the lineage is from."""
    computed_ms: int
    cohort: str = ""
    """Of the records that may be used for it at that time: others, another digest (hex)."""
    measured_ms: int = 0
    """When the attacks on a model were measured; what follows from ledger and rules is computed anew each time."""
    changed: tuple[str, ...] = ()
    """Parts that said something else in the evidence before, and `RECORDS` if fewer or more records may be used."""
    before_ms: int = 0
    """When that one was computed; 0 if there was none."""
    seconds: float
    software: str
    nonce: str = ""
    """Keyed digest of all else (hex): without the file nobody finds the numbers by their digest."""
    attacks: tuple[Attack, ...] = ()
    memorisation: Memorisation | None = None
    disclosure: Disclosure | None = None
    lineage: Lineage

    @property
    def digest(self) -> bytes:
        """What the ledger has of it (32 bytes)."""
        return canonical.digest("hmchain evidence", msgspec.json.encode(self))

    @property
    def parts(self) -> tuple[tuple[str, Found, str], ...]:
        """Each part by name, with what it says and why."""
        found = [(f"membership, {each.name}", each.found, each.why) for each in self.attacks]
        others = (
            ("memorisation", self.memorisation), ("disclosure", self.disclosure), ("lineage", self.lineage)
        )  # fmt: skip
        return (*found, *((name, part.found, part.why) for name, part in others if part is not None))

    @property
    def is_whole(self) -> bool:
        """Whether every part could be computed."""
        return all(found is not Found.NOT_SAID for _, found, _ in self.parts)

    def __str__(self) -> str:
        counts = {each: sum(found is each for _, found, _ in self.parts) for each in Found}
        said = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        return f"evidence of {self.organisation} on {self.kind} {self.study}: {said}"


def sealed(evidence: Evidence, key: SecretKey) -> Evidence:
    """Evidence with its nonce, by the hospital's key for its own use."""
    return replace(evidence, nonce=_nonce(evidence, key))


def is_sealed(evidence: Evidence, key: SecretKey) -> bool:
    """Whether it is as it was made with that key: somebody may have written another file of the same form."""
    return hmac.compare_digest(evidence.nonce.encode(), _nonce(evidence, key).encode())


def _nonce(evidence: Evidence, key: SecretKey) -> str:
    return key.derive("hmchain evidence", msgspec.json.encode(replace(evidence, nonce=""))).raw.hex()


def written(evidence: Evidence) -> bytes:
    """The one form of a file of evidence: JSON that people can read."""
    return msgspec.json.format(msgspec.json.encode(evidence), indent=1) + b"\n"


def save(path: Path, evidence: Evidence) -> None:
    """Write evidence for the hospital's own people. Raises `OSError`."""
    files.make_folder(path.parent, mode=0o700)
    files.write_whole(path, written(evidence), durable=True, mode=files.PRIVATE)


def put_aside(path: Path, evidence: Evidence) -> None:
    """Keep evidence beside what takes its place: somebody may have said yes by it. Raises `OSError`."""
    files.rename(path, path.with_name(f"{path.stem}-{evidence.digest.hex()[:16]}{path.suffix}"))


def load(path: Path) -> Evidence:
    """Read evidence. Raises `EvidenceFileError`."""
    again = "compute it again"
    try:
        data = files.read(path)
        found = decoding.from_json(data, Evidence)
    except (*files.UNREADABLE, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EvidenceFileError(f"{path} holds no evidence that can be read", again) from error
    if found.schema != SCHEMA:
        raise EvidenceFileError(f"{path} is evidence of another version ({found.schema})", again)
    if written(found) != data:
        raise EvidenceFileError(f"{path} was changed since it was written", again)
    return found
