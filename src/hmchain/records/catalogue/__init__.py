"""The catalogue: what de-identified data a hospital has, where it came from, and what was done to it."""

from hmchain.records.catalogue.catalogue import Catalogue, CatalogueError, UnknownVersionError
from hmchain.records.catalogue.entries import (
    ActionCount,
    CarriedLabels,
    Dataset,
    HeldItem,
    ItemDone,
    RecordEntry,
    Version,
)
from hmchain.records.catalogue.received import Received

__all__ = [
    "ActionCount",
    "CarriedLabels",
    "Catalogue",
    "CatalogueError",
    "Dataset",
    "HeldItem",
    "ItemDone",
    "Received",
    "RecordEntry",
    "UnknownVersionError",
    "Version",
]
