"""What is said of releases: asked for, allowed or refused by each hospital in it, and withdrawn."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from hmchain.ledger import sharing_events as events
from hmchain.ledger.context import AGENT, SCIENTIST, STEWARD, Context, require, require_digest, require_name
from hmchain.ledger.contracts.data import contents, datasets, obligations, policies, requests
from hmchain.ledger.contracts.data.obligations import MORATORIUM
from hmchain.ledger.contracts.learning import permitted, studies
from hmchain.ledger.contracts.learning.releases import (
    OF_STUDY,
    OPEN,
    OPEN_MAX,
    REASONS,
    REGIONS_MAX,
    RELEASES,
    WORDS,
    AskRelease,
    Audience,
    DecideRelease,
    Decision,
    Entry,
    Release,
    Status,
    TableOf,
    WithdrawRelease,
    Word,
    agent_may_answer,
    artefact_of,
    contributors,
    counts,
    dataset_of,
    involved,
    is_automatic,
    release,
    require_release,
    waits_for,
    word,
)
from hmchain.ledger.contracts.learning.studies import Study
from hmchain.ledger.contracts.members import people
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.ledger.state import State
from hmchain.ledger.transactions import Refusal

Bodies = AskRelease | DecideRelease | WithdrawRelease


def _ask(context: Context, body: AskRelease) -> None:
    context.require_role(SCIENTIST)
    state, person = context.state, people.sender(context.sender)
    require_name(body.name)
    require(release(state, body.name) is None, "release_exists")
    require_digest(body.artefact)
    in_order = list(body.regions) == sorted(set(body.regions)) and len(body.regions) <= REGIONS_MAX
    require(in_order and all(map(contents.REGION.fullmatch, body.regions)), "bad_regions")
    hospitals = _made_by(context, body) if body.table is None else _of_own(context, body, body.table)
    waiting = OPEN.all(state, person.organisation)
    require(len(waiting) < OPEN_MAX, "too_many_releases")
    made = Release(body, hospitals, person, Status.ASKED, context.height, context.time_ms)
    RELEASES.put(state, made, body.name)
    OPEN.put(state, Entry(body.name), person.organisation, body.name)
    if body.study:
        OF_STUDY.put(state, Entry(body.name), body.study, body.name)
    context.emit(events.ReleaseAsked(body.name, *_ref(person), body.study, body.artefact))


def _made_by(context: Context, body: AskRelease) -> tuple[str, ...]:
    """The hospitals in what a study made; refuse what is not its, or what the sender may not ask for."""
    study = studies.require_study(context.state, body.study)
    made = artefact_of(context.state, body.study)
    require(made is not None, "nothing_made")
    require(body.artefact == made, "wrong_artefact")
    hospitals = contributors(context.state, study)
    _require_own(context, study, hospitals)
    _require_as_allowed(context, study, body)
    return hospitals


def _of_own(context: Context, body: AskRelease, table: TableOf) -> tuple[str, ...]:
    """The sender's own organisation, whose people a table is of; refuse (`bad_table`) what a study made beside it."""
    owner = context.sender.organisation
    require(not body.study, "bad_table")
    if datasets.version(context.state, owner, table.dataset, table.version) is None:
        raise Refusal("no_such_version")
    return (owner,)


def _require_own(context: Context, study: Study, hospitals: Sequence[str]) -> None:
    """Refuse (`not_the_applicant`) whoever neither asked for the study nor gave records to it."""
    if context.sender.organisation in hospitals:
        return
    under = permitted.under(context.state, study.progress.specification)
    if under is not None:
        permitted.require_own_request(context, under.request)
        return
    require(context.sender.organisation == study.progress.proposer, "not_the_applicant")


def _require_as_allowed(context: Context, study: Study, body: AskRelease) -> None:
    """Refuse what the request did not name (`other_regions`), or what is not to be published yet (`moratorium`)."""
    under = permitted.under(context.state, study.progress.specification)
    entry = requests.request(context.state, under.request) if under is not None else None
    if entry is None:
        return
    content = requests.content(context.state, entry.name, entry.version)
    named = content.regions if content is not None else ()
    require(not named or (bool(body.regions) and set(body.regions) <= set(named)), "other_regions")
    if body.audience is Audience.PUBLIC:
        owed = (
            obligations.obligation(context.state, use.organisation, entry.name, use.dataset, MORATORIUM)
            for use in study.spec.uses
        )
        require(not any(each is not None and each.is_owed(context.time_ms) for each in owed), "moratorium")


def _decide(context: Context, body: DecideRelease) -> None:
    context.require_role(STEWARD, AGENT)
    state, organisation = context.state, context.sender.organisation
    entry = _open(state, body.release)
    require(body.asked == entry.asked.digest, "wrong_release")
    require(organisation in entry.hospitals, "not_in_release")
    if body.decision is Decision.GRANTED:
        require(not body.reason, "bad_reason")
        require_digest(body.evidence)
        _grant(context, entry, body)
        return
    require(body.decision is Decision.REFUSED and body.reason in REASONS, "bad_reason")
    if body.evidence:
        require_digest(body.evidence)
    said = word(state, entry.name, organisation)
    if STEWARD not in context.sender.roles:
        _require_automatic(context, entry)
        require(said is None, "already_decided")
    persons = (people.sender(context.sender),) if STEWARD in context.sender.roles else ()
    _say(context, body, Decision.REFUSED, persons)
    context.emit(events.ReleaseRefused(entry.name, organisation, context.sender.person, body.reason))


def _grant(context: Context, entry: Release, body: DecideRelease) -> None:
    """Keep a yes; with as many persons' as the hospital's policy asks for it counts, and all hospitals' release it."""
    state, organisation = context.state, context.sender.organisation
    said = word(state, entry.name, organisation)
    require(said is None or not counts(state, entry, said), "already_decided")
    if STEWARD in context.sender.roles:
        persons = _yes_so_far(context, entry, said)
        dataset = dataset_of(state, entry, organisation)
        is_whole = len(persons) >= policies.current(state, organisation, dataset).approvers
    else:
        _require_automatic(context, entry)
        require(agent_may_answer(state, entry, organisation), "already_decided")  # what people said is theirs to change
        persons, is_whole = (), True
    _say(context, body, Decision.GRANTED if is_whole else Decision.WAITING, persons)
    context.emit(events.ReleaseGranted(entry.name, organisation, context.sender.person, int(is_whole)))
    if is_whole and not waits_for(state, entry):
        _end(context, entry, Status.RELEASED)
        asked = entry.asked
        context.emit(events.Released(entry.name, asked.study, asked.artefact, asked.audience, asked.regions))


def _yes_so_far(context: Context, entry: Release, said: Word | None) -> tuple[PersonRef, ...]:
    """Who says yes, the sender the last; refuse (`own_release`) whoever asked for it, or for what made it."""
    state, person = context.state, people.sender(context.sender)
    require(person not in involved(state, entry), "own_release")
    before = said.persons if said is not None and said.decision is Decision.WAITING else ()
    standing = tuple(
        each
        for each in before
        if said is not None and STEWARD in people.roles_of(state, each) and people.stands(state, each, said.time_ms)
    )
    require(person not in standing, "already_approved")
    return (*standing, person)


def _require_automatic(context: Context, entry: Release) -> None:
    """Refuse (`not_automatic`) an agent's word where the hospital's policy leaves the release to its people."""
    require(is_automatic(context.state, entry, context.sender.organisation), "not_automatic")


def _say(context: Context, body: DecideRelease, decision: Decision, persons: tuple[PersonRef, ...]) -> None:
    organisation = context.sender.organisation
    said = Word(
        body.release, organisation, decision, body.reason, body.evidence, persons, context.height, context.time_ms
    )
    WORDS.put(context.state, said, body.release, organisation)


def _withdraw(context: Context, body: WithdrawRelease) -> None:
    context.require_role(SCIENTIST)
    entry = _open(context.state, body.release)
    require(context.sender.organisation == entry.by.organisation, "not_the_applicant")
    _end(context, entry, Status.WITHDRAWN)
    context.emit(events.ReleaseWithdrawn(entry.name, *_ref(people.sender(context.sender))))


def _open(state: State, name: str) -> Release:
    entry = require_release(state, name)
    require(entry.status is Status.ASKED, "release_over")
    return entry


def _end(context: Context, entry: Release, status: Status) -> None:
    ended = replace(entry, status=status, height=context.height, time_ms=context.time_ms)
    RELEASES.put(context.state, ended, entry.name)
    OPEN.delete(context.state, entry.by.organisation, entry.name)


def _ref(person: PersonRef) -> tuple[str, str]:
    return person.organisation, person.person


HANDLERS = {AskRelease: _ask, DecideRelease: _decide, WithdrawRelease: _withdraw}
