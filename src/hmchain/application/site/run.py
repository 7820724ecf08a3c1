"""The folder of a run and the names in it; whoever writes or reads a run finds its files here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

RUNS = Path("runs")
LATEST = RUNS / "latest"
"""Points to the last run in that folder; what every command looks at unless told otherwise."""


@dataclass(frozen=True)
class RunFolder:
    """Where a run keeps what."""

    path: Path

    @property
    def settings(self) -> Path:
        """The order that the run was given."""
        return self.path / "run.json"

    @property
    def nodes(self) -> Path:
        """Where the nodes are, a folder each, if every hospital runs one."""
        return self.path / "nodes"

    @property
    def own_ledger(self) -> Path:
        """The directory of a ledger that all hospitals of the run keep together."""
        return self.path / "ledger"

    @property
    def ledger(self) -> Path:
        """The directory of its ledger; of several nodes', that of the first by name."""
        kept = sorted(self.nodes.glob("*/genesis.json"))
        return kept[0].parent if kept else self.own_ledger

    @property
    def objects(self) -> Path:
        """The objects that its hospitals exchange."""
        return self.path / "objects"

    @property
    def hospitals(self) -> Path:
        """The folders of its hospitals."""
        return self.path / "hospitals"

    def hospital(self, organisation: str) -> Path:
        """The folder of a hospital."""
        return self.hospitals / organisation

    @property
    def model(self) -> Path:
        """The model that its study made."""
        return self.path / "model.safetensors"

    @property
    def released(self) -> Path:
        """The same as it left: with the proof that its hospitals let it."""
        return self.path / "released.safetensors"

    @property
    def summary(self) -> Path:
        """The run's account of itself; written last of all."""
        return self.path / "summary.json"

    @property
    def report(self) -> Path:
        """The report page."""
        return self.path / "report.html"

    @property
    def baselines(self) -> Path:
        """Test-set predictions of the models it is compared with."""
        return self.path / "baselines.npz"

    @property
    def curve(self) -> Path:
        """Test scores by round."""
        return self.path / "curve.json"

    @property
    def exposure(self) -> Path:
        """The three pictures of what left a hospital."""
        return self.path / "exposure.json"

    @property
    def finished(self) -> bool:
        """True if the run ended here."""
        return self.summary.exists()


def ledger_in(folder: Path) -> Path:
    """The directory of the ledger in a run's or a node's folder, or the folder itself if it is a ledger's."""
    return folder if (folder / "genesis.json").is_file() else RunFolder(folder).ledger


def holds_ledger(folder: Path) -> bool:
    """Tell whether there is a ledger in a run's or a node's folder, or the folder is one."""
    return (ledger_in(folder) / "genesis.json").is_file()


def point_latest(folder: Path) -> None:
    """Make `latest` in a folder `runs` point to a run that lies there; a run elsewhere is nobody's latest."""
    runs = folder.absolute().parent
    if runs.name != RUNS.name:
        return
    latest = runs / LATEST.name
    if latest.is_symlink():
        latest.unlink()
    if not latest.exists():
        latest.symlink_to(folder.name, target_is_directory=True)
