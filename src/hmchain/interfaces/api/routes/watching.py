"""How the portal and its machine are: for load balancers, for Prometheus, for operators.

`/healthz`, `/readyz` and `/metrics` stand outside `/v1`, where programs look for them.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.watching import doctor, metrics
from hmchain.application.watching.findings import Examination
from hmchain.application.watching.readiness import Ready
from hmchain.interfaces.api import watch
from hmchain.interfaces.api.answers import answered
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.routing import Routes

ANYBODY = Rule(Operation.VIEW, Scope.PUBLIC)
OPERATORS = Rule(Operation.VIEW, Scope.HOSPITAL, ("operator",))

routes = Routes("watching")
at_root = Routes("watching")
"""Without a version in their path."""


@dataclass(frozen=True)
class Alive:
    """The process answers."""

    alive: bool = True


@at_root.get("/healthz", ANYBODY)
def health(call: Call) -> Alive:
    """Whether the process lives; says nothing of the node or the ledger."""
    return Alive()


@at_root.get("/readyz", ANYBODY, failing=503)
def readiness(call: Call) -> Ready:
    """Whether it can answer; with status 503 if the ledger, the node or a store is missing, and which."""
    found = watch.of_app(call.request.app).readiness.look()
    return answered(call.request, found, 200 if found.ready else 503)  # type: ignore[return-value]


@at_root.get("/metrics", OPERATORS, answer=metrics.CONTENT_TYPE)
def show_metrics(call: Call) -> Response:
    """The metrics that docs/reference/metrics.md lists, for Prometheus."""
    return Response(
        watch.of_app(call.request.app).metrics.text(),
        media_type=metrics.CONTENT_TYPE,
        headers={"Cache-Control": "no-store"},
    )


@routes.get("/doctor", OPERATORS, commands=("doctor",))
def examine_machine(call: Call) -> Examination:
    """All that can be wrong with the hospital's machine, each with what mends it."""
    return doctor.examine(call.node.path, call.passphrase)
