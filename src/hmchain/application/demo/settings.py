"""What a run of the demo is asked to do, and the folder it lives in."""

from __future__ import annotations

from pathlib import Path

import msgspec

from hmchain.errors import InputError

RUNS = Path("runs")
LATEST = RUNS / "latest"


class RunInUseError(InputError):
    """The folder holds something else than this run."""

    code = "run_in_use"


class DemoSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that decides what a run gives; kept in `run.json`, so that the same command resumes."""

    dataset: str = "br35h"
    data_dir: str | None = None
    image_size: int | None = None
    hospitals: int = 4
    rounds: int = 80
    steps: int = 10
    alpha: float = 0.5
    seed: int = 7

    def __post_init__(self) -> None:
        if not 1 <= self.rounds <= 1000 or not 1 <= self.steps <= 1000:
            raise InputError(f"{self.rounds} rounds of {self.steps} steps", "give 1 to 1000 of each")

    @property
    def label(self) -> str:
        """A short lower-case name of the data, for folders, chain and study."""
        name = Path(self.dataset).stem.lower() or "images"
        clean = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name).strip("-")
        return clean[:24] or "images"

    @property
    def default_output(self) -> Path:
        """Where the run goes unless one says otherwise."""
        return RUNS / f"{self.label}-{self.seed}"


class RunFolder:
    """The folder of one run and the names in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings = path / "run.json"
        self.summary = path / "summary.json"
        self.report = path / "report.html"
        self.model = path / "model.safetensors"
        self.baselines = path / "baselines.npz"
        self.curve = path / "curve.json"
        self.exposure = path / "exposure.json"
        self.ledger = path / "ledger"

    @property
    def finished(self) -> bool:
        """Whether a run ended here."""
        return self.summary.exists()

    def claim(self, settings: DemoSettings) -> None:
        """Begin or resume the run of these settings here.

        Raises `RunInUseError` if the folder holds another run, or files that are no run.
        """
        if self.settings.exists():
            if self._stored() != settings:
                raise RunInUseError(
                    f"{self.path} holds a run with other settings", "choose another --output, or remove that folder"
                )
            return
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise RunInUseError(f"{self.path} exists and is no run", "choose another --output")
        self.path.mkdir(parents=True, exist_ok=True)
        self.settings.write_bytes(msgspec.json.format(msgspec.json.encode(settings), indent=1) + b"\n")

    def _stored(self) -> DemoSettings:
        try:
            return msgspec.json.decode(self.settings.read_bytes(), type=DemoSettings)
        except msgspec.DecodeError as error:
            raise RunInUseError(f"{self.settings} is damaged", "choose another --output, or remove it") from error


def point_latest(folder: Path) -> None:
    """Make `runs/latest` point to a run that lies in `runs`, or anywhere else."""
    LATEST.parent.mkdir(exist_ok=True)
    if LATEST.is_symlink():
        LATEST.unlink()
    if not LATEST.exists():
        LATEST.symlink_to(folder.resolve(), target_is_directory=True)
