"""Writing in pixels: does an image show letters, and where?"""

from hmchain.records.deidentification.writing.answer import Region, Verdict, Writing
from hmchain.records.deidentification.writing.detector import Detector

__all__ = ["Detector", "Region", "Verdict", "Writing"]
