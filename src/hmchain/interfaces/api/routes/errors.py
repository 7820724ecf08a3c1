"""What the codes of problems mean."""

from __future__ import annotations

from starlette.responses import Response

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.interfaces.api import error_words
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.routing import Routes

ANYBODY = Rule(Operation.VIEW, Scope.PUBLIC)

routes = Routes("errors")


@routes.get("/errors", ANYBODY, answer="text/html")
def explain_errors(call: Call) -> Response:
    """What every code of a problem means, and the way out: a page to which the `type` of a problem leads."""
    return Response(error_words.page(), media_type="text/html", headers={"Cache-Control": "no-cache"})
