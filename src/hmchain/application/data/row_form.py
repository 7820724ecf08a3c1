"""How records become rows of numbers: a declaration in TOML that all hospitals of a study share, word for word.

Nothing in it is taken from the data of one hospital: how a number is scaled, what stands for a missing one, and which
categories there are is agreed beforehand. Its digest is in the schema that the ledger has of the rows, so a study is of
datasets that were prepared alike.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import msgspec

from hmchain.application.data.labels import is_label
from hmchain.application.learning.trainers.trainer import TABLE
from hmchain.canonical import digest
from hmchain.errors import InputError
from hmchain.files import read_toml
from hmchain.ledger.contracts.data.datasets import Schema

FEATURES_MAX = 4096
CATEGORIES_MAX = 256
"""Of a feature, and of the label: a value out of more would point at persons."""
FLOAT32_MAX = float.fromhex("0x1.fffffep127")
"""Of the numbers that models read."""
_DIGEST_LETTERS = 16
_WHO = frozenset({"id", "identifier", "subject", "patient", "reference", "uid"})
"""Elements of FHIR that say whose a resource is, or which: pseudonyms, and nothing to learn from."""


class RowFormError(InputError):
    """A file that says how records become rows cannot be used."""

    code = "row_form"


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where one value of a patient is: in a column of a table, or in FHIR resources."""

    column: str = ""
    resource: str = ""
    """Of FHIR: the resource type, such as `Observation`."""
    path: str = ""
    """Within the resource, with dots: `gender`, `valueQuantity.value`; of lists every item."""
    code: str = ""
    """Only resources whose `code` has it among its codings."""
    take: Literal["last", "first", "mean", "count"] = "last"
    """Of several resources of a patient, in order of their dates."""

    def __post_init__(self) -> None:
        if bool(self.column) == bool(self.resource):
            raise ValueError("a feature is of a `column` or of a `resource`")
        if self.resource and not self.path and self.take != "count":
            raise ValueError('of a resource either a `path` is taken, or `take = "count"`')
        if who := _WHO.intersection(self.path.split(".")):
            raise ValueError(f"`{min(who)}` says who somebody is: nothing is learnt from it")

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return self.column or ".".join(filter(None, (self.resource, self.code, self.path)))


class Feature(Field, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One input of the model, or one for each of its categories."""

    values: tuple[str, ...] = ()
    """Categories: 1 where the value is this one, else 0; one that is not listed gives zeros."""
    centre: float = 0.0
    scale: float = 1.0
    """A number x becomes (x - centre) / scale."""
    missing: float | None = None
    """What stands for a number that is not there, before scaling; without it such a patient is left out."""

    def __post_init__(self) -> None:
        Field.__post_init__(self)
        if not math.isfinite(self.centre) or not math.isfinite(self.scale) or self.scale == 0:
            raise ValueError("`centre` and `scale` must be numbers, and `scale` not 0")
        if self.missing is not None and not is_readable((self.missing - self.centre) / self.scale):
            raise ValueError("`missing` must be a number, and small enough when it is scaled")
        if len(self.values) > CATEGORIES_MAX:
            raise ValueError(f"{len(self.values)} categories: {CATEGORIES_MAX} can be")
        if len(set(self.values)) != len(self.values):
            raise ValueError("a category is listed twice")

    @property
    def width(self) -> int:
        """Numbers that it gives."""
        return len(self.values) or 1


class RowForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The form of rows."""

    classes: tuple[str, ...]
    """Values of the label, in the order that a model's outputs have."""
    features: tuple[Feature, ...]
    label: Field | None = None
    """Where the label is; without it what `hmchain data label` said."""

    def __post_init__(self) -> None:
        if len(self.classes) < 2 or len(set(self.classes)) != len(self.classes):
            raise ValueError("at least two classes, each once")
        if len(self.classes) > CATEGORIES_MAX or not all(is_label(name) for name in self.classes):
            raise ValueError(f"{CATEGORIES_MAX} classes can be, each a short text that can be printed")
        if not 1 <= self.width <= FEATURES_MAX:
            raise ValueError(f"{self.width} features: 1 to {FEATURES_MAX} can be")
        if len({bool(field.column) for field in self.fields}) > 1:
            raise ValueError("features and label are all of columns, or all of FHIR resources")

    @property
    def fields(self) -> tuple[Field, ...]:
        """All places that a row is made of."""
        return (*self.features, *((self.label,) if self.label else ()))

    @property
    def width(self) -> int:
        """Numbers in a row."""
        return sum(feature.width for feature in self.features)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the numbers in a row, in order."""
        return tuple(
            f"{each.name} = {value}" if value else each.name for each in self.features for value in each.values or ("",)
        )

    @property
    def is_fhir(self) -> bool:
        """True if rows are made of FHIR resources, False if of tables."""
        return bool(self.features[0].resource)

    @property
    def digest(self) -> bytes:
        """32 bytes, of all that is declared."""
        return digest("hmchain row form", msgspec.json.encode(self))

    def schema(self) -> Schema:
        """The rows as the ledger knows them: images of one line."""
        return Schema(f"{TABLE} {self.digest.hex()[:_DIGEST_LETTERS]}", 1, 1, self.width, self.classes)


def load_row_form(path: Path) -> RowForm:
    """Read a declaration. Raises `RowFormError`."""

    def wrong(reason: str) -> RowFormError:
        return RowFormError(f"{path}: {reason}", "docs/how-to/own-trainer.md shows a whole one")

    try:
        return read_toml(path, RowForm, wrong)
    except OSError as error:
        raise RowFormError(f"{path} cannot be read", "check the path and its owner") from error


def as_word(value: Any) -> str:
    """A value as categories and classes write it: 1.0 is `1`, True is `true`."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def numbers(feature: Feature, value: Any) -> list[float] | None:
    """The numbers that a value gives; None if it is missing and nothing stands for it.

    A model may be unable to read them: `is_readable`.
    """
    if feature.values:
        word = None if value is None else as_word(value)
        return [float(word == each) for each in feature.values]
    number = as_number(value)
    if number is None:
        number = feature.missing
    return None if number is None else [(number - feature.centre) / feature.scale]


def as_number(value: Any) -> float | None:
    """A value as a number, perhaps an infinite one; None if it is none, as NaN is."""
    try:
        number = float(value)
    except OverflowError:  # an integer of hundreds of digits
        return math.inf
    except (TypeError, ValueError):
        return None
    return None if math.isnan(number) else number


def is_readable(number: float) -> bool:
    """Tell whether a model can read a number: in 32 bits it is finite."""
    return abs(number) <= FLOAT32_MAX
