"""Verification of the whole ledger against what an auditor knows, and its export for one who checks it elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import htpy as h
from fastapi import Path
from starlette.responses import Response

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.jobs.jobs import OVER, Job, JobState, UnknownJobError
from hmchain.application.pages.markup import definitions
from hmchain.errors import InputError
from hmchain.interfaces.api import auditing
from hmchain.interfaces.api.auditing import BUNDLE, EXPORT, VERIFICATION
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.portal.components import (
    BAD,
    GOOD,
    WARN,
    badge,
    empty,
    form,
    in_place,
    problem,
    progress,
    section,
    text_field,
)  # fmt: skip
from hmchain.interfaces.portal.framing import csrf_of
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.registry import Fields, Next, Pages
from hmchain.interfaces.portal.texts import amount, later, moment, say, theirs
from hmchain.ledger.readers.replay import TrustedHeader

VIEW = Rule(Operation.VIEW, Scope.HOSPITAL)
TAKE = Rule(Operation.VIEW, Scope.HOSPITAL, ("auditor", "officer", "operator", "steward"))
PATH = "/auditor/verify"
_KINDS = (VERIFICATION, EXPORT, BUNDLE)
_HASH_DIGITS = 64

pages = Pages("auditor")

JobId = Annotated[str, Path(pattern="^[0-9a-f]{16}$")]


class AnchorError(InputError):
    """What was typed is no anchor."""

    code = "typed_anchor"


@dataclass(frozen=True)
class Work:
    """What was begun, and what one may begin."""

    jobs: Sequence[Job]
    csrf: str
    may_export: bool


@pages.show(PATH, VIEW, later("Verify and export"))
def verification_page(call: Call) -> Page:
    """Verifications and exports, and how to begin one."""
    own = [job for job in call.site.jobs.all() if job.kind in _KINDS and job.person == call.person.name]
    return verification(Work(own, csrf_of(call.request), not call.site.is_read_only))


@pages.do(PATH, VIEW)
def verify(call: Call, fields: Fields) -> Next:
    """Begin to verify the whole ledger."""
    begun = auditing.begin_verification(call, _digest(fields.text("genesis")), _block(fields.text("block")))
    return Next(f"{PATH}/{begun.id}")


@pages.do(f"{PATH}/export", TAKE)
def export(call: Call, fields: Fields) -> Next:
    """Begin to write the ledger into a file that holds all that an audit needs."""
    return Next(f"{PATH}/{auditing.begin_export(call).id}")


@pages.do(f"{PATH}/bundle", TAKE)
def make_bundle(call: Call, fields: Fields) -> Next:
    """Begin to write the ledger with the hospital's security events into a file that its validator signs."""
    return Next(f"{PATH}/{auditing.begin_bundle(call).id}")


@pages.show(PATH + "/{id}", VIEW)
def work_page(call: Call, id: JobId) -> Page:
    """How far one of them is, and what came of it."""
    return one(_own(call, id), csrf_of(call.request))


@pages.do(PATH + "/{id}/cancel", VIEW)
def cancel(call: Call, id: JobId, fields: Fields) -> Next:
    """Call one of them off."""
    call.site.jobs.cancel(_own(call, id).id)
    return Next(f"{PATH}/{id}")


@pages.show(PATH + "/{id}/file", TAKE)
def exported(call: Call, id: JobId) -> Response:
    """The file of an export."""
    return auditing.exported(call, _own(call, id))


def _own(call: Call, id: str) -> Job:
    """A job of this page's that whoever asks began. Raises `UnknownJobError`."""
    job = call.site.jobs.get(id)
    if job.person != call.person.name or job.kind not in _KINDS:
        raise UnknownJobError("there is no such job", "the list shows those that you began")
    return job


def _digest(text: str) -> bytes | None:
    typed = text.strip().lower()
    if not typed:
        return None
    if len(typed) != _HASH_DIGITS or set(typed) - set("0123456789abcdef"):
        raise AnchorError("that is no digest", "a digest is 64 hexadecimal digits, as it was printed")
    return bytes.fromhex(typed)


def _block(text: str) -> TrustedHeader | None:
    height, separator, hash = text.strip().partition(":")
    if not height:
        return None
    digest = _digest(hash)
    if not separator or not height.isdecimal() or len(height) > 15 or digest is None:
        raise AnchorError("that is no block", "write it as HEIGHT:HASH, as a member's status shows it")
    return TrustedHeader(int(height), digest)


# --- what is seen -------------------------------------------------------------------------------------------------


def verification(found: Work) -> Page:
    """How to begin, and what was begun."""
    lead = say(
        "The whole ledger is executed again from its first block, and every signature, link and state is checked. "
        "Nothing that is stored is believed."
    )
    content = [_begin(found.csrf), _begun(found.jobs), _take_along(found)]
    return Page(say("Verify and export"), content, lead)


def _begin(csrf: str) -> h.Element:
    genesis = text_field(
        "genesis", say("Genesis digest"), spellcheck="false", autocomplete="off", maxlength="64",
        help=say("As you noted it when the network was made. Without it a wholly rewritten ledger would pass."),
    )  # fmt: skip
    block = text_field(
        "block", say("A block that you trust, as HEIGHT:HASH"), spellcheck="false", autocomplete="off",
        maxlength="90", help=say("Another member's status shows one. It may be left out."),
    )  # fmt: skip
    return section(
        say("Verify it here"), form(PATH, csrf, genesis, block, sends=say("Verify the ledger")), anchor="begin"
    )


def _begun(found: Sequence[Job]) -> h.Element | None:
    if not found:
        return None
    lines = [
        h.li[
            h.a(href=f"{PATH}/{job.id}")[_kind(job), ", ", moment(job.begun_ms)], " ", _state(job),
        ]
        for job in found[:10]
    ]  # fmt: skip
    return section(say("What you began"), h.ul[lines], anchor="begun")


def _kind(job: Job) -> str:
    if job.kind == BUNDLE:
        return say("Audit bundle")
    return say("Export") if job.kind == EXPORT else say("Verification")


def _state(job: Job) -> h.Element:
    words = {
        JobState.WAITING: (say("waits"), WARN),
        JobState.RUNNING: (say("under way"), WARN),
        JobState.DONE: (say("done"), GOOD),
        JobState.FAILED: (say("failed"), BAD),
        JobState.CANCELLED: (say("called off"), WARN),
        JobState.STOPPED: (say("cut short: begin it again"), WARN),
    }
    return badge(*words[job.state])


def _take_along(found: Work) -> h.Element:
    title = say("Take it along")
    words = say("One file holds all that an audit needs: every block, and the headers that members signed. No key and "
                "no patient is in it. Whoever has it checks all of it offline:")  # fmt: skip
    command = h.pre[h.code["hmchain audit verify LEDGER.zip --genesis DIGEST"]]
    if not found.may_export:
        where = say("At a hospital's node such a file is made here. The ledger of this run lies in its folder.")
        return section(title, h.p[words], command, empty(where), anchor="export")
    begin = form(f"{PATH}/export", found.csrf, sends=say("Export the ledger"))
    bundle = say("With the hospital's security events in it, the same is an audit bundle, signed by this node:")
    check = h.pre[h.code["hmchain audit check BUNDLE.zip --genesis DIGEST"]]
    made = form(f"{PATH}/bundle", found.csrf, sends=say("Make an audit bundle"))
    return section(title, h.p[words], command, begin, h.p[bundle], check, made, anchor="export")


def one(job: Job, csrf: str) -> Page:
    """One of them; while it is under way the page looks again by itself."""
    crumbs = ((say("Verify and export"), PATH),)
    if job.state not in OVER:
        here = f"{PATH}/{job.id}"
        shown = h.div("#job", hx_get=here, hx_trigger="load delay:1s", **in_place("job"))[
            h.p[_state(job)], progress(say("Blocks executed"), job.done, job.of),
            form(f"{here}/cancel", csrf, sends=say("Call it off")),
        ]  # fmt: skip
        return Page(_kind(job), shown, crumbs=crumbs, active=PATH)
    return Page(_kind(job), h.div("#job")[h.p[_state(job)], _outcome(job)], crumbs=crumbs, active=PATH)


def _outcome(job: Job) -> h.Node:
    if job.state is JobState.FAILED:
        title = say("It does not hold:") if job.kind == VERIFICATION else say("That did not work:")
        return problem(job.code, job.detail, job.hint, title=title)
    if job.state is not JobState.DONE or job.result is None:
        return empty(say("Nothing came of it. Begin it again."), h.p[h.a(href=PATH)[say("Verify and export")]])
    return _verified(job.result) if job.kind == VERIFICATION else _file(job)


def _file(job: Job) -> h.Node:
    found = job.result or {}
    facts = definitions((
        (say("blocks up to"), amount(int(found.get("height", 0)))),
        (say("security events"), amount(int(found["events"])) if "events" in found else ""),
        (say("size in bytes"), amount(int(found.get("size", 0)))),
        (say("genesis"), h.code[str(found.get("genesis", ""))]),
        (say("left out: no header signs them yet"), amount(int(found["left_out"])) if found.get("left_out") else ""),
    ))  # fmt: skip
    return [
        h.div(".panel")[facts],
        h.p[h.a(".button.main", href=f"{PATH}/{job.id}/file", download=True)[say("Take the file")]],
    ]


def _verified(found: dict[str, Any]) -> h.Node:
    ledger = found["ledger"]
    missing = [str(each) for each in ledger.get("missing") or ()]
    standing = (
        badge(say("what was checked holds; the ledger is not whole"), WARN)
        if missing
        else badge(say("all of it holds"), GOOD)
    )
    facts = definitions((
        (say("network"), str(ledger["chain_id"])),
        (say("compared with"), theirs(str(ledger["anchor"]))),
        (say("last block"), f"{ledger['height']}:{ledger['head']}"),
        (say("commitment of the state"), h.code[str(ledger["commitment"])]),
        (say("transactions"), amount(int(ledger["transactions"]))),
        (say("refused"), amount(int(ledger["refused"]))),
        (say("signatures of transactions"), amount(int(ledger["transaction_signatures"]))),
        (say("signatures of votes"), amount(int(ledger["vote_signatures"]))),
    ))  # fmt: skip
    warning = None if ledger["anchored"] else h.p(".caution")[
        say("No anchor was given: a wholly rewritten ledger would pass. Give the genesis digest that you noted.")
    ]  # fmt: skip
    checked = [*map(str, ledger["checked"]), *map(_finding, found["checked"])]
    unproven = [*missing, *map(str, ledger["not_proven"]), *map(_finding, found["not_checked"])]
    return [
        h.p[standing], warning, h.div(".panel")[facts],
        section(say("Checked"), h.ul[[h.li[theirs(each)] for each in checked]], anchor="checked"),
        section(say("Not proven, not checked"), h.ul[[h.li[theirs(each)] for each in unproven]], anchor="unproven")
        if unproven
        else None,
    ]  # fmt: skip


def _finding(found: dict[str, Any]) -> str:
    files = found["files"]
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return f"{files[0]}{more}: {found['what']}"
