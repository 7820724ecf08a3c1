"""What leaves a hospital, and what its data are used for, as flows."""

from __future__ import annotations

from hmchain.application.data.uses import DutiesReport, UsesReport
from hmchain.interfaces.client.flows import Flow, listed, read
from hmchain.ledger.readers.emergencies import Emergencies
from hmchain.ledger.readers.releases import ReleaseView
from hmchain.ledger.readers.transfers import TransferView


def releases(study: str = "") -> Flow[list[ReleaseView]]:
    """What was asked to leave the hospitals."""
    return listed("/releases", ReleaseView, study=study)


def release(name: str) -> Flow[ReleaseView]:
    """What would leave, for whom, and what each hospital said of it."""
    return read(f"/releases/{name}", ReleaseView)


def transfers() -> Flow[list[TransferView]]:
    """What the hospital gave and was given."""
    return listed("/transfers", TransferView)


def transfer(name: str) -> Flow[TransferView]:
    """Who gave what to whom, and how it stands."""
    return read(f"/transfers/{name}", TransferView)


def emergencies() -> Flow[Emergencies]:
    """Emergencies that the hospital's people asked in, or was asked in."""
    return read("/emergencies", Emergencies)


def uses(dataset: str = "", since_ms: int = 0) -> Flow[UsesReport]:
    """What the hospital's data were asked for and used for; 500 at most."""
    return read("/uses", UsesReport, dataset=dataset, since_ms=since_ms, limit=500)


def duties() -> Flow[DutiesReport]:
    """What is owed for the use of data."""
    return read("/duties", DutiesReport)
