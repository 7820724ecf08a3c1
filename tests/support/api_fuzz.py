"""Schemathesis at an API: all of its checks, as people in the roles that routes ask for, signing what is to be signed.

What a check cannot hold of this API is passed over here, each with the reason.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from schemathesis import BaseSchema, Case, engine, hook, hooks, openapi
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events
from starlette.routing import compile_path

from hmchain.interfaces.api.app import ROUTES
from hmchain.interfaces.api.idempotency import HEADER, KEY
from hmchain.interfaces.api.routing import Route

PHASES = ("examples", "coverage", "fuzzing", "stateful")
NOT_ASKED = {
    "follow_events": "it has no end: `test_events` reads it",
    "begin_oidc": "it leads to another server: `test_oidc` has one",
    "end_oidc": "another server leads there",
    "ask_model": "it begins a process of its own, which takes its time: `test_models` asks it",
    "show_model": "the same",
    "check_released_file": "the same",
    "take_released_file": "the same",
    "sign_out": "all other questions are asked in that session: `test_what_is_revoked_is_over`",
    "end_session": "the same",
    "hand_over": "the offices that ask here would end",
    "suspend_person": "whoever asks would be cut off",
}
"""Routes that are not asked, and why."""
OF_FORM = ("bad_body", "bad_key", "bad_parameter")
"""Codes that refuse a form, which what is published must never come to. All others refuse what something means: it has
to fit what members have, the day, or a language that no schema tells."""
BY_DESIGN = {
    ("not_a_server_error", "readiness"): "503 is how it says that it is not ready",
}
"""Checks that a route does not hold."""
OF_METHODS = ("allow_header_conformance", "unsupported_method")
"""Checks that hold only where an address is of one path alone: `/v1/transactions/meaning` is read as a digest too."""
BY_PATH = {(route.method, route.path): route for route in ROUTES}


@dataclass
class Complaint:
    """What a check found, once a route and answer."""

    check: str
    route: str
    status: int
    code: str
    said: str
    asked: str

    def __str__(self) -> str:
        return f"{self.check}: {self.route} -> {self.status} {self.code}: {self.said}\n    {self.asked}"


@dataclass
class Found:
    """What came of a run."""

    complaints: list[Complaint] = field(default_factory=list)
    """Each once."""
    statuses: Counter[int] = field(default_factory=Counter)
    answered: set[str] = field(default_factory=set)
    """Routes that did what they were asked to, or prepared it."""

    def complain(self, of: Complaint) -> None:
        """Note what a check found, if it is new."""
        if not any((of.check, of.route, of.code) == (each.check, each.route, each.code) for each in self.complaints):
            self.complaints.append(of)


@dataclass
class Fuzzed:
    """An API that is asked by people in roles."""

    app: Any
    """The application; or the address of one that runs as a process."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Bearer secrets by role; none of a finished run, which is open to all, whatever a description says of sign-in."""
    sign: Callable[[str, Any], None] | None = None
    """Signs and sends for a role what an answer asked to be signed."""
    _keys: Iterator[int] = field(default_factory=itertools.count)

    def run(self, *phases: str, only: str = "", examples: int = 1) -> Found:
        """Ask, and collect what checks complain of."""
        found, schema = Found(), self._schema(phases, only, examples)
        with self._hooked():
            self._ask(schema, found)
        return found

    def _ask(self, schema: BaseSchema, found: Found) -> None:
        for event in engine.from_schema(schema).execute():
            if isinstance(event, events.FatalError):
                raise event.exception
            if isinstance(event, events.NonFatalError):
                found.complain(Complaint("error", event.label, 0, "", str(event.value)[:2_000], ""))
            if isinstance(event, events.ScenarioFinished):
                _collect(event, found, is_open=not self.secrets)

    def role(self, route: Route) -> str:
        """Somebody who may."""
        return next((role for role in self.secrets if not route.rule.roles or role in route.rule.roles), "")

    def _schema(self, phases: Sequence[str], only: str, examples: int) -> BaseSchema:
        settings: dict[str, Any] = {
            "workers": 1, "continue-on-failure": True, "cache": {"enabled": False},
            "generation": {"max-examples": examples, "deterministic": True},
            "phases": {name: {"enabled": name in phases} for name in PHASES},
        }  # fmt: skip
        if isinstance(self.app, str):
            whole = openapi.from_url(f"{self.app}/v1/openapi.json", config=SchemathesisConfig.from_dict(settings))
        else:
            config = SchemathesisConfig.from_dict(settings | {"base-url": "http://localhost"})
            whole = openapi.from_asgi("/v1/openapi.json", self.app, headers={"Host": "localhost"}, config=config)
        schema = whole.exclude(operation_id=list(NOT_ASKED))
        schema = schema.include(path_regex=only) if only else schema
        if self.secrets:
            schema.auth()(self._signing_in())
        return schema

    @contextmanager
    def _hooked(self) -> Iterator[None]:
        def before_call(context: object, case: Case, kwargs: dict[str, Any]) -> None:
            """Give each write a key of its own: with another's, it would be that one's answer that comes."""
            if case.headers and re.fullmatch(KEY, str(case.headers.get(HEADER, ""))):
                case.headers[HEADER] = f"fuzz-{next(self._keys)}"

        def after_call(context: object, case: Case, response: Any) -> None:
            if self.sign is not None and response.status_code == 202 and _route(case).signs:
                self.sign(self.role(_route(case)), response.json())

        for each in (before_call, after_call):
            hook(each)
        try:
            yield
        finally:
            for each in (before_call, after_call):
                hooks.unregister(each)

    def _signing_in(self) -> type:
        secrets, role = self.secrets, self.role

        class SignIn:
            def get(self, case: Case, context: object) -> str:
                return secrets[role(_route(case))]

            def set(self, case: Case, secret: str, context: object) -> None:
                case.headers = {**(case.headers or {}), "Authorization": f"Bearer {secret}"}

        return SignIn


def _route(case: Case) -> Route:
    return BY_PATH[case.operation.method.upper(), case.operation.path]


def _collect(event: events.ScenarioFinished, found: Found, *, is_open: bool) -> None:
    recorder = event.recorder
    for id, node in recorder.cases.items():
        asked = recorder.interactions.get(id)
        if asked is None or asked.response is None:
            continue
        route, status = _route(node.value), asked.response.status_code
        found.statuses[status] += 1
        if status < 300:
            found.answered.add(route.name)
        code = _code(asked.response.content)
        for check in recorder.checks.get(id, ()):
            is_excused = _is_excused(check.name, route, code) or (is_open and check.name == "ignored_auth")
            if check.failure_info is not None and not is_excused:
                request = f"{asked.request.method} {asked.request.uri} {asked.request.body!r:.600}"
                said = f"{check.failure_info.failure.message[:600]} {asked.response.content[:300]!r}"
                found.complain(Complaint(check.name, route.name, status, code, said, request))


def _is_excused(check: str, route: Route, code: str) -> bool:
    if (check, route.name) in BY_DESIGN:
        return True
    if check in OF_METHODS and _is_shared(route.path):
        return True
    if check == "negative_data_rejection" and code == "too_large":
        return True  # 413 refuses it too: of a stranger before it is read
    is_empty_file = bool(route.bytes_max) and code == "bad_body"
    return check == "positive_data_acceptance" and (is_empty_file or code not in ("", *OF_FORM))


@cache
def _is_shared(path: str) -> bool:
    """Whether an address of a path is one of another path too."""
    others = {each.path for each in ROUTES} - {path}
    return any(compile_path(each)[0].match(re.sub(r"[{}]", "", path)) for each in others)


def _code(content: bytes | None) -> str:
    try:
        return str(json.loads(content or b"")["code"])
    except (ValueError, TypeError, KeyError):
        return ""
