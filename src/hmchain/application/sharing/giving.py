"""Give the records of a dataset version to the applicant of a request, under its permit."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from hmchain.application.consent.usable import Use, UseKind, usable
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.sharing.manifest import Terms
from hmchain.application.sharing.sending import GivenRecords, send
from hmchain.application.sharing.warrant import NotPermittedError, Warrant
from hmchain.application.site.hospital import HospitalFolder, Records
from hmchain.clock import HOUR_MS, now_ms
from hmchain.ledger.context import STEWARD
from hmchain.ledger.contracts.data import permits, requests, transfers
from hmchain.ledger.contracts.data.requests import Content, Kind
from hmchain.ledger.contracts.data.transfers import GrantRecords, TransferPlan
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.purposes import is_use
from hmchain.ledger.reputation import DAY_MS
from hmchain.ledger.state import State
from hmchain.plain import Progress
from hmchain.records.catalogue import Version
from hmchain.records.consents.purposes import of_request
from hmchain.records.objects import ObjectStore

_CLOCK_MS = HOUR_MS


@dataclass(frozen=True)
class Asked:
    """What a request asks of one of a hospital's datasets, under a permit in force."""

    request: str
    content: Content
    plan: TransferPlan
    grantee: str
    dataset: str
    version: int
    purpose: str
    until_ms: int
    """So long it may be given, if it is given now."""


def asked(state: State, giver: str, request: str, time_ms: int, dataset: str = "", purpose: str = "") -> Asked:
    """What a request asks of a hospital, if a permit for that is in force at this block time.

    `dataset` and `purpose` are needed where it asks for several. Raises `NotPermittedError`.
    """
    entry = requests.request(state, request)
    content = requests.latest(state, entry) if entry is not None else None
    submitted = requests.submission(state, request, entry.version) if entry is not None else None
    if entry is None or content is None or submitted is None or content.kind is not Kind.TRANSFER:
        hint = "`hmchain request list` shows what is asked"
        raise NotPermittedError(f"there is no request {request} for a transfer of records", hint)
    uses = [each for each in content.of(giver) if dataset in ("", each.dataset)]
    if len(uses) != 1:
        named = ", ".join(each.dataset for each in content.of(giver)) or "nothing"
        raise NotPermittedError(f"{request} asks {giver} for {named}", "name one dataset with --dataset")
    purposes = [code for code in content.purposes if is_use(code) and purpose in ("", code)]
    if len(purposes) != 1:
        named = ", ".join(filter(is_use, content.purposes))
        raise NotPermittedError(f"{request} asks for the purposes {named}", "name one with --use")
    (use,), (code,) = uses, purposes
    word = requests.handling(state, entry, giver, use.dataset)
    if word is None or not _holds(state, giver, request, content, use.dataset, use.version, code, time_ms):
        what = f"no permit in force lets {use.dataset} version {use.version} go under {request}"
        raise NotPermittedError(what, f"see what is missing: `hmchain request show {request}`")
    plan = transfers.plan_of(content.plan)
    # The next block's time may be as early as the last one's, and the ledger counts the days from there; but on a quiet
    # network that one may be of weeks ago, and no clock here is wrong by more than this.
    from_ms = max(min(time_ms, standings.time_ms(state)), time_ms - _CLOCK_MS)
    until_ms = min(word.until_ms, from_ms + plan.days * DAY_MS)
    return Asked(
        request, content, plan, submitted.applicant.organisation, use.dataset, use.version, code, until_ms
    )  # fmt: skip


def _holds(
    state: State, giver: str, request: str, content: Content, dataset: str, version: int, purpose: str, time_ms: int
) -> bool:
    return permits.authorised(
        state, giver, request, time_ms,
        kind=Kind.TRANSFER, plan=content.plan, dataset=dataset, version=version, purpose=purpose,
    )  # fmt: skip


def give(
    place: HospitalFolder,
    steward: LedgerUser,
    objects: ObjectStore,
    wanted: Asked,
    *,
    name: str = "",
    passphrase: str | None = None,
    progress: Progress | None = None,
) -> GivenRecords:
    """Give what is asked for; the same call goes on where one was cut short. Raises as `sending.send`."""
    warrant = _warrant(wanted, steward.organisation)
    return send(
        place, steward, objects, warrant, STEWARD, name=name, passphrase=passphrase, progress=progress
    )  # fmt: skip


def _warrant(wanted: Asked, giver: str) -> Warrant:
    use = (wanted.request, wanted.content, wanted.dataset, wanted.version, wanted.purpose)

    def holds(state: State, time_ms: int) -> bool:
        return _holds(state, giver, *use, time_ms)

    def announce(terms: Terms, manifest: bytes, envelope: bytes) -> GrantRecords:
        return GrantRecords(
            terms.name, wanted.request, terms.dataset, terms.version, terms.grantee, terms.purpose, manifest, envelope,
            terms.until_ms,
        )  # fmt: skip

    def chosen(records: Records, version: Version) -> Collection[str]:
        return _chosen(records, version, wanted)

    return Warrant(
        wanted.request, wanted.content.digest, wanted.grantee, wanted.dataset, wanted.version, wanted.purpose,
        wanted.until_ms, holds, chosen, announce,
    )  # fmt: skip


def _chosen(records: Records, version: Version, wanted: Asked) -> Collection[str]:
    """The records that may be given now: of the kinds that are asked for, and of nobody who does not permit it."""
    use = Use(UseKind.TRANSFER, of_request([wanted.purpose]), (wanted.grantee,))
    permitted = usable(records, version.dataset, version.number, use, now_ms()).records
    if not (kinds := wanted.plan.kinds):
        return permitted
    entries = records.catalogue.records(version.dataset, version.number)
    return {entry.record for entry in entries if entry.kind in kinds and entry.record in permitted}
