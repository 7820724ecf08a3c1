"""The kinds of files in the folder of a run, of a node or of a ledger, by their places there."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path


class Kind(Enum):
    """The kind of a file; the value says what it holds, for those that no audit can check."""

    LEDGER = "the log of blocks, its genesis and its headers"
    STATE = "a state"
    NODE_LEDGER = "another node's copy of the ledger"
    OBJECT = "what hospitals exchange, sealed, and terms that they ask for, in clear"
    CACHED = "objects that an agent keeps"
    KEY = "a private key"
    NODE_KEY = "the key that proves a node's connections"
    MODEL = "a model"
    SUMMARY = "what a run says of itself"
    REPORT = "the page that is drawn from the summary"
    SETTINGS = "a node's settings"
    INTRODUCTION = "what introduces a node to others"
    NETWORK = "the network that a node has joined"
    SCORES = "a hospital's own figures of studies and tables, and the pages that show them: no ledger holds them"
    STORY = "settings and scores of this machine; no ledger holds them, and the summary's figures rest on them"
    RECORDS = (
        "a hospital's records and what they are found by: `hmchain data vault verify`, `hmchain data verify DATASET`"
    )
    TEXT = "descriptions of studies: each is held against the digest that its study pins before it is shown"
    GIVING = "how far the transfers are that a hospital gives: names, dates and addresses, and no key"
    DOCUMENT = "which documents of requests were sealed before: digests, and nothing of what they say"
    DRAFT = "requests that people are writing, with what they attach: on no ledger yet"
    AGENT = "what an agent keeps, sealed under its own key: it opens it, or refuses to begin"
    ENGINE = "CometBFT's own: it checks its blocks when it starts, `hmchain node status` names damage"
    SNAPSHOT = "snapshots for nodes that join: they hold them against a signed header"
    EARLIER_KEY = "wrapping keys that were replaced: they open what was sealed to them, and nothing new is"
    LOCAL_KEY = "keys that no ledger knows: what they seal does not open with another"
    SENT = "what people sent that no block had decided: the ledger shows what became of it"
    PORTAL = "sessions, tokens, passkeys and notifications of the portal's people: digests, public keys, ids"
    CHALLENGE = "what a candidate's answer has to be: the ledger has it once it was proposed"
    EVENTS = "a hospital's log of security events"
    WORDS = "what processes said, for people"
    WRAPPING = "what a ledger's file says of itself, and checksums that tell what was damaged on the way"
    ASIDE = "put aside or unfinished; no command reads it"
    LOCK = "no content"
    UNKNOWN = "no file of hmchain"
    ODD = "no plain file, nor a link to one: not looked into"


_LEDGER = r"(?:ledger/|)"
_PLACES: tuple[tuple[str, Kind], ...] = (
    (r".*(?:-wal|-shm)", Kind.LOCK),  # SQLite's logs: read, and checked, with the file beside them
    (r"(?:.*/)?(?:lock|[a-z]+\.lock)", Kind.LOCK),
    (r".*\.(?:damaged|aside)-\d+|(?:.*/)?(?:damaged|before-restore|engine-before)-\d+/.*", Kind.ASIDE),
    (r"(?:restoring|refounding)/.*", Kind.ASIDE),
    (r".*\.part|.*\.next|(?:.*/)?incoming/.*|.*\.unfinished/.*", Kind.ASIDE),
    (rf"{_LEDGER}(?:before/)*(?:genesis\.json|blocks\.db|headers\.jsonl|(?:beginning|founding)/.+)", Kind.LEDGER),
    (rf"{_LEDGER}(?:validators/[^/]+\.db|state\.db)", Kind.STATE),
    (r"nodes/[^/]+/(?:genesis\.json|blocks\.db|headers\.jsonl|state\.db|beginning/.+)", Kind.NODE_LEDGER),
    (r"(?:.*/)?objects/.+", Kind.OBJECT),
    (r"(?:.*/)?cache/.+", Kind.CACHED),
    (r"(?:hospitals/[^/]+/)?keys/(?:steward|scientist|agent|validator|wrapping)\.key", Kind.KEY),
    (r"keys/node\.key", Kind.NODE_KEY),
    (r"(?:.*/)?keys/wrapping\.key\.earlier-[0-9a-f]+", Kind.EARLIER_KEY),
    (r"(?:.*/)?keys/.+", Kind.LOCAL_KEY),
    (r"(?:.*\.safetensors)", Kind.MODEL),
    (r"summary\.json", Kind.SUMMARY),
    (r"report\.html", Kind.REPORT),
    (r"(?:.*/)?studies/[^/]+/(?:(?:scores|count|used)\.json|report\.html)", Kind.SCORES),
    (r"(?:.*/)?(?:studies|tables)/[^/]+/evidence(?:(?:-[0-9a-f]{16})?\.json|\.html)", Kind.SCORES),
    (r"(?:.*/)?tables/[^/]+/table\.csv", Kind.SCORES),
    (r"(?:.*/)?(?:cohorts|released)\.db", Kind.SCORES),
    (r"run\.json|curve\.json|exposure\.json|baselines\.npz", Kind.STORY),
    (r"node\.toml", Kind.SETTINGS),
    (r"portal\.toml", Kind.SETTINGS),
    (r"portal/portal\.db", Kind.PORTAL),
    (r"portal/jobs/.+", Kind.WORDS),
    (r"portal/answers\.db", Kind.PORTAL),
    (r"member\.json", Kind.INTRODUCTION),
    (r"network\.json", Kind.NETWORK),
    (r"state-sync\.json", Kind.STORY),
    (r"sent/.+", Kind.SENT),
    (r"challenges/[^/]+", Kind.CHALLENGE),
    (r"(?:.*/)?texts/[^/]+\.words", Kind.TEXT),
    (r"(?:.*/)?documents/.+", Kind.DOCUMENT),
    (r"(?:.*/)?drafts/.+", Kind.DRAFT),
    (r"(?:.*/)?giving\.db", Kind.GIVING),
    (r"(?:.*/)?agent\.db", Kind.AGENT),
    (r"(?:.*/)?engine/.+", Kind.ENGINE),
    (r"(?:.*/)?snapshots/.+", Kind.SNAPSHOT),
    (r"(?:.*/)?activity\.db", Kind.EVENTS),
    (r"(?:.*/)?[a-z]+\.log(?:\.\d+)?", Kind.WORDS),
    (r"README\.txt|SHA256SUMS", Kind.WRAPPING),
    (
        r"(?:.*/)?(?:vault|records|cards|catalogue|quarantine|marks)/.+|(?:.*/)?catalogue\.db"
        r"|(?:.*/)?(?:records|patients|consents)\.toml|(?:.*/)?persons\.json",
        Kind.RECORDS,
    ),
)
_COMPILED = tuple((re.compile(pattern), kind) for pattern, kind in _PLACES)


def kind_of(place: str) -> Kind:
    """The kind of file that lies at a place, which is a path from the folder with `/` between names."""
    return next((kind for pattern, kind in _COMPILED if pattern.fullmatch(place)), Kind.UNKNOWN)


def contents(folder: Path) -> dict[Kind, list[Path]]:
    """All files in a folder by kind, in order of path; links to folders are not followed."""
    found: dict[Kind, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_dir():
            kind = kind_of(path.relative_to(folder).as_posix()) if path.is_file() else Kind.ODD  # a pipe never ends
            found.setdefault(kind, []).append(path)
    return found
