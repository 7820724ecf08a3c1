"""Gather the evidence on one artefact at one hospital, from its own records, for those who decide on its release.

Nothing leaves the hospital but the digest of what is found. Reference models are trained here, on the hospital's own
images, and forgotten.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib.metadata import version as installed

from msgspec.structs import replace

from hmchain import files
from hmchain.application.cohort.counting import count_people
from hmchain.application.consent.usable import Usable, UseKind, usable
from hmchain.application.disclosure import evidence, model_parts, page, thresholds
from hmchain.application.disclosure.evidence import Disclosure, Evidence, Kind
from hmchain.application.disclosure.lineage import lineage
from hmchain.application.disclosure.model_parts import ModelParts, Others
from hmchain.application.disclosure.own_images import own_images, require_own
from hmchain.application.disclosure.own_trainer_parts import by_predictions
from hmchain.application.governance import trainers
from hmchain.application.hospital.study_records import use_of
from hmchain.application.learning.trainer_study import pins_own_trainer
from hmchain.application.site.activity import Deed, What, recorded
from hmchain.application.site.hospital import HospitalFolder, Records, read_records
from hmchain.application.site.keyring import local_key
from hmchain.application.site.study_folder import StudyFolder
from hmchain.canonical import digest
from hmchain.clock import now_ms
from hmchain.errors import StudyError
from hmchain.keys import SecretKey
from hmchain.ledger.contracts.data import queries
from hmchain.ledger.contracts.learning import counting, studies
from hmchain.ledger.contracts.learning.studies import Study
from hmchain.ledger.readers.ledger import LedgerReader
from hmchain.ledger.state import State
from hmchain.plain import Progress, tell

REFERENCES = 16
"""Reference models unless somebody says otherwise: half of them know each image."""
PARTS = 1000
"""In which progress is told."""
_READ, _TRAINED = 100, 950
"""So many of them are done when the records are read, and when reference models are trained."""


class NothingGivenError(StudyError):
    """A hospital gave nothing to a study, so it has nothing to say of what came of it."""

    code = "nothing_given"


class OutdatedEvidenceError(StudyError):
    """What was measured of a model is of other records than may be used now."""

    code = "outdated_evidence"

    def __init__(self, what: str) -> None:
        super().__init__(what, "measure it anew: `hmchain release evidence NAME`, or on its page")


def gather(
    place: HospitalFolder,
    ledger: LedgerReader,
    study: str,
    artefact: bytes,
    passphrase: str | None = None,
    progress: Progress | None = None,
    *,
    models: int = REFERENCES,
    others: Others | None = None,
    kept: Evidence | None = None,
    anew: bool = False,
    attacks: bool = True,
) -> Evidence:
    """Compute what this hospital can say of a study's model, or of a count; it is left in the study's folder.

    `artefact` is the digest by which a release names it; `models` are the references that are trained here, unless
    `others` gives some; without `attacks` those that were kept must do. Of evidence `kept` on the same artefact attacks
    are taken over where the same records may still be used, unless wanted `anew`, and exemptions of what is found anew.
    `progress` is told of thousandths. Raises `NothingGivenError`, `ReferencesError`, `OutdatedEvidenceError`,
    `UnpublishedDataError`, `ModelFileError` where the model is not here, and what keys and vault complain of.
    """
    started, state, name = time.perf_counter(), ledger.verified.state, place.organisation
    entry = studies.require_study(state, study)
    if name not in entry.spec.participants:
        raise NothingGivenError(f"{name} gave nothing to {study}", "only hospitals whose records are in it decide")
    use = entry.spec.use(name)
    deed = Deed(What.MEASURE, study=study, dataset=use.dataset, version=use.version)
    with read_records(place, passphrase) as records, recorded(place.activity, deed):
        require_own(place, records, state, use, passphrase)
        allowed = usable(records, use.dataset, use.version, use_of(state, entry.spec, UseKind.EVIDENCE), now_ms())
        gone = len(set(records.vault.owners(use.dataset, use.version).values()) - {""} - allowed.subjects)
        same = kept if kept is not None and not anew and _is_of(kept, artefact, allowed) else None
        parts, table = ModelParts((), None), None
        if entry.spec.is_count:
            table = _count(records, state, name, entry, allowed, kept, progress)
        elif same is not None:
            parts = ModelParts(same.attacks, same.memorisation)
        elif attacks:
            parts = _of_model(place, ledger, entry, _Work(records, allowed, artefact, models, others, progress))
        else:
            raise OutdatedEvidenceError(f"nothing was measured of {study} with the records that may be used now")
    found = Evidence(
        kind=Kind.COUNT if entry.spec.is_count else Kind.MODEL,
        study=study,
        artefact=artefact.hex(),
        chain_id=ledger.genesis.chain_id,
        organisation=name,
        height=state.height,
        computed_ms=now_ms(),
        cohort=allowed.stamp.hex(),
        measured_ms=same.measured_ms if same is not None else now_ms(),
        seconds=round(time.perf_counter() - started, 1),
        software=software(),
        **vars(parts),
        disclosure=table,
        lineage=lineage(state, entry, name, gone),
    )
    tell(progress, PARTS, PARTS)
    return leave(place.study(study), found, kept, local_key(place.keys, passphrase), anew=anew)


def _is_of(kept: Evidence, artefact: bytes, allowed: Usable) -> bool:
    """Whether what was measured would be measured of the same things now."""
    same = (kept.artefact, kept.cohort, kept.software)
    return same == (artefact.hex(), allowed.stamp.hex(), software())


def software() -> str:
    """This program, as evidence names it."""
    return f"hmchain {installed('hmchain')}"


def leave(
    where: StudyFolder, found: Evidence, kept: Evidence | None, key: SecretKey, *, anew: bool = False
) -> Evidence:
    """Leave evidence in the study's folder, unless what was kept says the very same; says what became other.

    The page is written in any case: what somebody wrote there since is not read again.
    """
    changed: list[str] = []
    if kept is not None:
        changed += [evidence.RECORDS] if kept.cohort != found.cohort else []
        parts = ("attacks", "memorisation", "disclosure", "lineage")
        changed += [name for name in parts if getattr(kept, name) != getattr(found, name)]
    if kept is not None and not changed and not anew:
        found = kept
    else:
        before_ms = kept.computed_ms if kept is not None else 0
        found = evidence.sealed(replace(found, changed=tuple(changed), before_ms=before_ms), key)
        if kept is not None:
            evidence.put_aside(where.evidence, kept)
        evidence.save(where.evidence, found)
    files.write_whole(where.evidence_page, page.render(found).encode(), durable=False, mode=files.PRIVATE)
    return found


@dataclass(frozen=True)
class _Work:
    """What the evidence on a model is made of."""

    records: Records
    allowed: Usable
    artefact: bytes
    models: int
    others: Others | None
    progress: Progress | None


def _of_model(place: HospitalFolder, ledger: LedgerReader, study: Study, work: _Work) -> ModelParts:
    left, run = place.study(study.spec.name).model, place.run
    path = run.model if run is not None and not left.exists() else left
    target = model_parts.load_target(path, ledger, study.spec.name)
    seed = digest("hmchain evidence", work.artefact, place.organisation.encode())
    if pins_own_trainer(study.spec):
        told = _part(work.progress, 0, _TRAINED)
        accepted = trainers.accepted(place.node) if place.node is not None else ()
        return by_predictions(work.records, work.allowed, accepted, target, study.spec, seed, told)
    own = own_images(work.records, work.allowed, seed, _part(work.progress, 0, _READ))
    if work.others is not None:
        return model_parts.beside_others(own, target, work.others, seed)
    return model_parts.beside_own(own, target, study.spec, work.models, seed, _part(work.progress, _READ, _TRAINED))


def _count(
    records: Records,
    state: State,
    organisation: str,
    study: Study,
    allowed: Usable,
    kept: Evidence | None,
    progress: Progress | None,
) -> Disclosure:
    """A count: this hospital's own persons, before the noise, by the rules; its policy may ask for more of them.

    What somebody let pass still passes where the very same is found.
    """
    query = queries.plan_of(study.spec.training).query
    persons = count_people(records.vault, allowed, query, _part(progress, 0, _TRAINED))
    rules = thresholds.stricter(thresholds.DEFAULT, counting.people_min(state, organisation, allowed.dataset))
    found = thresholds.check_count(persons, len(allowed.subjects), rules)
    before = kept.disclosure.broken if kept is not None and kept.disclosure is not None else ()
    return thresholds.let_pass(found, thresholds.still_passing(before, found.broken))


def _part(progress: Progress | None, start: int, end: int) -> Progress:
    """Tell of a part of the work in thousandths of all of it."""

    def told(done: int, of: int | None) -> None:
        tell(progress, start + (end - start) * done // max(of or done, 1), PARTS)

    return told
