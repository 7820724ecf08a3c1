"""A study as a request asks for it: what its hospitals decide on before it may be proposed."""

from __future__ import annotations

from hmchain.ledger.contracts.data.requests import Content, DatasetVersion, Kind, Resources
from hmchain.ledger.contracts.learning.studies import StudySpec, plan_of

HOURS, MEMORY_MIB = 24, 4096
"""Asked for of each hospital's machine, where nothing else is said."""


def study_content(spec: StudySpec, until_ms: int) -> Content:
    """The content of a request for a study and nothing else; its results may be published."""
    return Content(
        kind=Kind.TRAIN,
        purposes=(spec.purpose,),
        diseases=(),
        datasets=tuple(DatasetVersion(use.organisation, use.dataset, use.version) for use in spec.uses),
        fields=(),
        labels=(),
        plan=plan_of(spec),
        code=spec.code,
        colluders=spec.colluders,
        resources=Resources(spec.rounds, HOURS, MEMORY_MIB),
        regions=(),
        commercial=False,
        publishes=True,
        until_ms=until_ms,
        documents=(),
    )
