"""A count that was released, as a file: JSON, or a line of CSV, that carries the proof of its release.

All that it says follows from three things that the proof binds: the question, the mean of what the hospitals said, and
which hospitals these are. Whoever reads it computes the rest again.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import msgspec

from hmchain import decoding, files
from hmchain.application.models.estimates import estimate, root_of
from hmchain.application.releases.proving import ReleaseProofError
from hmchain.errors import InputError
from hmchain.ledger.contracts.data import queries
from hmchain.ledger.contracts.learning.releases import count_artefact
from hmchain.ledger.readers.proof_files import ProofFile
from hmchain.ledger.transactions import Refusal

CSV = ".csv"
_COMMENT = "# "
_FILE_BYTES_MAX = 16 << 20


class ReleasedFileError(InputError):
    """A file is none that was released."""

    code = "released_file"


class ReleasedCount(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="hmchain released count 1"):
    """What a file says of a count."""

    count: str
    query: str
    words: str
    people: int
    """Of all hospitals that took part together; noise included, and at least 0."""
    margin: int
    """The noise is at most this 95 times of 100."""
    epsilon: float
    hospitals: tuple[str, ...]
    mean: int
    """Of what the hospitals said, in the ledger's fixed point: what its root is of."""
    plan: str
    """The question as it was asked, as the ledger has it (hex)."""
    proof: ProofFile

    @property
    def artefact(self) -> bytes:
        """The digest by which a release names it. Raises `ReleasedFileError`."""
        try:
            return count_artefact(self.count, bytes.fromhex(self.plan), root_of(self.mean), self.hospitals)
        except (ValueError, OverflowError) as error:
            raise ReleasedFileError("the file's numbers are none that a count has", _ANOTHER) from error

    def __str__(self) -> str:
        return f"about {self.people:,} {self.words} (noise ±{self.margin}, 95 %) in {len(self.hospitals)} hospitals"


_ANOTHER = "ask whoever gave it for the released file: `hmchain release file NAME --to FILE` writes it"


def of(count: str, plan: bytes, mean: int, hospitals: tuple[str, ...], proof: ProofFile) -> ReleasedCount:
    """A count by what its proof binds. Raises `ReleasedFileError` for a plan that is none."""
    try:
        asked = queries.plan_of(plan)
    except Refusal as refusal:
        raise ReleasedFileError("the file's question is none", _ANOTHER) from refusal
    return ReleasedCount(
        count=count,
        hospitals=hospitals,
        mean=mean,
        plan=plan.hex(),
        proof=proof,
        **estimate(asked, mean, len(hospitals)),
    )


def encoded(found: ReleasedCount, path: Path) -> bytes:
    """The content of its file: of CSV by the file's name, else JSON."""
    if path.suffix != CSV:
        return msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n"
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("count", "query", "people", "margin_95", "epsilon", "hospitals"))
    writer.writerow((found.count, found.query, found.people, found.margin, found.epsilon, " ".join(found.hospitals)))
    return f"{_COMMENT}{msgspec.json.encode(found).decode()}\n{table.getvalue()}".encode()


def load(path: Path) -> ReleasedCount:
    """Read a file; nothing of it is believed yet. Raises `ReleasedFileError`."""
    try:
        data = files.read(path, limit=_FILE_BYTES_MAX)
        text = data.split(b"\n", 1)[0].removeprefix(_COMMENT.encode()) if path.suffix == CSV else data
        return decoding.from_json(text, ReleasedCount)
    except (OSError, files.TooLargeError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ReleasedFileError(f"{path} is no count that was released", _ANOTHER) from error


def require_as_released(found: ReleasedCount, artefact: bytes, path: Path) -> None:
    """Raise `ReleaseProofError` unless all that a file says follows from what was released."""
    what = f"{path} says something else than was released"
    if found.artefact != artefact:
        raise ReleaseProofError(what, _ANOTHER)
    again = of(found.count, bytes.fromhex(found.plan), found.mean, found.hospitals, found.proof)
    if encoded(again, path) != files.read(path, limit=_FILE_BYTES_MAX):
        raise ReleaseProofError(what, _ANOTHER)
