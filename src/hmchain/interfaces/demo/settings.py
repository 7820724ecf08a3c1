"""What a run of the demo is asked to do."""

from __future__ import annotations

from pathlib import Path

import msgspec

from hmchain import decoding
from hmchain.application.site.run import RUNS, RunFolder
from hmchain.errors import InputError
from hmchain.records.pictures.named_sets import require_size
from hmchain.records.pictures.partition import require_possible

EMBEDDED, COMETBFT = "embedded", "cometbft"
"""The engines that can decide a run's blocks."""
WORK = {EMBEDDED: (520, 4), COMETBFT: (80, 26)}
"""Rounds, and steps in each, unless one says otherwise: as much training on both; a round takes longer among nodes."""


class RunInUseError(InputError):
    """The folder holds something else than this run."""

    code = "run_in_use"


class DemoSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that decides what a run gives; kept in `run.json`, so that the same command resumes."""

    dataset: str = "br35h"
    data_dir: str | None = None
    image_size: int | None = None
    hospitals: int = 4
    rounds: int = 520
    steps: int = 4
    alpha: float = 0.5
    seed: int = 7
    engine: str = EMBEDDED

    def __post_init__(self) -> None:
        if not 1 <= self.rounds <= 1000 or not 1 <= self.steps <= 1000:
            raise InputError(f"{self.rounds} rounds of {self.steps} steps", "give 1 to 1000 of each")
        if self.engine not in (EMBEDDED, COMETBFT):
            raise InputError(f"there is no engine {self.engine!r}", f"give {EMBEDDED} or {COMETBFT}")
        require_possible(self.hospitals, self.alpha, self.seed)
        require_size(self.image_size)

    @property
    def label(self) -> str:
        """A short lower-case name of the data, for folders, chain and study."""
        name = Path(self.dataset).stem.lower() or "images"
        clean = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name).strip("-")
        return clean[:24] or "images"

    @property
    def default_output(self) -> Path:
        """Where the run goes unless one says otherwise."""
        return RUNS / "-".join((self.label, str(self.seed), *([] if self.engine == EMBEDDED else [self.engine])))


def is_finished(folder: RunFolder, settings: DemoSettings) -> bool:
    """Whether the folder holds the run of these settings, come to its end.

    Raises `RunInUseError` if it holds another run, or files that are no run.
    """
    path = folder.path
    if folder.settings.exists():
        if differing := _differing(_stored(folder), settings):
            what = f"{path} holds a run with other settings: {differing}"
            raise RunInUseError(what, "choose another --output, or remove it")
        return folder.finished
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise RunInUseError(f"{path} exists and is no run", "choose another --output")
    return False


def claim(folder: RunFolder, settings: DemoSettings) -> None:
    """Begin or resume the run of these settings in a folder that `is_finished` has looked at."""
    if not folder.settings.exists():
        folder.path.mkdir(parents=True, exist_ok=True)
        folder.settings.write_bytes(msgspec.json.format(msgspec.json.encode(settings), indent=1) + b"\n")


def _differing(stored: DemoSettings, wanted: DemoSettings) -> str:
    """The settings in which a run is not the one that is asked for."""
    pairs = [(name, getattr(stored, name), getattr(wanted, name)) for name in stored.__struct_fields__]
    return ", ".join(f"{name.replace('_', '-')} {old}, not {new}" for name, old, new in pairs if old != new)


def _stored(folder: RunFolder) -> DemoSettings:
    try:
        return decoding.from_json(folder.settings.read_bytes(), DemoSettings)
    except (msgspec.DecodeError, UnicodeDecodeError, InputError) as error:
        raise RunInUseError(f"{folder.settings} is damaged", "choose another --output, or remove it") from error
