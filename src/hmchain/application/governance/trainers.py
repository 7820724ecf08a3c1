"""The trainers of others that a hospital lets its agent run: named with their digests in `node.toml`, by its people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hmchain.application.hospital.hospital import Learn
from hmchain.application.hospital.own_learner import OwnLearning
from hmchain.application.learning.trainers.source import (
    AcceptedTrainer,
    TrainerCodeError,
    TrainerSource,
    parse_accepted,
    read_source,
)
from hmchain.application.site.node import NodeFolder


@dataclass(frozen=True)
class TrainerView:
    """A trainer's code on this machine, and whether this hospital accepts it. Nothing of it has run."""

    source: str
    """`FILE.py:CLASS` or `MODULE:CLASS`, with the file's whole path."""
    digest: bytes
    """Of the code as it lies there now; empty if it cannot be read."""
    files: tuple[str, ...]
    """What the digest is made of, beside the class's name."""
    accepted: bool
    instead: bytes = b""
    """The digest that was accepted, if it is another one."""
    trouble: str = ""
    """Why the code cannot be read."""


def accepted(folder: NodeFolder) -> tuple[AcceptedTrainer, ...]:
    """The trainers in `node.toml`. Raises `TrainerCodeError`."""
    return tuple(parse_accepted(text, folder.path) for text in folder.settings().trainers)


def learning(folder: NodeFolder, also: Sequence[str] = ()) -> Learn:
    """Makes the learners of a hospital's agent: with the trainers in `node.toml`, and with others for one run."""
    return OwnLearning([*accepted(folder), *(parse_accepted(text) for text in also)])


def views(folder: NodeFolder) -> tuple[TrainerView, ...]:
    """All accepted trainers, as they lie there now."""
    return tuple(_standing(each) for each in accepted(folder))


def _standing(trainer: AcceptedTrainer) -> TrainerView:
    try:
        found = read_source(trainer.source)
    except TrainerCodeError as error:
        return TrainerView(trainer.source, b"", (), accepted=False, instead=trainer.digest, trouble=error.what)
    is_it = found.digest == trainer.digest
    return TrainerView(trainer.source, found.digest, _files(found), is_it, b"" if is_it else trainer.digest)


def view(folder: NodeFolder, given: str) -> TrainerView:
    """A trainer's digest, and what this hospital says of it. Raises `TrainerCodeError`."""
    found, source = read_source(given), _whole(given)
    held = {each.source: each.digest for each in accepted(folder)}
    is_accepted = found.digest in held.values()
    instead = b"" if is_accepted else held.get(source, b"")
    return TrainerView(source, found.digest, _files(found), is_accepted, instead)


def accept(folder: NodeFolder, looked_at: TrainerView) -> TrainerView:
    """Let the agent run what was `looked_at`, and nothing else that lies there; in the place of what lay there before.

    Raises `TrainerCodeError` if the code has changed since.
    """
    if view(folder, looked_at.source).digest != looked_at.digest:
        raise TrainerCodeError(f"{looked_at.source} has changed while you looked at it", "look again")
    others = [each for each in accepted(folder) if each.source != looked_at.source]
    kept = [*others, AcceptedTrainer(looked_at.source, looked_at.digest)]
    folder.change_setting("trainers", [str(each) for each in kept])
    return view(folder, looked_at.source)


def _files(source: TrainerSource) -> tuple[str, ...]:
    return tuple(name or Path(source.where).name for name, _ in source.files)


def _whole(given: str) -> str:
    """With the whole path of a file: the agent may run elsewhere."""
    where, _, name = given.rpartition(":")
    return f"{Path(where).resolve()}:{name}" if where.endswith(".py") else given
