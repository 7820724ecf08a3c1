"""Decide a use by a patient's consents: what they permit, deny, or do not speak of.

A rule fits a use, does not, or may: of a record's date only the year may be known, a code may be one that is not known
here. What is in doubt is not permitted: a rule that may permit does not, and one that may deny does. Exceptions come
before the rule that they are exceptions of (FHIR R4 6.2.4; IHE Privacy Consent on FHIR 1.1), and a denial before a
permission. A rule that permits some data alone denies the others: "nothing but".
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import TypeVar

from msgspec.structs import replace

from hmchain.records.consents import purposes
from hmchain.records.consents.consent import Actor, Coding, Consent, DataRef, Provision, Span, Status
from hmchain.records.consents.uses import Use

T = TypeVar("T")

ACTIONS = "http://terminology.hl7.org/CodeSystem/consentaction"


class Answer(Enum):
    """The answer of a patient's consents to one use."""

    PERMIT = "permit"
    DENY = "deny"
    SILENT = "silent"
    """No consent speaks of it: what counts then is what the hospital goes by."""


class Why(Enum):
    """The reason for an answer."""

    RULE = "a rule says so"
    BEYOND = "the consent permits other data alone"
    WITHDRAWN = "the consent was withdrawn"
    REJECTED = "the patient did not agree"
    UNDECIDED = "it cannot be decided, and what is in doubt is not permitted"
    NOTHING = "no consent speaks of it"


@dataclass(frozen=True)
class Ruling:
    """An answer and its reason."""

    answer: Answer
    why: Why = Why.RULE
    consent: str = ""
    """The consent that decides; for the hospital's own eyes."""
    doubts: tuple[str, ...] = ()


SILENCE = Ruling(Answer.SILENT, Why.NOTHING)


class Fit(IntEnum):
    """Whether a rule is about a use, or about a record."""

    NO = 0
    MAYBE = 1
    YES = 2


def _same(name: str) -> str:
    return name


@dataclass(frozen=True)
class Facts:
    """One record as rules about data ask for it; None is what is not known of it."""

    classes: frozenset[str] | None = None
    """Its type: of a FHIR resource the name, of a DICOM object the UID of its class."""
    codes: frozenset[Coding] | None = None
    labels: frozenset[Coding] | None = None
    span: Span | None = None
    """All the time that its date may mean."""
    name: str | None = None
    related: frozenset[str] | None = None
    authors: frozenset[str] | None = None
    called: Callable[[str], str] = _same
    """A resource's name in the hospital's system as `name`, `related` and `authors` have it."""


UNKNOWN = Facts()
"""A record of which nothing is known."""


@dataclass(frozen=True)
class Asked:
    """A use at a time, of one record."""

    use: Use
    at_ms: int
    facts: Facts = UNKNOWN
    organisations: Mapping[str, str] = field(default_factory=dict)
    """Members of the network by the names that consents give them, as `Organization/123`."""


def decide(consents: Iterable[Consent], asked: Asked) -> Ruling:
    """What a patient's consents say of a use; a denial before a permission, and either before silence.

    Of one policy only the newest consent permits; older ones still deny where the newest is over by now, or silent.
    """
    by_policy: defaultdict[tuple[str, ...], list[Consent]] = defaultdict(list)
    for consent in consents:
        if consent.is_of_data and consent.status not in (Status.DRAFT, Status.PROPOSED, Status.ENTERED_IN_ERROR):
            by_policy[consent.policies].append(consent)
    found = [each for given in by_policy.values() for each in _of_policy(given, asked)]
    permits = [since for ruling, since in found if ruling.answer is Answer.PERMIT]
    for ruling, since in found:
        is_given_anew = ruling.why is Why.WITHDRAWN and any(permit > since for permit in permits)
        if ruling.answer is Answer.DENY and not is_given_anew:
            return ruling
    return next((ruling for ruling, _ in found if ruling.answer is Answer.PERMIT), SILENCE)


def _of_policy(given: Sequence[Consent], asked: Asked) -> list[tuple[Ruling, int]]:
    """What the consents to one policy say, each since when."""
    last_ms = max(_since(each) for each in given)
    newest = [each for each in given if _since(each) == last_ms]
    is_over = all(_is_over(each, asked.at_ms) or ruled(each, asked).answer is Answer.SILENT for each in newest)
    found = []
    for consent in given:
        is_newest = _since(consent) == last_ms
        ruling = ruled(consent, asked)
        if is_newest or (ruling.answer is Answer.DENY and (is_over or consent.at_ms is None)):
            found.append((ruling, _since(consent)))
    return found


def _since(consent: Consent) -> int:
    return max(consent.at_ms or 0, consent.withdrawn_ms or 0)


def _is_over(consent: Consent, at_ms: int) -> bool:
    period = consent.rule.period if consent.rule else None
    return period is not None and period.last_ms is not None and period.last_ms < at_ms


def ruled(consent: Consent, asked: Asked) -> Ruling:
    """What one consent says of a use."""
    if consent.doubts:
        return Ruling(Answer.DENY, Why.UNDECIDED, consent.name, consent.doubts)
    if consent.rule is None:
        return Ruling(Answer.DENY, Why.UNDECIDED, consent.name, ("it has no rule",))
    found = dataclasses.replace(_base(consent.rule, asked), consent=consent.name)
    is_ended = consent.status in (Status.INACTIVE, Status.REJECTED) or consent.withdrawn_ms is not None
    if is_ended:
        if found.answer is Answer.SILENT or (found.answer is Answer.DENY and _objects(consent.rule)):
            return SILENCE  # an objection that was taken back
        why = Why.REJECTED if consent.status is Status.REJECTED else Why.WITHDRAWN
        return Ruling(Answer.DENY, why, consent.name)
    if found.answer is Answer.PERMIT and (consent.at_ms or 0) > asked.at_ms:
        return SILENCE  # given later than it is used
    return found


def _objects(rule: Provision) -> bool:
    """Whether a consent as a whole is an objection."""
    return rule.permits is False


def _base(rule: Provision, asked: Asked) -> Ruling:
    """What the first rule and its exceptions say."""
    if (found := _exceptions(rule, asked)) is not None:
        return found
    fits, of_data = _use_fit(rule, asked), _data_fit(rule, asked.facts)
    if rule.permits is None:
        return Ruling(Answer.DENY, Why.UNDECIDED, doubts=("its first rule says not whether it permits",))
    if not rule.permits:
        return _denied(min(fits, of_data))
    if fits is not Fit.YES:
        return SILENCE
    if of_data is Fit.YES:
        return Ruling(Answer.PERMIT)
    return Ruling(Answer.DENY, Why.BEYOND if of_data is Fit.NO else Why.UNDECIDED)


def _denied(fit: Fit) -> Ruling:
    if fit is Fit.NO:
        return SILENCE
    return Ruling(Answer.DENY, Why.RULE if fit is Fit.YES else Why.UNDECIDED)


def _exceptions(rule: Provision, asked: Asked) -> Ruling | None:
    """What the exceptions of a rule say, a denial first; None if none of them fits."""
    found = [said for each in rule.exceptions if (said := _exception(_within(each, rule), asked)) is not None]
    return next((said for said in found if said.answer is Answer.DENY), found[0] if found else None)


def _exception(rule: Provision, asked: Asked) -> Ruling | None:
    fit = min(_use_fit(rule, asked), _data_fit(rule, asked.facts))
    inner = _exceptions(rule, asked) if fit is not Fit.NO else None
    if inner is not None and (inner.answer is Answer.DENY or fit is Fit.YES):
        return inner
    if rule.permits:
        return Ruling(Answer.PERMIT) if fit is Fit.YES else None
    return _denied(fit) if fit is not Fit.NO else None


def _within(rule: Provision, of: Provision) -> Provision:
    """An exception with what it leaves to its rule: for whom, for what, by which action, and as long as both last."""
    return replace(
        rule,
        period=_both(rule.period, of.period),
        purposes=rule.purposes or of.purposes,
        actors=rule.actors or of.actors,
        actions=rule.actions or of.actions,
    )


def _both(one: Span | None, other: Span | None) -> Span | None:
    if one is None or other is None:
        return one or other
    firsts = [each for each in (one.first_ms, other.first_ms) if each is not None]
    lasts = [each for each in (one.last_ms, other.last_ms) if each is not None]
    return Span(max(firsts, default=None), min(lasts, default=None))


def _use_fit(rule: Provision, asked: Asked) -> Fit:
    """Whether a rule is about a use. Of what is only made ready for uses, a permission need not cover all of them."""
    fit = min(
        _within_span(Span(asked.at_ms, asked.at_ms), rule.period),
        _purpose_fit(rule.purposes, asked.use),
        _actor_fit(rule.actors, asked),
        _action_fit(rule.actions, asked.use),
    )
    if fit is Fit.MAYBE and asked.use.kind.is_open:
        return Fit.YES if rule.permits else Fit.NO
    return fit


def _purpose_fit(named: Sequence[Coding], use: Use) -> Fit:
    if not named:
        return Fit.YES
    return min((max(_purpose(each, wanted) for each in named) for wanted in use.purposes), default=Fit.MAYBE)


def _purpose(named: Coding, wanted: str) -> Fit:
    if wanted == f"{named.system}|{named.code}":
        return Fit.YES
    if not purposes.is_known(named):
        return Fit.MAYBE
    if purposes.is_kind_of(wanted, named.code):
        return Fit.YES
    return Fit.MAYBE if purposes.is_kind_of(named.code, wanted) else Fit.NO


def _actor_fit(actors: Sequence[Actor], asked: Asked) -> Fit:
    """Whether a rule is about all who receive something. Persons and groups may be anybody's."""
    if not actors:
        return Fit.YES
    return min((max(_actor(each, name, asked) for each in actors) for name in asked.use.recipients), default=Fit.MAYBE)


def _actor(actor: Actor, recipient: str, asked: Asked) -> Fit:
    member = asked.organisations.get(actor.name) or asked.organisations.get(actor.identifier)
    if member is not None:
        return Fit.YES if member == recipient else Fit.NO
    return Fit.YES if recipient in (actor.name.removeprefix("Organization/"), actor.identifier) else Fit.MAYBE


def _action_fit(actions: Sequence[Coding], use: Use) -> Fit:
    known = [each.code for each in actions if each.system == ACTIONS]
    if not actions or use.kind.action in known:
        return Fit.YES
    return Fit.NO if len(known) == len(actions) else Fit.MAYBE


def _data_fit(rule: Provision, facts: Facts) -> Fit:
    return min(
        _any_of(frozenset(each.code for each in rule.classes), facts.classes),
        _any_of(frozenset(rule.codes), facts.codes),
        _any_of(frozenset(rule.labels), facts.labels),
        Fit.YES if rule.data_period is None else _within_span(facts.span, rule.data_period),
        max((_datum(each, facts) for each in rule.data), default=Fit.YES),
    )


def _any_of(named: frozenset[T], known: frozenset[T] | None) -> Fit:
    if not named:
        return Fit.YES
    if known is None:
        return Fit.MAYBE
    return Fit.NO if named.isdisjoint(known) else Fit.YES


def _within_span(span: Span | None, bounds: Span | None) -> Fit:
    """Whether a time lies within bounds, in all of what it may mean."""
    if bounds is None:
        return Fit.YES
    if span is None or span.first_ms is None or span.last_ms is None:
        return Fit.MAYBE
    first = span.first_ms if bounds.first_ms is None else bounds.first_ms
    last = span.last_ms if bounds.last_ms is None else bounds.last_ms
    if first <= span.first_ms and span.last_ms <= last:
        return Fit.YES
    return Fit.NO if span.last_ms < first or last < span.first_ms else Fit.MAYBE


def _datum(named: DataRef, facts: Facts) -> Fit:
    name = facts.called(named.name)
    match named.meaning:
        case "instance":
            return Fit.MAYBE if facts.name is None else Fit.YES if facts.name == name else Fit.NO
        case "related":
            return Fit.YES if facts.name == name else _any_of(frozenset({name}), facts.related)
        case "authoredby":
            return _any_of(frozenset({name}), facts.authors)
        case _:  # dependents: what depends on it is not known here
            return Fit.MAYBE
