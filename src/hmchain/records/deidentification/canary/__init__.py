"""The canary gate: items full of planted identifiers go through de-identification, and not one may come out."""

from hmchain.records.deidentification.canary.gate import KindReport, Report, selftest
from hmchain.records.deidentification.canary.planting import Canaries, Canary, Planted
from hmchain.records.deidentification.canary.survivors import Survivor, survivors

__all__ = ["Canaries", "Canary", "KindReport", "Planted", "Report", "Survivor", "selftest", "survivors"]
