"""A request in plain words: what is asked, and what it could reveal at worst."""

from __future__ import annotations

from msgspec.structs import replace

from hmchain.application.cohort.words import words as words_of_query
from hmchain.application.governance.purposes import disease_words, purpose_words
from hmchain.application.governance.reasons import reason_words as words_of_reason
from hmchain.application.governance.terms import Term
from hmchain.application.governance.terms import terms as terms_of_study
from hmchain.canonical import decode
from hmchain.clock import utc
from hmchain.errors import HMChainError
from hmchain.ledger.arithmetic import MILLION
from hmchain.ledger.contracts.data.queries import plan_of as count_plan
from hmchain.ledger.contracts.data.requests import Content, Kind
from hmchain.ledger.contracts.data.transfers import plan_of as transfer_plan
from hmchain.ledger.contracts.learning.studies import DatasetUse, StudySpec
from hmchain.ledger.readers.requests import HospitalWord
from hmchain.ledger.transactions import Refusal

KINDS = {
    Kind.TRAIN: "train a model at the hospitals: records stay where they are",
    Kind.COUNT: "count people: one sum over all hospitals, with noise",
    Kind.STATISTICS: "compute statistics: sums over all hospitals",
    Kind.EVALUATE: "measure how well a finished model does on records that stay where they are",
    Kind.TRANSFER: "send records to the applicant's organisation",
}
_OF_THE_PLAN_ALONE = ("purpose", "data", "first model", "description", "training code", "specification")
"""Terms of a study that its request says itself, or that are not known before it is proposed."""


def asked_terms(content: Content) -> tuple[Term, ...]:
    """All that a request asks for, as somebody reads it before deciding."""
    data = ", ".join(f"{use.organisation}: {use.dataset} version {use.version}" for use in content.datasets)
    resources = content.resources
    return (
        ("to", KINDS[content.kind]),
        *_counted(content),
        *_sent(content),
        ("for", "; ".join(map(purpose_words, content.purposes))),
        *((("about", "; ".join(map(disease_words, content.diseases))),) if content.diseases else ()),
        ("data", data),
        *((("fields", ", ".join(content.fields)),) if content.fields else ()),
        *((("labels", ", ".join(content.labels)),) if content.labels else ()),
        ("until", f"{utc(content.until_ms)[:16]} UTC"),
        ("results go to", ", ".join(content.regions) or "no country that is named"),
        ("money", "somebody is to earn with it" if content.commercial else "nobody is to earn with it"),
        ("published", "results will be" if content.publishes else "nothing will be"),
        (
            "each machine",
            f"{resources.hours} hours in all and {resources.memory_mib / 1024:g} GiB of memory at one time",
        ),
        ("at worst", at_worst(content)),
    )


def _counted(content: Content) -> tuple[Term, ...]:
    if content.kind is not Kind.COUNT:
        return ()
    try:
        plan = count_plan(content.plan)
    except Refusal:
        return (("counts", "nobody can tell: the query is not one that this version reads. Do not approve it"),)
    people, epsilon = MILLION / plan.epsilon_millionths, plan.epsilon_millionths / MILLION
    return (
        ("counts", words_of_query(plan.query)),
        ("noise", f"about {people:.0f} people more or less from each hospital (epsilon {epsilon:g})"),
    )


def _sent(content: Content) -> tuple[Term, ...]:
    if content.kind is not Kind.TRANSFER:
        return ()
    try:
        plan = transfer_plan(content.plan)
    except Refusal:
        return (("sends", "nobody can tell: the plan is not one that this version reads. Do not approve it"),)
    which = f"the records of kind {', '.join(plan.kinds)}" if plan.kinds else "all records"
    return (
        ("sends", f"{which} of each version named below, whole and de-identified as the hospital keeps them"),
        ("kept", f"at most {plan.days} days; then the applicant's organisation erases them and signs that it did"),
    )


def plan_terms(content: Content) -> tuple[Term, ...]:
    """What would be computed, in all its figures; nothing where a request has no plan."""
    bound = ("request", f"{content.digest.hex()}: what a decision binds")
    if (spec := study_of(content)) is None:
        return ()
    try:
        terms = terms_of_study(spec)
    except Exception:  # the ledger did not look into it, and a stranger made it: whoever is asked can still say no
        return (("plan", "not one that this version can read. Do not approve it"), bound)
    found = [(name, words) for name, words in terms if name not in _OF_THE_PLAN_ALONE]
    return (*found, *((name, words) for name, words in terms if name == "training code"), bound)


def study_of(content: Content) -> StudySpec | None:
    """The study that a request to train asks for, without its name and its first model; None for others."""
    if content.kind is not Kind.TRAIN:
        return None
    try:
        plan = decode(content.plan, StudySpec)
        uses = tuple(DatasetUse(use.organisation, use.dataset, use.version) for use in content.datasets)
        return replace(plan, uses=uses, rule=replace(plan.rule, participants=len(uses)))
    except HMChainError:
        return None


def reason_words(word: HospitalWord) -> Term:
    """What a hospital's policy said to a request, and why, in plain words."""
    return f"{word.organisation}/{word.dataset}", answer_words(word.answer, word.reasons, word.policy)


def answer_words(answer: str, reasons: tuple[str, ...], policy: int) -> str:
    """What a version of a policy said, `yes`, `no` or `look`, and why."""
    said = {"yes": "the policy allows it", "no": "THE POLICY FORBIDS IT", "look": "a person must look"}
    why = "; ".join(map(words_of_reason, reasons))
    return f"{said.get(answer, answer)}{f': {why}' if why else ''} (policy version {policy})"


def at_worst(content: Content) -> str:
    """What participants and others could learn in the worst case, if all who may pool what they know do so."""
    match content.kind:
        case Kind.TRAIN:
            return _of_training(content)
        case Kind.COUNT | Kind.STATISTICS:
            return (
                f"sums over {len(content.datasets)} hospitals; {_together(content.colluders)}. A sum that is asked for "
                "again with a little difference tells of the difference"
            )
        case Kind.EVALUATE:
            return "the scores of a model on your records; on few records a score says something about each of them"
        case Kind.TRANSFER:
            return (
                "everything that stands in the records: they leave the hospital, and a signature that they were erased "
                "is a promise. Whoever opens them can copy them, and compare them with what else is known of a person"
            )


def _of_training(content: Content) -> str:
    rounds, hospitals = content.resources.rounds, len(content.datasets)
    spec = study_of(content)
    if spec is None or not 0 <= spec.colluders == content.colluders <= hospitals:
        return "nobody can tell: the plan is not one that this version reads. Do not approve it"
    return (
        f"the sum of at least {spec.threshold} of {hospitals} hospitals' updates in each of {rounds} rounds; "
        f"{_together(content.colluders)}. The model itself goes to all participants, and may tell whether a person was "
        "among those whom it learned from: no noise is added to it"
    )


def _together(colluders: int) -> str:
    if colluders == 0:
        return "any one participant may learn what you sent, since 0 colluders are withstood"
    promise = f"{colluders} that pool all they know see what two others or more sent, added up"
    return f"{promise}; of {colluders + 1} nothing is promised"
