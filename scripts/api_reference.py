"""Write `docs/reference/api.md`: every route, who may use it, and what it does, from the routes themselves.

    python scripts/api_reference.py

A test holds that the page is what this writes.
"""

from __future__ import annotations

import inspect
from pathlib import Path

from hmchain.application.access.permissions import HOSPITAL_ROLES, Rule, Scope
from hmchain.interfaces.api.app import ROUTES
from hmchain.interfaces.api.routing import Route

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "api.md"
_HEAD = """\
# REST API

<!-- Made by scripts/api_reference.py: change the routes, and run it. -->

The [portal](portal.md) serves it under `/v1`; `/v1/openapi.json` describes it (OpenAPI 3.1) with schemas and examples,
and `hmchain.client` asks it from Python. A client sends a token (`Authorization: Bearer ...`: `POST /v1/tokens` makes
one), or a browser's session.

- **Writes on the ledger** take two steps. The route answers 202 with what is to be signed, in words and bytes; nothing
  was sent. Sign `message`, and each of `more`, with the person's Ed25519 key, and `POST /v1/transactions` in order.
- **Long work** answers 202 with a job: `GET /v1/jobs/{id}` says how far it is, and what came of it. Where that is
  `to_sign`, sign and send it, and ask for the same work again: it goes on.
- **Lists** come in pages: `limit`, `offset`; `next` is where the next page begins.
- **Keys of writes**: what is sent again with the same `Idempotency-Key` within a day is done once and answered as
  before (`Idempotent-Replayed: true`). Nothing is kept so of sessions, tokens, passkeys and of what tells of a patient.
- **Entity tags**: send an answer's `ETag` as `If-None-Match`, and 304 says that nothing has changed.
- **Events**: `GET /v1/events` streams what happens on the ledger; `Last-Event-ID` goes on where a reader was cut off.
- **Problems** are problem details (RFC 9457): `code` stands in the list of [errors](../errors.md), `hint` is the way
  out.

## Who may

Scopes: **public** is for anybody, **own** for whoever is signed in about themselves, **network** for the people of all
members (it is on every ledger), **hospital** for the people of this hospital alone. ✓ may, – may not; the ledger
refuses on its own account what a person may not do there. Whoever is of another member has the column *other*. A token
may do what its scopes say, and no more than its person.

"""
_SHORT = {"steward": "st", "scientist": "sc", "operator": "op", "auditor": "au", "officer": "of", "clinician": "cl",
          "code": "co", "ethics": "et", "protection": "pr"}  # fmt: skip


def may(rule: Rule, role: str, *, own: bool) -> bool:
    """Whether somebody of a role may, of this hospital or of another: as the page says it."""
    if rule.scope is Scope.PUBLIC:
        return True
    if rule.scope is Scope.HOSPITAL and not own:
        return False
    return not rule.roles or role in rule.roles


def page() -> str:
    """The whole page."""
    named = ", ".join(f"{short} {role}" for role, short in _SHORT.items())
    parts = [_HEAD, f"Roles: {named}.\n"]
    for resource in dict.fromkeys(route.resource for route in ROUTES):
        parts.append(_section(resource, [route for route in ROUTES if route.resource == resource]))
    return "\n".join(parts)


def _section(resource: str, routes: list[Route]) -> str:
    columns = [_SHORT[role] for role in HOSPITAL_ROLES]
    head = f"| route | operation | scope | {' | '.join(columns)} | other | what it does | command |"
    line = "|" + "---|" * (len(columns) + 6)
    rows = [_row(route) for route in routes]
    return "\n".join((f"\n### {resource.capitalize()}\n", head, line, *rows))


def _row(route: Route) -> str:
    marks = [_mark(may(route.rule, role, own=True)) for role in HOSPITAL_ROLES]
    other = _mark(any(may(route.rule, role, own=False) for role in HOSPITAL_ROLES))
    commands = ", ".join(f"`{name}`" for name in route.commands)
    cells = (f"`{route.method} {route.path}`", route.rule.operation, route.rule.scope, *marks, other, words(route),
             commands)  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _mark(allowed: bool) -> str:
    return "✓" if allowed else "–"


def words(route: Route) -> str:
    """The first sentence of a route's own words."""
    return inspect.cleandoc(route.words).partition("\n\n")[0].replace("\n", " ").replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page() + "\n", encoding="utf-8")
