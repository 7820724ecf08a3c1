"""What a hospital's log of security events tells of, in a few words."""

from __future__ import annotations

from hmchain.interfaces.portal.texts import Later, later

SECURITY: dict[str, Later] = {
    "log.begun": later("the log was begun"),
    "log.anchored": later("the log was anchored"),
    "log.restored": later("the log was restored from a copy"),
    "log.exported": later("the log was exported"),
    "node.started": later("the node was started"),
    "node.stopped": later("the node was stopped"),
    "agent.started": later("the agent was started"),
    "agent.stopped": later("the agent was stopped"),
    "sign-in": later("somebody signed in"),
    "sign-in.refused": later("a sign-in was refused"),
    "sign-out": later("somebody signed out"),
    "key.opened": later("a key was opened"),
    "key.refused": later("a key was refused"),
    "key.changed": later("a key was changed"),
    "credential.changed": later("a way in was changed"),
    "person.changed": later("a person was changed"),
    "configuration.changed": later("settings were changed"),
    "network.decided": later("a vote in the network"),
    "policy.changed": later("a policy was changed"),
    "consent.changed": later("a consent was changed"),
    "access.asked": later("access was asked for"),
    "access.decided": later("access was decided on"),
    "access.denied": later("access was denied"),
    "study.changed": later("a study was changed"),
    "data.changed": later("data were changed"),
    "data.opened": later("data were opened"),
    "data.counted": later("people were counted"),
    "data.exported": later("data were exported"),
    "data.erased": later("data were erased"),
    "data.sent": later("data were sent"),
    "data.published": later("a dataset was published"),
    "identity.revealed": later("a person's identity was looked up"),
    "transfer": later("records travelled"),
    "break-glass": later("records in an emergency"),
    "break-glass.reviewed": later("an emergency was judged"),
    "release": later("a release was decided on"),
    "audit": later("an audit"),
    "incident": later("an incident"),
    "alarm": later("an alarm"),
    "command": later("a command was run"),
}
"""By the kind of a security event."""
