"""The decisions that last: about contents and devices, by whom and when, each with a button that takes it back."""

from __future__ import annotations

import htpy as h

from hmchain.application.data.lasting import Lasting
from hmchain.application.pages.markup import table
from hmchain.clock import utc
from hmchain.interfaces.portal.review.gallery import Setting
from hmchain.interfaces.portal.review.layout import document, help_box, tray
from hmchain.interfaces.portal.texts import amount, later, of_later, say, theirs
from hmchain.records.catalogue.decisions import LastingDecision
from hmchain.records.pipeline.devices import DeviceRule

_LETTERS = 12
_STATES = {"released": later("released"), "rejected": later("rejected")}


def lasting(found: Lasting, setting: Setting, marks: dict[str, int], said: str) -> str:
    """Return the page of what was decided; `said` is what came of the last button."""
    root = setting.root
    return document(
        say("Decisions · {organisation}", organisation=setting.organisation),
        root,
        h.header(".portal")[
            h.p(".brand")[h.a("#back", href="./", rel="up")[f"FL-HMChain · {setting.organisation}"]],
            h.h1[say("What was decided for good")],
            h.p(".about")[
                say(
                    "It holds for the same content, and the same device, in later versions and other projects. Taken "
                    "back, it waits for a person again, and lets nothing through: a release then takes as many people "
                    "as before."
                )
            ],
        ],
        h.main[
            h.p(".notice")[theirs(said)] if said else None,
            h.h2[say("Devices whose images are blanked ({count})", count=amount(len(found.devices)))],
            _devices(found)
            if found.devices
            else h.p(".quiet")[say("None: an item's page puts its device on the list.")],
            h.h2[say("Contents ({count})", count=amount(found.total))],
            _contents(found) if found.decisions else h.p(".quiet")[say("Nothing was decided yet.")],
        ],
        tray(marks, setting.who, root, running=setting.running, portal=setting.portal),
        help_box(),
    )


def _devices(found: Lasting) -> h.Element:
    head = (
        say("Device"), say("Picture"), say("Blanked"), say("By"), say("Since (UTC)"), say("In force"), say("To do")
    )  # fmt: skip
    return table(head, [_device(at, rule) for at, rule in enumerate(found.devices, 1)], caption=say("Devices"))


def _device(number: int, rule: DeviceRule) -> tuple[h.Node, ...]:
    device = rule.device
    named = " ".join(part for part in (device.modality, device.manufacturer, device.model) if part)
    parts = "; ".join(", ".join(map(str, part)) for part in device.rectangles)
    held = say("yes") if rule.in_force else say("another person must want it too")
    fields = {"device": str(number), "since": str(rule.since_ms)}
    size = f"{device.columns} x {device.rows}"
    return (
        named,
        size,
        parts,
        rule.reviewer,
        utc(rule.since_ms),
        held,
        _button(say("device {number}", number=number), fields),
    )


def _contents(found: Lasting) -> h.Element:
    head = (
        say("Decision"), say("What"), say("By"), say("When (UTC)"), say("Held for"), say("First in"), say("To do")
    )  # fmt: skip
    caption = say("Contents")
    if found.total > len(found.decisions):
        caption = say("The latest {count}", count=amount(len(found.decisions)))
    return table(head, [_content(each) for each in found.decisions], caption=caption)


def _content(each: LastingDecision) -> tuple[h.Node, ...]:
    name = each.content.hex()[:_LETTERS]
    what = of_later(_STATES[each.decision.state]) if each.decision.state in _STATES else each.decision.state
    if each.decision.regions:
        what = say("{what}, parts blanked", what=what)
    first = f"{each.dataset} v{each.version}, {each.modality or each.kind}" if each.dataset else "-"
    code, when = each.code.replace("_", " ") or "-", utc(each.decision.decided_ms)
    return h.code[name], what, each.decision.reviewer, when, code, first, _button(name, {"content": name})


def _button(name: str, fields: dict[str, str]) -> h.Element:
    hidden = [h.input(type="hidden", name=key, value=value) for key, value in fields.items()]
    return h.form(".back", method="post", action="back")[
        hidden, h.button(type="submit", aria_label=say("Take back {name}", name=name))[say("Take back")]
    ]
