"""The file in which a scientist asks for a study: TOML, checked key by key before anything else happens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from hmchain.application.governance.purposes import terms
from hmchain.application.learning.defaults import CLIP_NORM, CLIP_NORM_RANGE, HEALTH_RESEARCH
from hmchain.application.learning.description import Description, describe
from hmchain.application.learning.pinned import FL_CNN
from hmchain.application.learning.trainers.trainer import Option
from hmchain.decoding import told
from hmchain.errors import InputError
from hmchain.files import read_toml
from hmchain.ledger.context import NAME, is_name
from hmchain.ledger.contracts.learning.studies import ROUNDS_MAX, Deadlines
from hmchain.plain import number

NETWORKS = {FL_CNN: "a small GroupNorm CNN of seven convolutions; options: filters, stem_stride"}
"""The models that can be named."""
DEADLINE_SECONDS_MAX = 7 * 86_400
_RANGES: dict[str, tuple[float, float]] = {
    "rounds": (1, ROUNDS_MAX),
    "steps": (1, 1_000),
    "batch": (2, 1_024),
    "learning_rate": (0.000_001, 10),
    "momentum": (0, 0.99),
    "weight_decay": (0, 1),
    "clip_norm": CLIP_NORM_RANGE,
}
_NO_SEED = "the first model follows from the network's salt and the study's name, batches from each hospital's secret"


def _within(key: str) -> msgspec.Meta:
    """Say in a description of JSON what `require_sound` holds it to, in words of its own."""
    least, most = _RANGES[key]
    return told(minimum=least, maximum=most)


class StudyFileError(InputError):
    """The file of a proposal cannot be used."""

    code = "study_file"


class ModelChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A model by name, with its options."""

    name: str = FL_CNN
    filters: int = 16
    """Of the first layer, a multiple of 8."""
    stem_stride: int | None = None
    """1, 2 or 4: how much the first layer shrinks an image; if not given, so that about 32 x 32 points are left."""


class PhaseSeconds(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Deadlines of the phases of a round, in seconds; what is not given follows from the plan."""

    commit: float | None = None
    attest: float | None = None
    reveal: float | None = None
    aggregate: float | None = None
    verify: float | None = None
    gate: float | None = None

    def over(self, usual: Deadlines) -> Deadlines:
        """The usual deadlines with these in their place."""
        given = {name: getattr(self, name) for name in self.__struct_fields__}
        changed = {f"{name}_ms": round(seconds * 1000) for name, seconds in given.items() if seconds is not None}
        return msgspec.structs.replace(usual, **changed)


class Proposal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A proposal's TOML file; what is left out is as in the demo, or follows from the images' size."""

    name: Annotated[str, told(pattern=f"^{NAME}$")]
    datasets: Annotated[dict[str, str], told(minProperties=1)]
    """Organisation to its dataset; the newest version is used."""
    purpose: Annotated[str, told(pattern="^DUO:[0-9]{7}$")] = HEALTH_RESEARCH
    rounds: Annotated[int, _within("rounds")] = 600
    steps: Annotated[int, _within("steps")] = 4
    """That each hospital trains in a round."""
    batch: Annotated[int, _within("batch")] = 8
    """Images a step."""
    learning_rate: Annotated[float, _within("learning_rate")] = 0.03
    schedule: Literal["cosine", "constant"] = "cosine"
    momentum: Annotated[float, _within("momentum")] = 0.9
    """Of the joint model from round to round."""
    weight_decay: Annotated[float, _within("weight_decay")] = 0.0005
    augmentation: bool = True
    model: str | ModelChoice = FL_CNN
    trainer: str = ""
    """FILE.py:CLASS or MODULE:CLASS of somebody's own trainer, in the place of FL-CNN; a file lies beside this one."""
    options: dict[str, Option] = {}
    """For that trainer."""
    clip_norm: Annotated[float, _within("clip_norm")] = CLIP_NORM
    """Of that trainer: the most that one hospital's update may change, as L2 norm of all arrays together."""
    deadlines: PhaseSeconds = PhaseSeconds()
    colluders: int | None = None
    """How many participants that pool what they know the study withstands; f of the consortium if not given."""
    description: dict[str, str] | None = None
    """See `description.Description`; None for a study without one."""

    @property
    def network(self) -> ModelChoice:
        """The model with its options."""
        return ModelChoice(name=self.model) if isinstance(self.model, str) else self.model

    def described(self) -> Description | None:
        """The description, checked. Raises `DescriptionError`."""
        return None if self.description is None else describe(self.description)


_CNN_KEYS = ("steps", "batch", "learning_rate", "schedule", "momentum", "weight_decay", "augmentation", "model")
_DEFAULTS = {
    each.name: each.default if each.default_factory is msgspec.NODEFAULT else each.default_factory()
    for each in msgspec.structs.fields(Proposal)
}


def load_proposal(path: Path) -> Proposal:
    """Read a proposal and check each key. Raises `StudyFileError` or `DescriptionError`."""

    def wrong(reason: str) -> StudyFileError:
        hint = _NO_SEED if "`seed`" in reason else "docs/how-to/scientist.md shows a whole one"
        return StudyFileError(f"{path}: {reason}", hint)

    try:
        found = read_toml(path, Proposal, wrong)
    except OSError as error:
        raise StudyFileError(f"{path} cannot be read: {error.strerror}", "check the path and its owner") from error
    require_sound(found)
    return beside(found, path.parent)


def require_alone(proposal: Proposal) -> None:
    """See that a proposal names no code: whoever sent it over a network has none on this machine.

    Raises as `require_sound`.
    """
    if proposal.trainer:
        what = "trainer is code of this machine's"
        raise StudyFileError(what, "propose it at the machine where it lies: `hmchain study propose FILE`")
    require_sound(proposal)


def beside(proposal: Proposal, folder: Path) -> Proposal:
    """The same, with its trainer's file found beside its own, which lies in `folder`."""
    where, _, name = proposal.trainer.rpartition(":")
    trainer = f"{folder / where}:{name}" if where.endswith(".py") else proposal.trainer
    return msgspec.structs.replace(proposal, trainer=trainer)


def require_sound(proposal: Proposal) -> None:
    """Refuse what no study can have, whatever the ledger says. Raises `StudyFileError` or `DescriptionError`."""
    if not is_name(proposal.name):
        raise StudyFileError(f"name = {proposal.name!r} cannot name a study", "up to 48 of a-z, 0-9, '.', '_', '-'")
    for key, (least, most) in _RANGES.items():
        _require_range(key, getattr(proposal, key), least, most)
    for key in proposal.deadlines.__struct_fields__:
        if (seconds := getattr(proposal.deadlines, key)) is not None:
            _require_range(f"deadlines.{key}", seconds, 1, DEADLINE_SECONDS_MAX)
    if proposal.purpose not in terms():
        known = "; ".join(f"{code} {words}" for code, words in terms().items())
        raise StudyFileError(f"purpose = {proposal.purpose!r} is no code of the Data Use Ontology", f"it has {known}")
    _require_network(proposal.network)
    _require_one_trainer(proposal)
    proposal.described()


def _require_range(key: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:  # NaN lies nowhere
        raise StudyFileError(f"{key} = {number(value)} is out of range", f"it may be {number(least)} to {number(most)}")


def _require_one_trainer(proposal: Proposal) -> None:
    """Refuse settings of FL-CNN with another trainer, and settings of another trainer with FL-CNN."""
    of_cnn, of_others = _CNN_KEYS, ("options", "clip_norm")
    given = [key for key in (of_cnn if proposal.trainer else of_others) if getattr(proposal, key) != _DEFAULTS[key]]
    if given and proposal.trainer:
        hint = "what your trainer reads stands in [options]"
        raise StudyFileError(f"{given[0]} is a setting of {FL_CNN}, and trainer = {proposal.trainer!r}", hint)
    if given:
        raise StudyFileError(
            f"{given[0]} is for somebody's own trainer, and none is named", 'trainer = "FILE.py:CLASS"'
        )


def _require_network(network: ModelChoice) -> None:
    if network.name not in NETWORKS:
        known = "; ".join(f"{name} ({words})" for name, words in NETWORKS.items())
        raise StudyFileError(f"model = {network.name!r} is not known", f"this version builds {known}")
    if network.filters not in range(8, 129, 8):
        raise StudyFileError(f"model.filters = {network.filters} cannot be", "a multiple of 8 up to 128")
    if network.stem_stride not in (None, 1, 2, 4):
        raise StudyFileError(f"model.stem_stride = {network.stem_stride} cannot be", "1, 2 or 4")
