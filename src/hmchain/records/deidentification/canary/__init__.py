"""The canary gate: items full of planted identifiers go through de-identification, and not one may come out."""

from hmchain.records.deidentification.canary.gate import GateReport, KindReport, selftest
from hmchain.records.deidentification.canary.planting import Canaries, Canary, PlantedItem
from hmchain.records.deidentification.canary.survivors import Survivor, survivors

__all__ = ["Canaries", "Canary", "GateReport", "KindReport", "PlantedItem", "Survivor", "selftest", "survivors"]
