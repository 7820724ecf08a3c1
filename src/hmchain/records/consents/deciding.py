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

from hmchain.records.consents import purposes, uses
from hmchain.records.consents.consent import Actor, Coding, Consent, DataRef, Provision, Span, Status
from hmchain.records.consents.uses import Use

T = TypeVar("T")

ACTIONS = "http://terminology.hl7.org/CodeSystem/consentaction"
RESOURCE_TYPES = "http://hl7.org/fhir/resource-types"
"""The system of `class` where it names a type of FHIR resource."""
_ANY_RESOURCE = frozenset({"Resource", "DomainResource"})
_CREATED_IN = ("Encounter", "EpisodeOfCare", "CarePlan")
"""What PCF lets data be related to: they refer to it. Of others FHIR has it the other way round."""


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


def _same(name: T) -> T:
    return name


@dataclass(frozen=True)
class Facts:
    """One record as rules about data ask for it; None is what is not known of it."""

    classes: frozenset[Coding] | None = None
    """Its type: of a FHIR resource the name, of a DICOM object the UID of its class, each of its own system."""
    codes: frozenset[Coding] | None = None
    labels: frozenset[Coding] | None = None
    span: Span | None = None
    """All the time that its date may mean."""
    name: str | None = None
    related: frozenset[str] | None = None
    authors: frozenset[str] | None = None
    called: Callable[[str], str] = _same
    """A resource's name in the hospital's system as `name`, `related` and `authors` have it."""
    coded: Callable[[Coding], Coding | None] = _same
    """A code as `codes` have it; None of one that they would be without, though the hospital's record has it."""


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

    Of one policy only the newest consent permits; older ones still deny where the newest is over by now, or silent,
    and so does one that may be as new by its date.
    """
    by_policy: defaultdict[tuple[str, ...], list[Consent]] = defaultdict(list)
    for consent in consents:
        if consent.speaks_of_data and consent.status not in (Status.DRAFT, Status.PROPOSED, Status.ENTERED_IN_ERROR):
            by_policy[consent.policies].append(consent)
    found = [each for given in by_policy.values() for each in _of_policy(given, asked)]
    permits = [_since(consent) for ruling, consent in found if ruling.answer is Answer.PERMIT]
    for ruling, consent in found:
        is_given_anew = ruling.why is Why.WITHDRAWN and any(since > _latest(consent) for since in permits)
        if ruling.answer is Answer.DENY and not is_given_anew:
            return ruling
    return next((ruling for ruling, _ in found if ruling.answer is Answer.PERMIT), SILENCE)


def _of_policy(given: Sequence[Consent], asked: Asked) -> list[tuple[Ruling, Consent]]:
    """What the consents to one policy say that count."""
    last_ms = max(_since(each) for each in given)
    newest = [each for each in given if _since(each) == last_ms]
    is_over = all(_is_over(each, asked.at_ms) or ruled(each, asked).answer is Answer.SILENT for each in newest)
    found = []
    for consent in given:
        ruling = ruled(consent, asked)
        may_be_newest = consent.at_ms is None or _latest(consent) >= last_ms
        if _since(consent) == last_ms or (ruling.answer is Answer.DENY and (is_over or may_be_newest)):
            found.append((ruling, consent))
    return found


def _since(consent: Consent) -> int:
    return max(consent.at_ms or 0, consent.withdrawn_ms or 0)


def _latest(consent: Consent) -> int:
    return max(_since(consent), consent.at_last_ms or 0)


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
    if not consent.is_of_data:
        return found if found.answer is Answer.DENY and found.why is not Why.BEYOND and not is_ended else SILENCE
    if is_ended:
        if not _may_permit(consent.rule, asked):
            is_objection = found.answer is Answer.DENY and consent.rule.permits is False
            if is_objection and consent.status is Status.ACTIVE:
                return found  # a patient who withdraws takes no objection back: that the consent's own system says
            if is_objection or found.answer is not Answer.DENY:
                return SILENCE
        why = Why.REJECTED if consent.status is Status.REJECTED else Why.WITHDRAWN
        return Ruling(Answer.DENY, why, consent.name)
    if found.answer is Answer.PERMIT and (consent.at_ms or 0) > asked.at_ms:
        return SILENCE  # given later than it is used
    return found


def _may_permit(rule: Provision, asked: Asked) -> bool:
    """Whether a rule, or an exception of it, may have permitted a use of any of the data at any time."""
    endless = replace(rule, period=None)
    is_about = rule.permits is not False and _use_fit(replace(endless, permits=False), asked) is not Fit.NO
    return is_about or any(_may_permit(_within(each, endless), asked) for each in rule.exceptions)


def _base(rule: Provision, asked: Asked) -> Ruling:
    """What the first rule and its exceptions say."""
    if (found := _exceptions(rule, asked)) is not None:
        return found
    fits, of_data = _use_fit(rule, asked), _data_fit(rule, asked.facts)
    if rule.permits is None:
        return Ruling(Answer.DENY, Why.UNDECIDED, doubts=("its first rule does not say whether it permits",))
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
    """An exception with what it leaves to its rule: for whom, for what, by which action, and how long.

    A permission lasts as long as both do; a denial that says how long by itself lasts so long.
    """
    return replace(
        rule,
        period=_both(rule.period, of.period) if rule.permits else rule.period or of.period,
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
        _purpose_fit(rule, asked.use),
        _actor_fit(rule, asked),
        _action_fit(rule, asked.use),
    )
    if fit is Fit.MAYBE and asked.use.kind.is_open:
        return Fit.YES if rule.permits else Fit.NO
    return fit


def _over(rule: Provision, use: Use) -> Callable[..., Fit]:
    """How a rule is held against several purposes or recipients: `min` is all of them, `max` is any.

    A permission must be for all, and a denial of one denies; of what is only made ready it is the other way round.
    """
    return min if bool(rule.permits) != use.kind.is_open else max


def _purpose_fit(rule: Provision, use: Use) -> Fit:
    if not rule.purposes:
        return Fit.YES
    fits = (max(_purpose(each, wanted) for each in rule.purposes) for wanted in use.purposes)
    return _over(rule, use)(fits, default=Fit.MAYBE)


def _purpose(named: Coding, wanted: str) -> Fit:
    if wanted == f"{named.system}|{named.code}":
        return Fit.YES
    if not purposes.is_known(named) or not purposes.has(wanted):
        return Fit.MAYBE
    if purposes.is_kind_of(wanted, named.code):
        return Fit.YES
    return Fit.MAYBE if purposes.is_kind_of(named.code, wanted) else Fit.NO


def _actor_fit(rule: Provision, asked: Asked) -> Fit:
    """Whether a rule is about those who receive something. Persons and groups may be anybody's."""
    if not rule.actors:
        return Fit.YES
    fits = (max(_actor(each, name, asked) for each in rule.actors) for name in asked.use.recipients)
    return _over(rule, asked.use)(fits, default=Fit.MAYBE)


def _actor(actor: Actor, recipient: str, asked: Asked) -> Fit:
    member = asked.organisations.get(actor.name) or asked.organisations.get(actor.identifier)
    if member is not None:
        return Fit.YES if member == recipient else Fit.NO
    return Fit.YES if recipient in (actor.name.removeprefix("Organization/"), actor.identifier) else Fit.MAYBE


def _action_fit(rule: Provision, use: Use) -> Fit:
    if not rule.actions:
        return Fit.YES
    known = {each.code for each in rule.actions if each.system == ACTIONS and each.code in uses.ACTIONS}
    if known & (use.kind.permitted_by if rule.permits else use.kind.denied_by):
        return Fit.YES
    return Fit.NO if len(known) == len(set(rule.actions)) else Fit.MAYBE


def _data_fit(rule: Provision, facts: Facts) -> Fit:
    return min(
        max((_class(each, facts.classes) for each in rule.classes), default=Fit.YES),
        _codes(rule.codes, facts),
        _any_of(frozenset(rule.labels), facts.labels),
        Fit.YES if rule.data_period is None else _within_span(facts.span, rule.data_period),
        max((_datum(each, facts) for each in rule.data), default=Fit.YES),
    )


def _class(named: Coding, known: frozenset[Coding] | None) -> Fit:
    """A type of another system than the record's, as a kind of document, may be the record's too."""
    for own in known or ():
        if named.code == own.code and named.system in ("", own.system):
            return Fit.YES
        if own.system == named.system:
            return Fit.YES if named.system == RESOURCE_TYPES and named.code in _ANY_RESOURCE else Fit.NO
    return Fit.MAYBE


def _codes(named: Sequence[Coding], facts: Facts) -> Fit:
    found = [facts.coded(each) for each in named]
    fit = _any_of(frozenset(found), facts.codes)
    return Fit.MAYBE if fit is Fit.NO and None in found else fit


def _any_of(named: frozenset[T | None], known: frozenset[T] | None) -> Fit:
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
            is_created_in = named.name.partition("/")[0] in _CREATED_IN
            known = facts.related if is_created_in else None
            return Fit.YES if facts.name == name else _any_of(frozenset({name}), known)
        case "authoredby":
            return _any_of(frozenset({name}), facts.authors)
        case _:  # dependents: what depends on it is not known here
            return Fit.MAYBE
